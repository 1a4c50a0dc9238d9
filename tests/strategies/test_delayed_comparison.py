"""Each state against one flow that holds all of them: values, and errors that cover."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from coverage_cases.chains import HALVES
from driving import Drive
from scipy.integrate import dblquad
from scipy.stats import norm

from msgen.actors.base import Segment
from msgen.actors.orders.delayed import DelayedPayload
from msgen.actors.roles import delayed
from msgen.actors.roles.held_against_flow import HeldAgainstFlow
from msgen.models import Broad, Defended, load
from msgen.models.surrogate.committee import load_committee
from msgen.orchestrator.base import WithError
from msgen.orchestrator.estimates import StateEstimate
from msgen.orchestrator.strategies.delayed_acceptance import comparison
from msgen.orchestrator.strategies.delayed_acceptance.comparison import Compared
from msgen.orchestrator.strategies.targeted.estimate import Joins, differences
from msgen.systems.base import Array, Walkers

REPLICAS, FRAMES, REPEATS = 12, 20, 100
SHIFT, WIDTH = 0.4, 1.6
"""ρ* = N(SHIFT, 1) on the line, told as e^{LOG_Z} times that; the flow is N(0, WIDTH²)."""
LOG_Z = 1.5
TRUE = float(norm.logcdf(-SHIFT) - norm.logcdf(SHIFT))
"""−ln P(x ≥ 0)/P(x < 0)."""


def log_weight(x: Array) -> Array:
    return LOG_Z - 0.5 * (x - SHIFT) ** 2 + 0.5 * (x / WIDTH) ** 2 + np.log(WIDTH)


def segment(rng: np.random.Generator) -> Segment:
    """Draws, and chains that remember a little of where they were."""
    drawn = WIDTH * rng.standard_normal(REPLICAS * FRAMES)
    x = np.zeros((REPLICAS, FRAMES))
    x[:, 0] = rng.standard_normal(REPLICAS)
    for k in range(1, FRAMES):
        x[:, k] = 0.5 * x[:, k - 1] + np.sqrt(0.75) * rng.standard_normal(REPLICAS)
    x = x.ravel() + SHIFT
    samples = {
        "draw_log_weight": log_weight(drawn),
        "draw_cvs": drawn[:, None],
        "frame_log_weight": log_weight(x),
        "frame_cvs": x[:, None],
        "frame_replica": np.repeat(np.arange(REPLICAS, dtype=np.float64), FRAMES),
    }
    return Segment((0, "delayed", 0), samples=samples)


def joins(made: Compared, *, shared: bool = True) -> Joins:
    """Of replicas that are a block each; not `shared`: as if each state had draws of its own."""
    blocks: Any = SimpleNamespace(
        bins=np.zeros((REPLICAS, 1)),
        block=np.arange(REPLICAS),
        owner=np.zeros(REPLICAS, dtype=np.int64),
        works=(),
    )
    if shared:
        return Joins(blocks, made.draws, made.frames, 2, shared=True)
    every = [made.draws.copy() for _ in range(2)]
    for k, part in enumerate(every):
        part[part[:, 1] != k, 0] = -np.inf
        part[:, 1] = k
    return Joins(blocks, np.concatenate(every), made.frames, 2)


def of(name: str, seed: int, *, shared: bool = True) -> tuple[float, float]:
    """F of the right half against the left one, and its error."""
    rng = np.random.default_rng((seed, 19))
    made = Compared().with_round([segment(rng)], HALVES, np.ones(REPLICAS, dtype=bool))
    one = joins(made, shared=shared)
    network = {"bar": one.deep, "tfep": one.by_draws,
               "tfep_back": one.network_of(one.from_samples)}[name]  # fmt: skip
    (found,) = differences(network, ("left", "right")).values()
    assert found.stderr is not None
    return found.value, found.stderr


@pytest.mark.parametrize("name", ["bar", "tfep", "tfep_back"])
def test_errors_hold_the_truth_about_as_often_as_they_say(name: str) -> None:
    found = np.array([of(name, seed) for seed in range(REPEATS)])
    z = np.abs(found[:, 0] - TRUE) / found[:, 1]
    assert abs(float(np.mean(z < 1)) - 0.68) < 0.12
    assert abs(float(np.mean(z < 1.96)) - 0.95) < 0.05
    # as small as they are: the mean of all is not off either
    assert abs(found[:, 0].mean() - TRUE) < 4 * found[:, 0].std() / np.sqrt(REPEATS)


def test_errors_of_draws_that_are_taken_for_two_sets_are_too_small() -> None:
    """The wrong twin of those that cover: a draw that fell in one state did not in the other."""
    right, wrong = (
        np.mean([of("tfep", seed, shared=shared)[1] for seed in range(20)])
        for shared in (True, False)
    )
    assert wrong < 0.85 * right


def test_the_sum_over_states_is_the_partition_function() -> None:
    made = Compared().with_round(
        [segment(np.random.default_rng(k)) for k in range(5)], HALVES, np.ones(REPLICAS, dtype=bool)
    )
    found = joins(made).log_z(("left", "right"), False)
    assert found is not None
    assert found.stderr is not None
    assert abs(found.value - LOG_Z) < 4 * found.stderr
    assert found.stderr < 0.05


def test_those_that_do_not_count_are_left_and_many_are_thinned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = np.ones(REPLICAS, dtype=bool)
    counted[3] = False
    one = segment(np.random.default_rng(1))
    made = Compared().with_round([one], HALVES, counted)
    assert 3 not in made.frames[:, 2]
    assert len(made.draws) == REPLICAS * FRAMES
    monkeypatch.setattr(comparison, "MOST", 300)
    thinned = made.with_round([one], HALVES, counted)
    assert (len(thinned.draws), thinned.stride) == (REPLICAS * FRAMES, 2)
    assert (
        len(thinned.with_round([one], HALVES, counted).draws) == int(1.5 * REPLICAS * FRAMES) // 2
    )


SECTION = (
    "strategy={kind: delayed_acceptance, moves: 1, local: {kind: hmc, steps: 2, leapfrog: 3},"
    " surrogate: {kind: coordinates, members: 2, width: 8, updates: 12},"
    " flow: {walks: 4, moves: 5, broad: 0.2, draws: 2}}"
)
MODEL = "model={kind: realnvp, transforms: 2, hidden: [12], epochs: 8}"
KT = 6.0


@pytest.fixture(scope="module")
def driven() -> Drive:
    hot = f"system={{kind: double_well, kT: {KT:g}}}"
    return Drive.of("double_well", SECTION, MODEL, hot, "replicas=8").produce(4)


def test_weights_are_of_the_systems_energies_and_the_frozen_flow(driven: Drive) -> None:
    step = driven.steps[-1]
    (order,), (found,) = step.plan.orders, step.segments
    p = order.read(DelayedPayload)
    assert p.flow is not None
    assert p.flow.broad is not None
    samples, n = found.samples, len(p.replicas) * p.blocks
    assert len(samples["frame_log_weight"]) == n
    assert len(samples["draw_log_weight"]) == p.flow.draws * n
    wide = Broad([False, False], mean=p.flow.broad.mean, std=p.flow.broad.std)
    q = Defended(load(step.plan.models[p.flow.version]), wide, p.flow.epsilon)
    x = samples["oracle_positions"][-p.flow.draws * n :]
    np.testing.assert_array_equal(x[:, 0], samples["draw_cvs"][:, 0])
    told = -driven.system.energy(Walkers(x)) / KT - q.log_prob(x)
    np.testing.assert_allclose(samples["draw_log_weight"], told, atol=1e-10)
    # no walker asks for more than it did without
    tested = found.counts["flow_tested"] + found.counts["global_proposed"]
    watched = len(samples["watched_replica"])
    assert found.evaluations == len(p.replicas) + tested + watched + len(x)


def exact() -> tuple[float, float]:
    """F of the rest against the left well, and ln Z, by quadrature."""

    def weight(y: float, x: float) -> float:
        return float(np.exp(-(-9 * x**2 + x**3 + 4.5 * x**4 + 3 * y**2) / KT))

    left, right = (dblquad(weight, *ends, -6, 6)[0] for ends in ((-2, 0), (0, 3)))
    beyond = dblquad(weight, -3, -2, -6, 6)[0]
    return float(-np.log((right + beyond) / left)), float(np.log(left + right + beyond))


def beside(drive: Drive) -> tuple[dict[str, dict[str, WithError]], Any]:
    found = drive.strategy.estimate(drive.state)
    return found.diagnostics["estimators"], found


def test_all_ways_agree_and_the_verdict_is_of_the_counts(driven: Drive) -> None:
    told, found = beside(driven)
    truth, log_z = exact()
    assert set(told) == {"counts", "bar", "tfep", "tfep_back"}
    for name, by_state in told.items():
        ((value, error),) = by_state.values()
        assert name in ("tfep", "tfep_back") or error is not None
        assert error is None or abs(value - truth) < 4 * error, name
    (name,) = told["counts"]
    assert tuple(told["counts"][name]) == (found.states[name].f_kT, found.states[name].stderr_kT)
    assert told["bar"][name].stderr < 0.2
    assert abs(found.log_z.value - log_z) < 4 * found.log_z.stderr
    assert "one flow" in found.log_z.method
    assert 0.1 < found.diagnostics["models"][name]["overlap"] < 1.0
    assert "warnings" not in found.diagnostics


def test_with_the_learnt_energies_in_place_of_the_systems_bar_is_wrong_and_it_is_said(
    driven: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wrong twin: held against the flow is a surrogate, by which one state is deeper."""
    plan = driven.steps[-1].plan
    surrogate = load_committee(plan.models[plan.orders[0].model_version])

    class Cheap:
        def log_density(self, x: Array) -> Array:
            return surrogate.log_density(x) + x[:, 0]

    def held(context: Any, moves: Any, oracle: Any) -> HeldAgainstFlow:
        return HeldAgainstFlow(context, moves, Cheap())

    monkeypatch.setattr(delayed, "HeldAgainstFlow", held)
    state = driven.steps[-4].before
    for _ in range(4):
        plan = driven.strategy.decide(state)
        state = driven.strategy.absorb(state, driven.run(plan, plan.orders))
    found = driven.strategy.estimate(state)
    ((value, error),) = found.diagnostics["estimators"]["bar"].values()
    assert abs(value - exact()[0]) > 8 * error
    (said,) = found.diagnostics["warnings"]
    assert "by counts" in said


def test_a_state_that_no_draw_reaches_is_told_of_by_counts_alone() -> None:
    """Nothing is made up for it, and no error either."""
    made = Compared().with_round(
        [segment(np.random.default_rng(1))], HALVES, np.ones(REPLICAS, dtype=bool)
    )
    draws = made.draws.copy()
    draws[draws[:, 1] == 1, 0] = -np.inf
    blocks: Any = SimpleNamespace(
        bins=np.zeros((REPLICAS, 1)), block=np.arange(REPLICAS),
        owner=np.zeros(REPLICAS, dtype=np.int64), works=(),
    )  # fmt: skip
    found: Any = SimpleNamespace(
        states={"left": StateEstimate(0.0, 0.0), "right": StateEstimate(-0.6, 0.1)}, diagnostics={}
    )
    told: dict[str, Any] = {}

    def replaced(_: Any, **values: Any) -> Any:
        told.update(values)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "replace", replaced)
        Compared(draws, made.frames).beside(found, blocks, ("left", "right"), 0.03)
    bar = told["diagnostics"]["estimators"]["bar"]["right"]
    assert np.isnan(bar.value)
    assert bar.stderr is None
    assert "warnings" not in told["diagnostics"]


def test_where_state_and_flow_hardly_meet_there_is_no_error() -> None:
    """Right is met by a handful of draws of thousands: the value is told, an error is not."""
    made = Compared().with_round(
        [segment(np.random.default_rng(1))], HALVES, np.ones(REPLICAS, dtype=bool)
    )
    few = made.draws.copy()
    inside = np.flatnonzero(few[:, 1] == 1)
    few[inside[1:], 1] = -1
    few = np.concatenate([few, np.tile([-np.inf, -1.0], (5000, 1))])
    found: Any = SimpleNamespace(
        states={"left": StateEstimate(0.0, 0.0), "right": StateEstimate(-0.6, 0.1)}, diagnostics={}
    )
    blocks: Any = SimpleNamespace(
        bins=np.zeros((REPLICAS, 1)), block=np.arange(REPLICAS),
        owner=np.zeros(REPLICAS, dtype=np.int64), works=(),
    )  # fmt: skip
    told: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "replace", lambda _, **values: told.update(values))
        Compared(few, made.frames).beside(found, blocks, ("left", "right"), 0.03)
    named = told["diagnostics"]["estimators"]
    assert np.isfinite(named["bar"]["right"].value)
    assert named["bar"]["right"].stderr is None
    assert named["tfep"]["right"].stderr is None
    assert told["log_z"].stderr is None
