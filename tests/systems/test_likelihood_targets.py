"""The benchmark of models on φ⁴, DW4 and LJ13 can come out either way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import likelihood_models
import likelihood_targets as targets
import numpy as np
import pytest
from likelihood.campaigns import METHODS, STATES, TARGETS, settings
from likelihood.chains import Run, summary
from likelihood.table import markdown

from msgen.actors.base import Segment
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.validate import load

RUN = Run(
    "phi4", "copula_flow", 1, True, {"global": 0.4}, 500.0, 5.0, 300, 1.01, 4000, 2000,
    250.0, 4.0, 8.0, 0.505, 0.01, [-119.86, 0.01], 8.0, 2.0,
)  # fmt: skip


def test_the_parts_are_found_and_a_wrong_case_is_named() -> None:
    assert "targets" in likelihood_models.parts()
    assert targets.chosen(("phi4-hmc-2",)) == [("phi4", "hmc", 2)]
    assert {m for _, m, _ in targets.chosen(("dw4",))} >= {"hmc", "equivariant_flow"}
    # equivariance means nothing to a field
    assert "equivariant_flow" not in {m for _, m, _ in targets.chosen(("phi4",))}
    with pytest.raises(SystemExit, match="no such case"):
        targets.chosen(("phi5",))


@pytest.mark.parametrize("target", TARGETS)
def test_every_method_is_a_campaign_that_can_be_read(target: str) -> None:
    path = targets.ROOT / "configs" / "papers" / f"gabrie_{target}.yaml"
    for _, method, seed in targets.chosen((target,)):
        campaign, _ = load(path, list(settings(target, method, seed)))
        kind = campaign.model.kind if campaign.strategy.kind == "flow_mcmc" else None
        assert kind in (method, None)
        assert campaign.budget.energy_evaluations == 3_000_000
    assert set(METHODS) >= {"mala", "hmc", "parallel_tempering"}


def test_verdicts_follow_the_numbers() -> None:
    good = {r.what: r for r in targets._rows("x", [RUN], STATES["phi4"])}
    assert good["x: P"].holds
    assert good["x: ln Z"].holds
    assert good["x: ESS per 1,000"].value == 250.0
    biased = replace(RUN, probability=0.56, log_z=[-119.80, 0.01])
    bad = {r.what: r for r in targets._rows("x", [biased], STATES["phi4"])}
    assert bad["x: P"].holds is False
    assert bad["x: ln Z"].holds is False
    assert "| 0.505 | 1/1 |" in markdown([RUN])


def test_a_run_is_read_from_its_store(tmp_path: Path) -> None:
    """Two replicas, one round of adaptation that does not count and two of production."""
    rng, store = np.random.default_rng(1), Store(tmp_path / "store.zarr", "w")
    history = []
    chains = np.where(rng.random((2, 300)) < 0.5, -1.0, 1.0)
    for rnd in range(3):
        part = chains[:, rnd * 100 : (rnd + 1) * 100]
        samples = {"cvs": part.reshape(-1, 1), "replica": np.repeat([0.0, 1.0], 100)}
        store.append(rnd, [Segment((rnd, "walk", 0), samples=samples)])
        store.commit()
        phase = "produce" if rnd else "adapt"
        states = {k: {"f_kT": 0.0, "stderr_kT": 0.1} for k in ("negative", "rest")}
        history.append({"round": rnd, "phase": phase, "energy_evaluations": 1000 * (rnd + 1),
                        "wall_s": 1.0, "states": states})  # fmt: skip
    results = tmp_path / "results"
    results.mkdir()
    (results / "history.jsonl").write_text("".join(json.dumps(h) + "\n" for h in history))
    (results / "free_energy.json").write_text(json.dumps({
        "states": states, "log_z": {"value": 1.0, "stderr": 0.1, "method": "BAR"},
        "diagnostics": {"converged": True, "acceptance": {"global": 0.5}},
        "cost": {"energy_evaluations": 3000, "training_s": 1.0},
    }))  # fmt: skip
    run = summary(tmp_path, STATES["phi4"], 2.0, "phi4", "realnvp", 1)
    assert (run.produced, run.evaluations) == (2000, 3000)
    counted = chains[:, 100:]
    assert run.flips == int((np.diff(counted, axis=1) != 0).sum())
    assert 200 < run.ess <= 400
    assert run.per_sample == pytest.approx(2000 / run.ess)
    assert run.per_sample_all == pytest.approx(3000 / run.ess)
    assert (run.probability, run.probability_error) == (0.5, pytest.approx(0.025))
