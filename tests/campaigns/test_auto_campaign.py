"""A campaign that chooses its strategy: the known answer, its samples, a run that was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msgen.orchestrator.commands.project import project
from msgen.orchestrator.reporting.export import read_samples
from msgen.orchestrator.reporting.results import read_result
from msgen.orchestrator.reporting.status import status
from msgen.orchestrator.run import run_campaign
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.validate import check, load

CAMPAIGN: dict[str, Any] = {
    "name": "auto",
    "seed": 21,
    "executor": "inline",
    "system": {"kind": "double_well"},
    "cvs": {
        "x": {"kind": "coordinate", "index": 0, "range": [-2, 2], "bins": 40},
        "y": {"kind": "coordinate", "index": 1, "range": [-2.5, 2.5], "bins": 20},
    },
    "surfaces": [["x"]],
    "states": {"left": {"x": [-2, 0]}},
    "strategy": {
        "kind": "auto",
        "local": {"kind": "hmc", "steps": 5},
        "strategies": {"local": {}, "steered": {}},
    },
    "model": {"kind": "spline_flow", "transforms": 1, "hidden": [8], "epochs": 4},
    "converge": {"state_error": "0.15 kT", "surface_error": "0.4 kT", "below": "4 kT"},
    "budget": {"energy_evaluations": 1_500_000},
    "output": {"tensorboard": False},
}


def ran(folder: Path, rounds: int | None = None, **more: Any) -> str:
    budget = {**CAMPAIGN["budget"], **({} if rounds is None else {"rounds": rounds})}
    campaign = load({**CAMPAIGN, **more, "budget": budget})[0]
    return run_campaign(check(campaign, folder, run_dir=folder), run_dir=folder, quiet=True)


def exact() -> float:
    """F of the rest against the left well, U = −9x² + x³ + 4.5x⁴ in kT."""
    x = np.linspace(-3, 3, 60_001)
    p = np.exp(9 * x**2 - x**3 - 4.5 * x**4)
    inside = (x >= -2) & (x < 0)
    return float(np.log(p[inside].sum() / p[~inside].sum()))


@pytest.mark.slow
def test_the_result_is_right_and_its_samples_are_those_of_the_chosen_strategy(
    tmp_path: Path,
) -> None:
    assert ran(tmp_path) == "converged"
    result = read_result(tmp_path)
    rest = result.estimate.states["rest"]
    assert rest.f_kT is not None
    assert rest.stderr_kT is not None
    # four σ by the campaign's own error
    assert abs(rest.f_kT - exact()) < 4 * rest.stderr_kT
    choice = result.estimate.diagnostics["choice"]
    assert sum(choice["evaluations"].values()) == result.cost.energy_evaluations
    told = [e for e in EventLog(tmp_path / "events.jsonl").read() if e["event"] == "choice"]
    assert told[-1]["kind"] == choice["kind"]
    assert choice["said"] in status(tmp_path)
    # samples weigh the states as the chosen strategy does; those of others are not among them
    samples = read_samples(tmp_path, result)
    assert samples is not None
    names = Store(tmp_path / "store.zarr").names()
    assert {n.partition(".")[0] for n in names} <= {"local", "steered"}
    left = samples.weight[samples.cvs[:, 0] < 0].sum()
    share = -np.log((1 - left) / left)
    assert abs(share - rest.f_kT) < 0.5 * rest.stderr_kT
    surface, _ = project(tmp_path, ["x"])
    low = np.isfinite(surface.f_kT) & (surface.f_kT < 3)
    np.testing.assert_allclose(surface.f_kT[low], result.estimate.surfaces[0].f_kT[low], atol=0.3)


@pytest.mark.slow
def test_a_campaign_that_was_stopped_chooses_as_one_that_was_not(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    tried = {"strategies": {"local": {}, "parallel_tempering": {}}}
    strategy = {"strategy": {**CAMPAIGN["strategy"], **tried}, "surfaces": [["x", "y"]]}
    ran(whole, 14, **strategy)
    for rounds in (3, 9, 14):
        ran(parts, rounds, **strategy)
    stores = [Store(folder / "store.zarr") for folder in (whole, parts)]
    assert stores[0].digest == stores[1].digest
    turns = [n.partition("/")[0] for n in stores[0].names()]
    assert {kind.partition(".")[0] for kind in turns} == {"local", "parallel_tempering"}
    # another seed is another campaign
    other = tmp_path / "other"
    ran(other, 3, seed=22, **strategy)
    assert Store(other / "store.zarr").digest != stores[0].digest
