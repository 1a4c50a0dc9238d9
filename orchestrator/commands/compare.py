"""``msgen compare A B``: two runs, or a run and what was imported, in a table and a figure."""

from __future__ import annotations

import json
from pathlib import Path

from msgen.orchestrator.reporting.comparison import (
    Compared,
    Comparison,
    NotComparableError,
    compare,
    comparison_lines,
)
from msgen.orchestrator.reporting.comparison_figure import comparison_figure
from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.reporting.plots import png
from msgen.orchestrator.reporting.results import committed_result, jsonable
from msgen.orchestrator.run_directory.atomic_files import write_atomic
from msgen.orchestrator.schema.problems import CampaignError, Problem


def compare_runs(one: Path, other: Path, output: Path, error_kT: float | None = None) -> str:
    """Compare what two folders hold; writes ``compare.png`` and ``compare.json`` to `output`.

    Parameters
    ----------
    one, other : Path
        Run directories, or folders that ``msgen import`` made.
    output : Path
    error_kT : float, optional
        What evaluations are told to; by default the larger of both errors.

    Raises
    ------
    CampaignError
        If one has no result, or they cannot be compared.
    """
    if error_kT is not None and not error_kT > 0:
        raise _wrong("--error", str(error_kT), "is no error", "Give a positive number, in kT")
    both = (_read(one, other), _read(other, one))
    try:
        found = compare(*both)
    except NotComparableError as error:
        raise _wrong("A B", f"{one} {other}", error.problem, error.remedy) from None
    lines = comparison_lines(found, error_kT)
    output.mkdir(parents=True, exist_ok=True)
    write_atomic(output / "compare.png", png(comparison_figure(found)))
    write_atomic(output / "compare.json", json.dumps(jsonable(_content(found, error_kT))) + "\n")
    return "\n".join([*lines, f"figure: {output / 'compare.png'}"])


def _read(folder: Path, beside: Path) -> Compared:
    """A folder's result, called by as much of its path as tells it from the other's."""
    here, there = folder.resolve().parts, beside.resolve().parts
    n = 1
    while n < len(here) and here[-n:] == there[-n:]:
        n += 1
    return Compared("/".join(here[-n:]), committed_result(folder), read_history(folder))


def _content(c: Comparison, error_kT: float | None) -> dict[str, object]:
    asked = c.error if error_kT is None else error_kT
    return {
        "schema_version": 1,
        "runs": [
            {
                "name": one.name,
                "status": one.result.status,
                "error_kT": one.error,
                "energy_evaluations": one.result.cost.energy_evaluations,
                "before_production": one.before,
                "evaluations_to_error": None if asked is None else one.evaluations_to(asked),
            }
            for one in c.both
        ],
        "asked_kT": asked,
        "states": {
            s.state: {
                "f_kT": s.values,
                "stderr_kT": s.errors,
                "difference_kT": s.difference,
                "deviations": s.deviations,
                "same_region": s.same,
            }
            for s in c.states
        },
        "surfaces": [
            {"cvs": s.cvs, "rms_kT": s.rms_kT, "expected_kT": s.expected_kT} for s in c.surfaces
        ],
    }


def _wrong(what: str, value: object, problem: str, remedy: str) -> CampaignError:
    return CampaignError("command line", [Problem((what,), value, problem, remedy)])
