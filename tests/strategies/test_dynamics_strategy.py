"""Learned dynamics stepped by hand: what is gathered, weighed, asked for next, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from double_well_paths import potential, simulate
from driving import same
from numpy.typing import NDArray
from places import CONFIGS

from msgen.actors.base import Segment, WorkOrder, copy_tree, encode
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.trajectories import (
    FitTrajectoriesPayload,
    FollowPayload,
    GeneratePayload,
    GenerateRecord,
)
from msgen.actors.worker import Worker
from msgen.models.base import ModelState
from msgen.orchestrator import strategies
from msgen.orchestrator.base import Cost, Estimate, RoundInfo, StateEstimate
from msgen.orchestrator.reporting.tensorboard import scalars
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.dynamics.allotment import allotted, goes_on
from msgen.orchestrator.strategies.dynamics.exact_run import Exact
from msgen.orchestrator.strategies.dynamics.simulated import Simulated
from msgen.orchestrator.strategies.dynamics.state import DynamicsState, Verdict
from msgen.orchestrator.strategies.dynamics.strategy import Dynamics, loop_of
from msgen.orchestrator.strategies.dynamics.warmed import warmed
from msgen.orchestrator.strategies.registry import KINDS
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system
from msgen.systems.errors import SpecError

Array = NDArray[np.float64]
QUICK = (
    "replicas=48",
    "strategy.frames=32",
    "strategy.generate.free=128",
    "strategy.local.steps=80",
    "model.length=16",
)
STATES = ("left", "right", "rest")


def exact_of(problem: Problem) -> Exact:
    """Samples of the density itself, as many in each state."""
    rng = np.random.default_rng(3)
    x = np.linspace(-2, 2, 4001)
    p = np.exp(-(potential(x) - potential(x).min()))
    states = Partition.from_boxes(problem.boxes or {}, problem.names, problem.periodic)
    label = states.assign(np.column_stack([x, np.zeros_like(x)]))
    share = np.array([p[label == k].sum() for k in range(3)]) / p.sum()
    picks = np.concatenate([rng.choice(x[label == k], 400, p=p[label == k] / p[label == k].sum())
                            for k in range(3)])  # fmt: skip
    positions = np.column_stack([picks, rng.normal(0, np.sqrt(1 / 6), 1200)])
    f = -np.log(share / share[0])
    told = {n: StateEstimate(float(v), 0.01 if k else 0.0) for k, (n, v) in
            enumerate(zip(STATES, f, strict=True))}  # fmt: skip
    axes = dict(zip(problem.names, problem.grid.centres, strict=True))
    flat = np.zeros(problem.grid.shape)
    estimate = Estimate(axes, flat, flat, told, {"ess": 1e3}, True, ())
    region = np.repeat(np.arange(3), 400)
    return Exact(states, share, positions, region, np.ones(1200), estimate, ())


@dataclass
class ByHand:
    """A worker follows replicas; fits are none, and what is made is what a test says."""

    strategy: Dynamics
    worker: Worker
    made: Array
    state: DynamicsState = field(init=False)

    def __post_init__(self) -> None:
        self.state = self.stored(self.strategy.start())

    @classmethod
    def of(cls, made: Array, *overrides: str) -> ByHand:
        file = CONFIGS / "papers" / "dynamics_diffusion_double_well.yaml"
        campaign = load_campaign(file, [*QUICK, *overrides])
        system = build_system(campaign.spec_system(), CONFIGS)
        cvs = build_cvs(campaign.spec_cvs(), system, CONFIGS)
        problem = strategies.problem_of(campaign, system, cvs)
        exact = exact_of(problem)
        setup = {
            "system": campaign.spec_system(),
            "cvs": campaign.spec_cvs(),
            "strategy": campaign.spec_strategy(),
            "roles": dict(KINDS["dynamics"].roles),
            "seed": campaign.seed,
            "threads": 1,
        }
        strategy = loop_of(problem, system, campaign, exact)
        return cls(strategy, Worker(setup), made)

    def stored(self, state: DynamicsState) -> DynamicsState:
        """As it comes back from a checkpoint."""
        tree = copy_tree(encode(state))
        back = self.strategy.read(tree)
        assert same(back, state)
        return back

    def step(self) -> tuple[WorkOrder, ...]:
        orders = self.strategy.decide(self.state).orders
        assert orders
        assert all(order.round == self.state.round for order in orders)
        segments = [self.answer(order) for order in orders]
        self.state = self.stored(self.strategy.absorb(self.state, segments))
        return orders

    def answer(self, order: WorkOrder) -> Segment:
        record: Any
        if order.kind == "trajectory":
            return self.worker.execute(order)
        if order.kind == "fit_trajectories":
            record = FitRecord(True, ModelState({"kind": "none"}, {"w": np.ones(1)}))
        else:
            p = order.read(GeneratePayload)
            paths = self.paths(p)
            whole = np.isfinite(paths).all(axis=(1, 2))
            record = GenerateRecord(paths, whole, p.task, p.near)
        return Segment(order.key, carry=encode(record))

    def paths(self, p: GeneratePayload) -> Array:
        """Those of a test; and of what is asked for beside free ones a straight way."""
        if p.given is not None:
            part = np.linspace(0, 1, p.given.shape[1])[:, None]
            return np.asarray(p.given[:, :1] + part * (p.given[:, -1:] - p.given[:, :1]))
        if p.near is not None:
            return np.repeat(p.near[None], p.number, axis=0)
        rows = np.arange(p.first, p.first + p.number) % len(self.made)
        return np.resize(self.made[rows], (p.number, p.length or self.made.shape[1], 2))

    def cycle(self) -> DynamicsState:
        before = len(self.state.verdicts)
        while len(self.state.verdicts) == before:
            self.step()
        return self.state


@pytest.fixture(scope="module")
def true_paths() -> Array:
    return simulate(128, 16, seed=11)


def test_a_cycle_gathers_fits_generates_and_judges(true_paths: Array) -> None:
    by = ByHand.of(true_paths)
    kinds, states = [], []
    while not by.state.verdicts:
        orders = by.step()
        kinds.append({order.kind for order in orders})
        states.append(by.state)
    # 32 frames, 16 an order of 80 steps with a frame every 5
    assert kinds == [{"trajectory"}, {"trajectory"}, {"fit_trajectories"}, {"generate"}]
    assert [s.under_way.shape[1] for s in states] == [16, 0, 0, 0]
    assert by.state.gathered[0].frames.shape == (48, 32, 2)
    assert np.bincount(by.state.gathered[0].start).tolist() == [16, 16, 16]
    assert by.state.version == 0
    assert by.state.doing == "gather"
    # the next fit goes on from that version, on all there is; paths are drawn by cycle
    for _ in range(2):
        by.step()
    (fit,) = by.strategy.decide(by.state).orders
    assert fit.is_fit
    assert fit.model_version == 0
    assert fit.read(FitTrajectoriesPayload).frames.shape == (96, 32, 2)
    by.step()
    asked = [o.read(GeneratePayload) for o in by.strategy.decide(by.state).orders]
    assert [(p.first, p.number, p.cycle) for p in asked] == [(0, 64, 1), (64, 64, 1)]


def test_walkers_go_on_inside_a_cycle_and_begin_anew_after_it(true_paths: Array) -> None:
    by = ByHand.of(true_paths)
    assert by.state.walkers.velocities is None
    (first,) = by.step()
    frames = by.state.under_way
    (second,) = by.strategy.decide(by.state).orders
    p = second.read(FollowPayload)
    np.testing.assert_array_equal(p.walkers.positions, frames[:, -1])
    np.testing.assert_array_equal(p.start, first.read(FollowPayload).start)
    by.cycle()
    label = by.strategy.exact.states.assign(by.strategy.problem.positions(by.state.walkers))
    np.testing.assert_array_equal(label, by.state.start)


@pytest.mark.parametrize("weighed", [True, False])
def test_starts_spread_over_states_are_weighed_to_equilibrium(
    true_paths: Array, weighed: bool
) -> None:
    """The weighted share of frames in each state is that of equilibrium; plain counts are not."""
    by = ByHand.of(true_paths, "replicas=192")
    by.cycle()
    bench, state = by.strategy.bench, by.state
    labelled = bench.gathered(bench.simulated(state))
    data = labelled.data if weighed else replace(labelled.data, weights=())
    label = np.where(labelled.core < 0, 2, labelled.core)
    sums = data.blocks.count(label, 3, np.arange(len(label)), data.weight)
    told = sums.estimate(lambda c: c / c.sum(axis=1, keepdims=True))
    off = np.abs(told.value - bench.shares[0]) / told.stderr
    assert (off < 4).all() if weighed else (off > 10).any()


def shares_at(kt: float) -> Array:
    """Of left, right and the rest, by quadrature."""
    x = np.linspace(-2.5, 2.5, 20001)
    p = np.exp(-(potential(x) - potential(x).min()) / kt)
    label = np.where(x < -0.6, 0, np.where(x >= 0.5, 1, 2))
    found = np.bincount(label, p)
    return np.asarray(found / found.sum())


@pytest.mark.parametrize("kt", [0.7, 1.5])
@pytest.mark.parametrize("warm", [True, False])
def test_starts_at_another_temperature_are_exact_there(
    true_paths: Array, kt: float, warm: bool
) -> None:
    """Their weighted frames are at equilibrium there; with the weights of the own they are not."""
    by = ByHand.of(true_paths, f"strategy.temperatures=[{kt}]", "replicas=384")
    orders = by.strategy.decide(by.state).orders
    told = [order.read(FollowPayload).temperature for order in orders]
    assert told == [None] * 3 + [kt] * 3
    by.cycle()
    bench, state = by.strategy.bench, by.state
    # samples of one temperature, weighed for another: 400 in each state
    assert np.abs(np.log(bench.shares[1] / shares_at(kt))).max() < 4 * 0.03 * np.sqrt(2)
    if not warm:
        bench = replace(bench, shares=bench.shares[[0, 0]])
    labelled = bench.gathered(bench.simulated(state, 1))
    label = np.where(labelled.core < 0, 2, labelled.core)
    sums = labelled.data.blocks.count(label, 3, np.arange(len(label)), labelled.data.weight)
    found = sums.estimate(lambda c: c / c.sum(axis=1, keepdims=True))
    # and 400 samples tell a state's factor to about 3 %
    sigma = np.hypot(found.stderr / found.value, 0.03)
    off = np.abs(np.log(found.value / shares_at(kt))) / sigma
    assert (off < 4).all() if warm else (off > 6).any()


def test_a_model_is_conditional_on_the_temperatures_that_are_gathered(true_paths: Array) -> None:
    by = ByHand.of(
        true_paths,
        "strategy.temperatures=[1.5]",
        "strategy.generate.temperature=[1.2, 1.5]",
        "replicas=96",
    )
    for _ in range(2):
        by.step()
    (fit,) = by.strategy.decide(by.state).orders
    payload = fit.read(FitTrajectoriesPayload)
    assert payload.conditions is not None
    assert np.unique(payload.conditions, return_counts=True)[1].tolist() == [48, 48]
    for part in (payload.weights[:48], payload.weights[48:]):
        assert part.mean() == pytest.approx(1.0)
    by.step()
    asked = [order.read(GeneratePayload) for order in by.strategy.decide(by.state).orders]
    told = [(p.task, p.first, float(p.conditions[0, 0])) for p in asked if p.conditions is not None]
    assert told == [
        (0, 0, 1.0), (0, 64, 1.0), (1, 128, 1.2), (1, 192, 1.2), (2, 256, 1.5), (2, 320, 1.5),
    ]  # fmt: skip
    by.step()
    between, gathered = by.strategy.bench.asked_for(by.state, by.strategy.asking)
    assert (between.what, gathered.what) == ("at kT = 1.2", "at kT = 1.5")
    assert between.extent is not None
    assert between.extent.reference is None
    assert between.notes == ("the simulator made none under this condition",)
    assert gathered.surfaces[0].difference is not None
    assert gathered.extent is not None
    assert gathered.extent.reference is not None
    assert gathered.extent.reference.trajectories == 48
    # free ones are told beside those at the own temperature alone
    assert len(by.strategy.bench.simulated(by.state).frames) == 48
    assert by.state.verdicts[-1].frames == 96 * 32


def test_a_temperature_without_ground_is_refused() -> None:
    by = ByHand.of(np.zeros((1, 16, 2)))
    problem, exact = by.strategy.problem, by.strategy.exact
    system = build_system({"kind": "double_well", "kT": 1.0}, CONFIGS)
    assert problem.kT == system.kT
    with pytest.raises(SpecError, match="of its samples carry"):
        warmed(exact, system, 1.0, [0.02])


def asked_for(true_paths: Array) -> ByHand:
    """All that a file can ask for at one temperature; a step a frame, so that walkers cross."""
    by = ByHand.of(
        true_paths,
        "strategy.generate.length=[12]",
        "strategy.generate.inpaint={from: left, to: right, frames: 10, paths: 70}",
        "strategy.generate.vary={path: crossing, noise: 0.4, paths: 20}",
        "strategy.local={kind: overdamped, step_size: 0.02, steps: 80}",
    )
    for _ in range(3):
        by.step()
    return by


def test_ends_are_drawn_from_the_states_and_a_crossing_from_what_was_gathered(
    true_paths: Array,
) -> None:
    by = asked_for(true_paths)
    asked = [order.read(GeneratePayload) for order in by.strategy.decide(by.state).orders]
    assert [(p.task, p.first, p.number) for p in asked] == [
        (0, 0, 64), (0, 64, 64), (1, 128, 64), (1, 192, 64), (2, 256, 64), (2, 320, 6),
        (3, 326, 20),
    ]  # fmt: skip
    assert [p.length for p in asked[2:4]] == [12, 12]
    given = np.concatenate([p.given for p in asked if p.given is not None])
    assert given.shape == (70, 10, 2)
    states, data = by.strategy.exact.states, by.strategy.bench.simulated(by.state)
    for end, name in ((0, "left"), (-1, "right")):
        assert {states.names[k] for k in states.assign(given[:, end])} == {name}
        rows = data.frames.reshape(-1, 2)
        assert all((rows == row).all(axis=1).any() for row in given[:, end])
    assert np.isnan(given[:, 1:-1]).all()
    near, cores = asked[-1].near, states.assign(data.frames.reshape(-1, 2))
    assert near is not None
    assert set(cores.tolist()) >= {0, 1}
    assert near.shape == (16, 2)
    assert {0, 1} <= set(states.assign(near).tolist())


def test_what_was_asked_for_is_told_beside_what_the_simulator_does(
    true_paths: Array,
) -> None:
    by = asked_for(true_paths)
    by.step()
    of_length, between, varied = by.strategy.bench.asked_for(by.state, by.strategy.asking)
    assert of_length.what == "of 12 frames"
    assert of_length.surfaces
    assert between.what == "from left to right in 10 frames"
    assert between.paths + between.broken == 70
    assert not between.surfaces
    assert between.extent is not None
    assert between.examples[0][0][0] < -0.6
    assert between.examples[0][-1][0] > 0.5
    assert varied.what == "variations of crossing, noise 0.4"
    assert varied.displacements


def test_what_cannot_be_asked_for_yet_is_told(true_paths: Array) -> None:
    """Where no trajectory crosses there is none to vary, and to a state never seen no way."""
    by = asked_for(true_paths)
    only_left = np.where(by.state.frames[..., :1] < -0.6, by.state.frames, [[[-1.0, 0.0]]])
    by.state = replace(by.state, gathered=(replace(by.state.gathered[0], frames=only_left),))
    asked = [order.read(GeneratePayload) for order in by.strategy.decide(by.state).orders]
    assert {p.task for p in asked} == {0, 1}
    by.step()
    told = by.strategy.bench.asked_for(by.state, by.strategy.asking)
    assert [one.notes for one in told[1:]] == [
        ("a state that they lie between was never visited",),
        ("no crossing was gathered that could be varied",),
    ]


def test_paths_that_jump_over_the_barrier_are_broken_where_the_simulators_do_not() -> None:
    states = Partition.from_boxes(
        {"left": {"x": (-2.0, -0.6)}, "right": {"x": (0.5, 2.0)}}, ("x",), np.zeros(1, dtype=bool)
    )
    smooth = np.array([-1.0, -0.3, 0.2, 0.8])[None, :, None]
    jumping = np.array([-1.0, -1.0, 0.8, 0.8])[None, :, None]
    for gathered, whole in ((smooth, [True, False]), (jumping, [True, True])):
        data = Simulated(gathered, np.zeros(1, dtype=np.int64), np.ones(1), states, 2)
        assert data.without_skips(np.concatenate([smooth, jumping])).tolist() == whole
        windows, weight = data.windows((0, 1), 4)
        assert len(windows) == len(weight) == 1
        assert data.windows((1, 0), 4)[0].shape == (0, 4, 1)


def test_the_scalars_of_a_judgement_reach_tensorboard(true_paths: Array) -> None:
    by = ByHand.of(true_paths)
    state = by.cycle()
    untold = replace(state, made=())  # the judgement is dear, and no scalar is of it
    estimate = by.strategy.estimate(untold).told()
    info = RoundInfo(4, "produce", estimate, {}, 0, Cost(), 48, 0, None, {})
    found = scalars(info)
    verdict = state.verdicts[-1]
    assert found["dynamics/difference_kT"] == verdict.difference
    assert found["dynamics/gathered_frames"] == 48 * 32
    assert found["dynamics/divergence_after_left"] == verdict.regions[0]
    assert set(found) >= {f"dynamics/{n}" for n in ("cycles", "lost", "broken")}


def test_half_of_the_next_trajectories_begin_where_the_model_is_worst(true_paths: Array) -> None:
    """A model whose right well lies elsewhere, and one whose left well does."""
    for wrong in (0, 1):
        paths = true_paths.copy()
        side = paths[..., 0] < -0.6 if wrong == 0 else paths[..., 0] > 0.5
        paths[..., 1] += np.where(side, 1.5, 0.0)
        by = ByHand.of(paths)
        state = by.cycle()
        verdict = state.verdicts[-1]
        assert int(np.nanargmax(verdict.regions)) == wrong
        assert np.bincount(state.start, minlength=3)[wrong] == 24 + 8
        assert len(state.start) == 48


def test_a_campaign_that_begins_in_one_well_finds_the_other_by_itself(true_paths: Array) -> None:
    """What was never seen is worst: half of the next cycle begins there, and only then F counts."""
    left = true_paths[(true_paths[:, :, 0] < -0.6).all(axis=1)]
    by = ByHand.of(left, "strategy.begin=[left]")
    assert set(by.state.start.tolist()) == {0}
    state = by.cycle()
    first = state.verdicts[0]
    assert not np.isfinite(first.difference)  # left alone is not at equilibrium
    assert np.isnan(first.regions[1])
    assert np.isfinite(first.regions[0])
    assert np.bincount(state.start, minlength=3).tolist() == [8, 24 + 8, 8]
    assert np.isfinite(by.cycle().verdicts[1].difference)
    # by default all states are begun in
    assert set(ByHand.of(left).state.start.tolist()) == {0, 1, 2}


def test_broken_paths_are_left_out_and_counted(true_paths: Array) -> None:
    paths = true_paths.copy()
    paths[:32, 3] = np.nan
    by = ByHand.of(paths)
    state = by.cycle()
    assert state.verdicts[-1].broken == 0.25
    assert len(state.made[0].paths) == 96
    told = by.strategy.estimate(state).dynamics
    assert told is not None
    assert any("32 of 128 generated" in note for note in told.notes)
    # and where none is whole, nothing is judged, and it goes on
    by = ByHand.of(np.full_like(true_paths, np.nan))
    state = by.cycle()
    assert state.verdicts[-1].difference == np.inf
    assert by.strategy.estimate(state).dynamics is None
    assert "no generated trajectory is whole" in by.strategy.estimate(state).unmet[0]


def test_the_estimate_is_that_of_the_exact_run(true_paths: Array) -> None:
    by = ByHand.of(true_paths)
    exact = by.strategy.exact.estimate
    before = by.strategy.estimate(by.state)
    assert before.unmet == ("no model was judged yet",)
    state = by.cycle()
    told = by.strategy.estimate(state)
    for one in (before, told):
        assert one.states == exact.states
        np.testing.assert_array_equal(one.f_kT, exact.f_kT)
        assert not one.converged
    assert told.dynamics is not None
    assert told.dynamics.extent.here.trajectories == 128
    assert told.dynamics.extent.reference is not None
    assert told.dynamics.extent.reference.independent == 48
    assert told.diagnostics["dynamics"]["gathered_frames"] == 48 * 32
    by.step()
    assert by.strategy.estimate(by.state).dynamics is None  # told once


def test_it_ends_when_nothing_improves_or_cycles_are_spent(true_paths: Array) -> None:
    by = ByHand.of(true_paths, "strategy.cycles=9")
    while by.state.phase == "produce":
        by.step()
    # true paths cannot become better; one improvement by chance may delay the end
    assert by.state.phase == "done"
    assert 3 <= len(by.state.verdicts) < 9
    assert by.strategy.decide(by.state).phase == "done"
    assert by.state.just_judged
    untold = replace(by.state, made=())  # the judgement is dear, and told of elsewhere
    assert "no longer improves" in by.strategy.estimate(untold).unmet[0]
    by = ByHand.of(true_paths, "strategy.cycles=1")
    assert by.cycle().phase == "exhausted"
    assert by.state.just_judged
    untold = replace(by.state, made=())
    assert "improved still" in by.strategy.estimate(untold).unmet[0]


def verdicts(*pairs: tuple[float, float]) -> list[Verdict]:
    return [Verdict(1, 0.0, value, stderr, np.zeros(3)) for value, stderr in pairs]


def test_an_improvement_counts_beyond_its_error() -> None:
    inf, nan = np.inf, np.nan
    assert goes_on(verdicts((1.0, 0.1), (1.0, 0.1)))
    assert not goes_on(verdicts((1.0, 0.1), (1.0, 0.1), (0.9, 0.1)))
    assert goes_on(verdicts((1.0, 0.1), (1.0, 0.1), (0.8, 0.1)))
    assert goes_on(verdicts((1.0, 0.1), (0.8, 0.1), (0.9, 0.1)))
    # against the best of all before, not the last
    assert not goes_on(verdicts((0.5, 0.1), (1.0, 0.1), (0.8, 0.1)))
    # the first that can be told of is an improvement
    assert goes_on(verdicts((inf, nan), (inf, nan), (2.0, nan)))
    assert not goes_on(verdicts((inf, nan), (inf, nan), (inf, nan)))


def test_starts_are_allotted_evenly_and_half_to_the_worst() -> None:
    there, nan = np.array([True, False, True, True]), np.nan
    assert allotted(10, there, None).tolist() == [4, 0, 3, 3]
    assert allotted(12, there, np.array([0.1, 9.0, 0.3, 0.2])).tolist() == [2, 0, 8, 2]
    # what is not known is looked at first
    assert allotted(12, there, np.array([0.1, 9.0, 0.3, nan])).tolist() == [2, 0, 2, 8]


def test_samples_are_resampled_by_their_weights() -> None:
    weight = np.array([1.0, 0.0, 3.0, 5.0])
    nothing: Any = None
    exact = Exact(nothing, np.ones(2), np.arange(4.0)[:, None], np.array([0, 0, 0, 1]), weight,
                  nothing, ())  # fmt: skip
    drawn = exact.drawn(0, 400, np.random.default_rng(0))[:, 0]
    assert np.bincount(drawn.astype(int), minlength=4).tolist() == [100, 0, 300, 0]
