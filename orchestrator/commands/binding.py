"""``msgen binding DIR``: the standard free energy of binding of a run along a distance."""

from __future__ import annotations

import json
from pathlib import Path

from msgen.orchestrator.reporting.binding import (
    NoBindingError,
    binding_figure,
    binding_lines,
    binding_of,
)
from msgen.orchestrator.reporting.plots import png
from msgen.orchestrator.reporting.results import committed_result, jsonable
from msgen.orchestrator.run_directory.atomic_files import write_atomic
from msgen.orchestrator.schema.problems import CampaignError, Problem
from msgen.orchestrator.validate import RESOLVED, load_campaign


def tell_binding(directory: Path, bound: str, free: str) -> str:
    """ΔG° in words; writes ``results/binding.json`` and ``binding.png``.

    Parameters
    ----------
    directory : Path
        A run, or what ``msgen import`` made.
    bound, free : str
        States: where the molecules are bound, and a shell of distances at which they do not feel
        each other.

    Raises
    ------
    CampaignError
        If it has no result, or not what the free energy follows from.
    """
    result = committed_result(directory)
    try:
        found = binding_of(result, bound, free)
    except NoBindingError as error:
        raise _wrong(error.value, error.problem, error.remedy) from None
    if (directory / RESOLVED).is_file():
        kind = load_campaign(directory / RESOLVED).cvs[found.cv].kind
        if kind != "distance":
            what = f"is a CV of kind {kind}"
            raise _wrong(found.cv, what, "Take the distance of two atoms or groups (kind distance)")
    content = {
        "schema_version": 1,
        "cv": found.cv,
        "bound": bound,
        "free": free,
        "shell_nm": found.free,
        "difference_kT": found.difference_kT,
        "standard_kT": found.standard_kT,
        "stderr_kT": found.stderr_kT,
        "kT_kJ_per_mol": found.kT_kJ_per_mol,
        "of_profile_kT": found.of_profile[0],
        "of_profile_error_at_most_kT": found.of_profile[1],
        "drift_kT": found.force.drift,
        "drift_error_at_most_kT": found.force.drift_error,
        "mean_force": {
            "r_nm": found.force.r,
            "w_kT": found.force.w,
            "stderr_kT": found.force.stderr,
        },
    }
    folder = directory / "results"
    write_atomic(folder / "binding.json", json.dumps(jsonable(content)) + "\n")
    title = f"{result.header.campaign} · {result.status}"
    write_atomic(folder / "binding.png", png(binding_figure(found, title)))
    return "\n".join([*binding_lines(found, bound, free), f"figure: {folder / 'binding.png'}"])


def _wrong(value: str, problem: str, remedy: str) -> CampaignError:
    return CampaignError("command line", [Problem(("DIR",), value, problem, remedy)])
