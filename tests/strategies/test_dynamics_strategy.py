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
from msgen.orchestrator.base import Estimate, StateEstimate
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.dynamics.allotment import allotted, goes_on
from msgen.orchestrator.strategies.dynamics.exact_run import Exact
from msgen.orchestrator.strategies.dynamics.judging import Bench
from msgen.orchestrator.strategies.dynamics.state import DynamicsState, Verdict
from msgen.orchestrator.strategies.dynamics.strategy import Dynamics
from msgen.orchestrator.strategies.registry import KINDS
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system

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
        strategy = Dynamics(problem, exact, Bench.of(problem, campaign, exact))
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
            paths = self.made[p.first : p.first + p.number]
            record = GenerateRecord(paths, np.isfinite(paths).all(axis=(1, 2)))
        return Segment(order.key, carry=encode(record))

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
    labelled = bench.gathered(state.frames, state.starts)
    data = labelled.data if weighed else replace(labelled.data, weights=())
    label = np.where(labelled.core < 0, 2, labelled.core)
    sums = data.blocks.count(label, 3, np.arange(len(label)), data.weight)
    told = sums.estimate(lambda c: c / c.sum(axis=1, keepdims=True))
    off = np.abs(told.value - bench.share) / told.stderr
    assert (off < 4).all() if weighed else (off > 10).any()


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


def test_broken_paths_are_left_out_and_counted(true_paths: Array) -> None:
    paths = true_paths.copy()
    paths[:32, 3] = np.nan
    by = ByHand.of(paths)
    state = by.cycle()
    assert state.verdicts[-1].broken == 0.25
    assert state.made is not None
    assert len(state.made.paths) == 96
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
    untold = replace(by.state, made=None)  # the judgement is dear, and told of elsewhere
    assert "no longer improves" in by.strategy.estimate(untold).unmet[0]
    by = ByHand.of(true_paths, "strategy.cycles=1")
    assert by.cycle().phase == "exhausted"
    assert by.state.just_judged
    untold = replace(by.state, made=None)
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
