"""Roll-outs of learnt dynamics from walkers, of whole snippets and of steps; nobody moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from double_well_paths import simulate
from places import CONFIGS
from worker_setup import setup_of_dynamics

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.orders.ahead import AheadPayload, AheadRecord, FitAheadPayload, Structures
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.steps import FitStepsPayload, Learnt
from msgen.actors.orders.trajectories import FitTrajectoriesPayload, FollowPayload, FollowRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles import roll_ahead as module
from msgen.actors.worker import Worker
from msgen.models.base import Array, ModelState
from msgen.orchestrator.validate import load_campaign
from msgen.systems.topology.bond_windows import BondWindows
from msgen.systems.topology.modelled_atoms import modelled_atoms

SNIPPET, FRAMES = 8, 18
"""The last of three snippets is cut."""


def context_of(name: str, *sets: str) -> WorkerContext:
    campaign = load_campaign(CONFIGS / "papers" / f"{name}.yaml", sets)
    return WorkerContext(setup_of_dynamics(campaign))


def fitted(
    by: Worker,
    payload: FitTrajectoriesPayload | FitStepsPayload | FitAheadPayload,
    version: int = -1,
) -> ModelState:
    done = by.execute(WorkOrder.of(0, payload, model_version=version))
    assert isinstance(done, Segment)
    model = done.read(FitRecord).model
    assert model is not None
    return model


def ahead(by: Worker, payload: AheadPayload, rnd: int = 3) -> tuple[AheadRecord, Segment]:
    done = by.execute(WorkOrder.of(rnd, payload, model_version=5))
    assert isinstance(done, Segment)
    return done.read(AheadRecord), done


@pytest.fixture(scope="module")
def wells() -> tuple[Worker, AheadPayload]:
    """A model of snippets of the double well, and walkers of both wells."""
    model = "{kind: trajectory_diffusion, width: 8, mults: [1], length: 8, epochs: 40, steps: 8}"
    context = context_of(
        "dynamics_diffusion_double_well", f"model={model}", "model.learning_rate=0.02"
    )
    by, paths = Worker(context.setup, context), simulate(64, 32, seed=2)
    fit = FitTrajectoriesPayload(paths, np.ones(64), np.zeros(2, dtype=bool))
    by.publish(5, encode(fitted(by, fit)))
    begin = np.array([[-1.087, 0.0], [0.92, 0.0]] * 4)
    return by, AheadPayload(WalkerRows(begin), 10, FRAMES, SNIPPET)


def test_snippets_go_on_from_each_other(
    wells: tuple[Worker, AheadPayload], monkeypatch: pytest.MonkeyPatch
) -> None:
    by, payload = wells
    context, seen = vars(by)["_context"], list[tuple[Array, Array]]()
    model = type(module.frozen(context, 5, module.load_trajectory_model))
    inpaint = model.inpaint

    def told(self: Any, keys: Any, given: Array, **about: Any) -> Array:
        made = inpaint(self, keys, given, **about)
        seen.append((given, made))
        return made

    with monkeypatch.context() as patched:
        patched.setattr(model, "inpaint", told)
        record, done = ahead(by, payload)
    assert record.paths.shape == (8, FRAMES, 2)
    assert done.evaluations == 0
    assert done.samples["path"].tolist() == np.repeat(np.arange(10.0, 18.0), FRAMES).tolist()
    assert done.counts["generated"] == 8
    whole = record.sound[:, -1]
    assert done.counts["broken"] == float((~whole).sum())
    assert whole.sum() >= 4
    # the first begins at the walker, each further one where the one before has ended
    assert [given.shape for given, _ in seen] == [(8, SNIPPET, 2)] * 3
    assert all(np.isnan(given[:, 1:]).all() for given, _ in seen)
    begins = [given[:, 0] for given, _ in seen]
    np.testing.assert_array_equal(begins[0], payload.walkers.positions)
    for (_, made), begin in zip(seen, begins[1:], strict=False):
        np.testing.assert_array_equal(begin[whole], made[whole, -1])
    joined = np.concatenate([made[:, 1:] for _, made in seen], axis=1)
    np.testing.assert_array_equal(record.paths, joined[:, :FRAMES])


def test_a_path_counts_up_to_where_it_breaks(
    wells: tuple[Worker, AheadPayload], monkeypatch: pytest.MonkeyPatch
) -> None:
    by, payload = wells
    model = type(module.frozen(vars(by)["_context"], 5, module.load_trajectory_model))
    asked = list[int]()

    def jumps(self: Any, keys: Any, given: Array, **about: Any) -> Array:
        """Stands still, but for one leap of path 2 and one of path 4 into nowhere."""
        made = np.repeat(given[:, :1], given.shape[1], axis=1)
        if not asked:
            made[2, 3:] += 5.0
            made[4, -1] = np.nan
        asked.append(1)
        assert np.isfinite(given[:, 0]).all()
        return made

    with monkeypatch.context() as patched:
        patched.setattr(model, "inpaint", jumps)
        record, done = ahead(by, payload)
    # the first frame of a snippet is the walker's
    lengths = record.sound.sum(axis=1).tolist()
    assert lengths == [FRAMES, FRAMES, 2, FRAMES, SNIPPET - 2, FRAMES, FRAMES, FRAMES]
    assert record.sound[2, :2].all()
    assert done.counts["broken"] == 2


def test_a_search_fits_the_model_that_it_names_and_goes_on_from_it() -> None:
    """Not the campaign's own model; and the next version from the last one."""
    context = context_of("dynamics_diffusion_double_well")
    by, paths = Worker(context.setup, context), simulate(16, 32, seed=3)
    tiny = "{kind: trajectory_diffusion, width: 8, mults: [1], length: 6, epochs: 2, steps: 4}"
    section = load_campaign(
        CONFIGS / "papers" / "dynamics_diffusion_double_well.yaml", [f"model={tiny}"]
    ).spec_model()
    payload = FitAheadPayload(section, paths, np.zeros(2, dtype=bool))
    first = fitted(by, payload)
    assert first.config["lengths"] == [6, 6]
    assert first.config["lengths"] != list(context.setup["model"]["length"])
    by.publish(5, encode(first))
    more, anew = fitted(by, payload, version=5), fitted(by, payload)
    name = next(n for n in first.arrays if n.startswith("net."))
    assert np.array_equal(anew.arrays[name], first.arrays[name])
    assert not np.array_equal(more.arrays[name], first.arrays[name])


def test_a_path_is_what_its_number_and_its_round_say(wells: tuple[Worker, AheadPayload]) -> None:
    by, payload = wells
    record, _ = ahead(by, payload)
    context = vars(by)["_context"]
    other = Worker(context.setup)
    other.publish(5, encode(context.models.state(5)))
    some = replace(payload, walkers=payload.walkers.take(np.arange(3, 6)), first=13)
    np.testing.assert_array_equal(ahead(other, some)[0].paths, record.paths[3:6])
    assert np.abs(ahead(by, payload, rnd=4)[0].paths - record.paths).max() > 1e-3
    assert np.abs(ahead(by, replace(payload, first=11))[0].paths - record.paths).max() > 1e-3


def test_steps_go_on_from_the_atoms_of_a_walker() -> None:
    tiny = "{kind: step_diffusion, atoms: heavy, width: 8, layers: 1, epochs: 3, steps: 2}"
    context = context_of("score_dynamics_butane", f"model={tiny}", "system.platform=Reference")
    by, system = Worker(context.setup, context), context.system
    atoms = modelled_atoms(system.topology, "heavy", "element")
    walkers = WalkerRows(np.repeat(system.initial().positions, 4, axis=0))
    ids = np.arange(4)
    followed = by.execute(
        WorkOrder.of(0, FollowPayload(walkers, ids, ids, 5, 10, atoms=atoms.index))
    )
    assert isinstance(followed, Segment)
    seen = followed.read(FollowRecord)
    assert seen.structures is not None
    frames, section = np.zeros((4, 5, 1)), context.setup["model"]
    mine = FitAheadPayload(section, frames, np.ones(1, dtype=bool), seen.structures)
    model = fitted(by, mine)
    # as a campaign of learned dynamics fits it, every frame weighing as much
    theirs = fitted(by, FitStepsPayload(Learnt(seen.structures, np.ones(4))))
    assert model.config == theirs.config
    by.publish(5, encode(model))
    windows = BondWindows.of(atoms.bonds, seen.structures.reshape(20, -1))
    wide = Structures("heavy", "element", windows.low - 1, windows.high + 9)
    payload = AheadPayload(seen.walkers, 0, 3, 0, wide)
    record, done = ahead(by, payload)
    assert record.paths.shape == (4, 3, 1)
    assert np.isfinite(record.paths).all()
    assert record.sound.all()
    assert done.evaluations == 0
    # the torsion of a step's beginning is the walker's own, within what so short a model does
    assert len(set(record.paths[:, 0, 0].tolist())) == 4
    # a round draws as it would again, and another round anew
    np.testing.assert_array_equal(ahead(by, payload)[0].paths, record.paths)
    assert not np.array_equal(ahead(by, payload, rnd=4)[0].paths, record.paths)
    # twin: where no bond may be as it is every path is given up, and stands still
    none = Structures("heavy", "element", windows.high + 1, windows.high + 2)
    given_up, done = ahead(by, replace(payload, structures=none))
    assert not given_up.sound.any()
    assert done.counts["broken"] == 4
    assert seen.walkers.positions is not None
    np.testing.assert_allclose(given_up.paths[:, 0], context.cvs(seen.walkers.positions))
