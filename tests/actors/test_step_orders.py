"""Roll-outs of a model of steps: what is looked at, what is drawn again, what decides a draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import mdtraj
import numpy as np
import pytest
from places import CONFIGS
from worker_setup import setup_of_dynamics

from msgen.actors.base import WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.steps import FitStepsPayload, Learnt, RollOutPayload, RollOutRecord
from msgen.actors.orders.trajectories import FollowPayload, FollowRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles.rolling import ATTEMPTS, RolledOut, Sound, roll_out
from msgen.actors.worker import Worker
from msgen.models.base import Array, FitReport, ModelState
from msgen.models.score.keyed_noise import DrawKey
from msgen.models.steps.data import Pairs
from msgen.orchestrator.validate import load_campaign
from msgen.systems.openmm.alkanes import Alkane
from msgen.systems.topology.bond_windows import BondWindows
from msgen.systems.topology.modelled_atoms import modelled_atoms
from msgen.systems.topology.stereochemistry import StereoWatch

PAIR = np.array([[0, 1]])


def topology_of(atoms: int) -> mdtraj.Topology:
    """Atoms in a row that nothing is watched of."""
    top = mdtraj.Topology()
    residue = top.add_residue("X", top.add_chain())
    for _ in range(atoms):
        top.add_atom("C", mdtraj.element.carbon, residue)
    return top


def bounded(low: float, high: float) -> Sound:
    windows = BondWindows(PAIR, np.array([low]), np.array([high]))
    return Sound(windows, StereoWatch(topology_of(2), np.zeros(6)))


@dataclass
class Springs:
    """Draws the distance of two atoms anew: normal about 0.15 nm, by the key alone."""

    spread: float = 0.05
    asked: list[DrawKey] = field(default_factory=list)

    def draw(
        self,
        keys: Sequence[DrawKey],
        species: Sequence[str],
        before: Array,
        *,
        conditions: Array | None = None,
        earlier: Array | None = None,
        batch: int = 64,
    ) -> Array:
        self.asked += keys
        out = np.zeros_like(before)
        for i, (key, *rest) in enumerate(keys):
            rng = np.random.default_rng(np.random.SeedSequence(key, spawn_key=rest))
            out[i, 1, 0] = 0.15 + self.spread * rng.standard_normal()
        return out

    def fit(self, data: Sequence[Pairs], *, seed: int, fresh: bool = False) -> FitReport:
        raise NotImplementedError

    def state(self) -> ModelState:
        raise NotImplementedError


def rolled(model: Springs, n: int, steps: int, low: float, high: float) -> RolledOut:
    begin = np.zeros((n, 2, 3))
    begin[:, 1, 0] = 0.15
    return roll_out(model, ("C", "C"), begin, steps, bounded(low, high), 5, range(n))


def test_a_step_that_cannot_be_is_drawn_again() -> None:
    """What is left is the model's step given that it can be, and every failure is counted."""
    model = Springs()
    # one sigma to either side: 31.7 % fail
    made = rolled(model, 300, 20, 0.10, 0.20)
    d = made.paths[:, :, 1, 0]
    assert made.whole.all()
    assert ((d >= 0.10) & (d <= 0.20)).all()
    assert len(model.asked) == 6000 + made.redrawn
    assert len(set(model.asked)) == len(model.asked)
    share = made.redrawn / len(model.asked)
    assert share == pytest.approx(0.3173, abs=5 * np.sqrt(0.32 * 0.68 / len(model.asked)))
    # a standard normal cut at ± 1 has a standard deviation of 0.5396; 5 sigma
    assert d.std() / 0.05 == pytest.approx(0.5396, abs=5 * 0.54 / np.sqrt(12_000))
    # twin: not looked at, they go where they like
    free = rolled(Springs(), 300, 20, 0.0, 1.0)
    assert free.redrawn == 0
    assert free.paths[:, :, 1, 0].max() > 0.20


def test_paths_are_given_up_after_so_many_attempts() -> None:
    made = rolled(Springs(spread=0.001), 3, 4, 0.3, 0.4)
    assert not made.whole.any()
    assert made.redrawn == 3 * ATTEMPTS
    np.testing.assert_array_equal(made.paths[:, :, 1, 0], 0.15)


def test_paths_do_not_depend_on_those_beside_them() -> None:
    """A function of key, replica, step and attempt; however many are rolled out together."""
    many = rolled(Springs(), 8, 6, 0.10, 0.20).paths
    begin = np.zeros((3, 2, 3))
    begin[:, 1, 0] = 0.15
    some = roll_out(Springs(), ("C", "C"), begin, 6, bounded(0.10, 0.20), 5, [2, 5, 7]).paths
    np.testing.assert_array_equal(some, many[[2, 5, 7]])
    other = roll_out(Springs(), ("C", "C"), begin, 6, bounded(0.10, 0.20), 6, [2, 5, 7]).paths
    assert np.abs(other - some).max() > 1e-3


@dataclass
class Swings(Springs):
    """Goes back to where it was a frame ago, and a key's noise beyond."""

    def draw(
        self,
        keys: Sequence[DrawKey],
        species: Sequence[str],
        before: Array,
        *,
        conditions: Array | None = None,
        earlier: Array | None = None,
        batch: int = 64,
    ) -> Array:
        assert earlier is not None
        noise = Springs.draw(self, keys, species, before)[:, 1, 0] - 0.15
        out = np.array(earlier[:, 0])
        out[:, 1, 0] += noise
        return out


def test_a_step_knows_the_frames_before_it_however_often_it_is_drawn() -> None:
    """Two chains that do not meet: even frames follow the begin, odd ones the frame before it."""
    begin, earlier = np.zeros((200, 2, 3)), np.zeros((200, 1, 2, 3))
    begin[:, 1, 0], earlier[:, 0, 1, 0] = 0.17, 0.13
    model = Swings(spread=0.02)
    made = roll_out(
        model, ("C", "C"), begin, 5, bounded(0.10, 0.20), 5, range(200), earlier=earlier
    )
    d = made.paths[:, :, 1, 0]
    assert made.redrawn > 0
    assert made.whole.all()
    odd, even = np.diff(d[:, 0::2]), np.diff(d[:, 1::2])
    assert (np.abs(odd).max(), np.abs(even).max()) < (0.1, 0.1)
    assert d[:, 0].mean() == pytest.approx(0.13, abs=0.006)
    assert d[:, 1].mean() == pytest.approx(0.17, abs=0.006)
    assert np.corrcoef(d[:, 0], d[:, 2])[0, 1] > 0.4
    assert abs(np.corrcoef(d[:, 0], d[:, 1])[0, 1]) < 0.3


def test_other_isomers_cannot_be() -> None:
    """A mirrored alanine dipeptide is seen by its heavy atoms alone, a flipped ω as well."""
    pdb = mdtraj.load(str(CONFIGS / "alanine_dipeptide.pdb"))
    atoms = modelled_atoms(pdb.topology, "heavy", "name")
    assert len(atoms.index) == 10
    assert "ALA:CB" in atoms.species
    x = pdb.xyz[0].astype(np.float64)
    full = StereoWatch(pdb.topology, x)
    watch = full.among(atoms.index)
    assert (full.n_watched, watch.n_watched) == (3, 3)
    heavy = x[atoms.index]
    sound = Sound(BondWindows.of(atoms.bonds, heavy.reshape(1, -1)), watch)
    flat, mirrored = heavy[None], heavy[None] * np.array([-1.0, 1, 1])
    assert sound(np.concatenate((flat, mirrored, flat * np.nan))).tolist() == [True, False, False]
    assert watch.names_flipped(mirrored) == [["chirality ALA2:CA"]]
    # without CB handedness is not known, and nothing is said of it
    rest = atoms.index[[k for k, name in enumerate(atoms.species) if name != "ALA:CB"]]
    assert full.among(rest).n_watched == 2


def test_types_of_atoms() -> None:
    top = Alkane(3).molecule().topology
    heavy = modelled_atoms(top, "heavy", "element")
    assert heavy.species == ("CH3", "CH2", "CH3")
    assert heavy.bonds.tolist() == [[0, 1], [1, 2]]
    assert heavy.index.tolist() == [0, 4, 7]
    every = modelled_atoms(top, "all", "element")
    assert (every.species.count("H"), every.species.count("C")) == (8, 3)
    assert len(every.bonds) == 10
    assert modelled_atoms(top, "heavy", "name").species == ("ALK:C1", "ALK:C2", "ALK:C3")


@pytest.fixture(scope="module")
def context() -> WorkerContext:
    file = CONFIGS / "papers" / "score_dynamics_butane.yaml"
    tiny = "{kind: step_diffusion, atoms: heavy, width: 8, layers: 1, epochs: 3, steps: 2}"
    campaign = load_campaign(file, [f"model={tiny}", "system.platform=Reference"])
    return WorkerContext(setup_of_dynamics(campaign))


def test_structures_are_gathered_learnt_and_rolled_out(context: WorkerContext) -> None:
    """From the simulator's frames to CVs of roll-outs, each order a function of itself."""
    by, system = Worker(context.setup, context), context.system
    start = system.initial().positions
    atoms = modelled_atoms(system.topology, "heavy", "element")
    ids = np.arange(4)
    walkers = WalkerRows(np.repeat(start, 4, axis=0))
    followed = by.execute(
        WorkOrder.of(0, FollowPayload(walkers, ids, ids, 5, 10, atoms=atoms.index))
    )
    seen = followed.read(FollowRecord).structures
    assert seen is not None
    assert seen.shape == (4, 5, 4, 3)
    last = followed.read(FollowRecord).walkers.positions
    assert last is not None
    np.testing.assert_array_equal(seen[:, -1], last.reshape(4, -1, 3)[:, atoms.index])
    fitted = by.execute(WorkOrder.of(1, FitStepsPayload(Learnt(seen, np.ones(4)))))
    model = fitted.read(FitRecord).model
    assert model is not None
    by.publish(0, encode(model))
    windows = BondWindows.of(atoms.bonds, seen.reshape(20, -1))
    wide = {"low": windows.low - 1, "high": windows.high + 9}
    payload = RollOutPayload(first=10, cycle=2, begin=seen[:, -1], frames=3, **wide)
    one, same = (by.execute(WorkOrder.of(2, payload, model_version=0)) for _ in range(2))
    record = one.read(RollOutRecord)
    assert record.paths.shape == (4, 3, 1)
    assert np.isfinite(record.paths).all()
    assert (record.whole.all(), record.redrawn) == (True, 0)
    np.testing.assert_array_equal(record.paths, same.read(RollOutRecord).paths)
    assert one.samples["path"].tolist() == [10.0] * 3 + [11.0] * 3 + [12.0] * 3 + [13.0] * 3
    other = RollOutPayload(first=10, cycle=3, begin=seen[:, -1], frames=3, **wide)
    moved = by.execute(WorkOrder.of(2, other, model_version=0)).read(RollOutRecord)
    assert np.abs(moved.paths - record.paths).max() > 1e-6
    # one that knows two frames is given the one before, and another past is another path
    two = by._context.setup["model"] = {**by._context.setup["model"], "past": 2}
    assert two["past"] == 2
    fitted = by.execute(WorkOrder.of(5, FitStepsPayload(Learnt(seen, np.ones(4)))))
    by.publish(2, encode(fitted.read(FitRecord).model))
    ends = [
        by.execute(WorkOrder.of(6, replace(payload, earlier=past), model_version=2))
        for past in (seen[:, -2:-1], seen[:, -2:-1], 1.2 * seen[:, -2:-1])
    ]
    mine, again, elsewhere = (e.read(RollOutRecord).paths for e in ends)
    np.testing.assert_array_equal(mine, again)
    assert np.abs(mine - elsewhere).max() > 1e-7
    by._context.setup["model"] = {**two, "past": 1}
    # a model that is conditional on something hears it
    about = np.array([[300.0], [300], [400], [400]])
    fitted = by.execute(WorkOrder.of(3, FitStepsPayload(Learnt(seen, np.ones(4), about))))
    by.publish(1, encode(fitted.read(FitRecord).model))
    paths = [
        by.execute(
            WorkOrder.of(4, replace(payload, task=1, conditions=np.array([[t]])), model_version=1)
        ).read(RollOutRecord)
        for t in (300.0, 400.0)
    ]
    assert np.abs(paths[0].paths - paths[1].paths).max() > 1e-7
    assert {p.task for p in paths} == {1}
