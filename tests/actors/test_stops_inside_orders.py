"""A stop or a spent budget is heard inside one long order: of local steps, or of a fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from built_models import build
from driving import same, setup_of
from places import CONFIGS

import msgen
from msgen.actors import slices as module
from msgen.actors.base import Begun, Segment, Tree, WorkOrder
from msgen.actors.orders.fit import FitPayload
from msgen.actors.worker import Worker
from msgen.models.training import fitting, reverse_kl
from msgen.orchestrator.run_directory.store import Store

LONG = {
    "strategy": {"kind": "local", "local": {"kind": "langevin", "steps": 40}},
    "replicas": 2,
    "output": {"stride": 40, "tensorboard": False},
    "converge.unseen": None,
}


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look wherever one pauses, and wait for nothing."""
    monkeypatch.setattr(module, "_LOOK_S", -1.0)
    monkeypatch.setattr(module, "_FINISH_S", 0.0)


def local(folder: Path, evaluations: float, rounds: int = 1) -> msgen.Result:
    return msgen.run(
        CONFIGS / "double_well.yaml",
        output_dir=folder,
        overrides={**LONG, "budget": {"energy_evaluations": evaluations, "rounds": rounds}},
        executor="inline",
        quiet=True,
    )


def test_a_budget_is_heeded_inside_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One order takes more than it; what was done of it is kept, and gone on with."""
    monkeypatch.setattr(module, "_LOOK_S", -1.0)
    monkeypatch.setattr(module, "_SLICE_S", 0.0)
    whole = local(tmp_path / "whole", 1e9)
    budget = 0.3 * whole.cost.energy_evaluations
    first = local(tmp_path / "run", budget)
    assert first.status == "exhausted"
    assert "budget.energy_evaluations is spent" in first.reason
    # a second call finds all of it kept, and begins nothing
    kept = list((tmp_path / "run" / "double-well" / "unfinished").iterdir())
    assert kept
    assert local(tmp_path / "run", budget).status == "exhausted"
    part = local(tmp_path / "run", 0.7 * whole.cost.energy_evaluations)
    assert "no round committed yet" in part.reason
    last = local(tmp_path / "run", 1e9)
    assert last.cost.energy_evaluations == whole.cost.energy_evaluations
    stores = [Store(tmp_path / n / "double-well" / "store.zarr") for n in ("run", "whole")]
    assert stores[0].digest == stores[1].digest


def fit_order() -> tuple[Tree, WorkOrder]:
    """Of a small flow on 40 samples, and the setup of who does it."""
    _, setup, _, _ = setup_of("double_well", "model={kind: realnvp, epochs: 2, hidden: [4]}")
    data = np.random.default_rng(2).normal(size=(40, 1))
    payload = FitPayload(
        data, np.ones(40), np.zeros(40, dtype=np.int64), 1, np.zeros(1, dtype=bool)
    )
    return setup, WorkOrder.of(0, payload)


def test_a_fit_stops_between_updates_and_is_done_again(
    eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, order = fit_order()
    whole = Worker(setup).execute(order)
    updates = 0

    def stop(evaluations: int) -> bool:
        nonlocal updates
        updates += 1
        return updates == 2

    stopped = Worker(setup).execute(order, stop)
    assert stopped == Begun(order.key)
    assert updates == 2  # not one more
    again = Worker(setup).execute(order)
    assert isinstance(whole, Segment)
    assert isinstance(again, Segment)
    assert same(dict(again.carry), dict(whole.carry))
    # where it does not pause it cannot be stopped
    monkeypatch.setattr(fitting, "pause", lambda: None)
    assert isinstance(Worker(setup).execute(order, lambda evaluations: True), Segment)


def test_a_training_on_an_energy_stops_between_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever `pause` raises."""
    from msgen.models.base import Reparametrised
    from msgen.models.training.reverse_kl import EnergyTraining

    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    model = build({"kind": "realnvp"}, 2, (False, False))
    assert isinstance(model, Reparametrised)
    model.place(np.zeros(2), np.ones(2), 1)
    monkeypatch.setattr(reverse_kl, "pause", stop)
    with pytest.raises(StopError):
        reverse_kl.reverse_kl(
            model, lambda x: (0.5 * (x**2).sum(axis=1), x), EnergyTraining(updates=5), seed=1
        )
