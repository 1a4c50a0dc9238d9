"""From a force field and a guess of the collective variables to a converged free energy.

>>> import msgen
>>> result = msgen.run("campaign.yaml")
>>> result.free_energies["C7ax"].f_kT, result.free_energies["C7ax"].stderr_kT

`run` begins a campaign or goes on with it, `load` reads the result of a run directory (while it
runs, too), `validate` and `plan` look at a campaign without running it. What they raise about a
campaign that cannot be run as written is a `CampaignError`, with the text the command line prints.

This folder is installed as `msgen` itself. Names are looked up when they are first asked for, so
that `import msgen` waits for nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from msgen.orchestrator.version import __version__

if TYPE_CHECKING:
    from msgen.orchestrator.base import StateEstimate
    from msgen.orchestrator.library.campaigns import load, plan, run, validate
    from msgen.orchestrator.library.errors import RunError
    from msgen.orchestrator.library.result import Result, Surface
    from msgen.orchestrator.reporting.results import CVInfo
    from msgen.orchestrator.reporting.samples import Samples
    from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError
    from msgen.orchestrator.schema.problems import CampaignError

__all__ = [
    "CVInfo",
    "CampaignError",
    "Result",
    "RunDirectoryError",
    "RunError",
    "Samples",
    "StateEstimate",
    "Surface",
    "__version__",
    "load",
    "plan",
    "run",
    "validate",
]

if not TYPE_CHECKING:
    _HOMES = {
        "base": ("StateEstimate",),
        "library.campaigns": ("load", "plan", "run", "validate"),
        "library.errors": ("RunError",),
        "library.result": ("Result", "Surface"),
        "reporting.results": ("CVInfo",),
        "reporting.samples": ("Samples",),
        "run_directory.atomic_files": ("RunDirectoryError",),
        "schema.problems": ("CampaignError",),
    }

    def __getattr__(name):
        for home, names in _HOMES.items():
            if name in names:
                found = getattr(importlib.import_module(f"msgen.orchestrator.{home}"), name)
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return __all__
