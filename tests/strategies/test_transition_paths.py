"""Transition paths stepped by hand: what is fitted and frozen, and rates that are known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from double_well_paths import exact_rates
from paths_by_hand import STEP, ByHand
from short_paths import ExactPaths, Normal, Wells, region

from msgen.actors.kernels.overdamped import Overdamped
from msgen.actors.kernels.shooting import DensityShooting
from msgen.actors.orders.shooting import ShotRows
from msgen.actors.roles.shooting import first_ahead, passages_inside
from msgen.orchestrator.estimators.dynamics.path_sampling import transition_paths
from msgen.orchestrator.estimators.dynamics.path_shots import Populations
from msgen.orchestrator.strategies.transition_paths.between import populations
from msgen.systems.coordinates.representation import Cartesian


@pytest.fixture(scope="module")
def finished() -> ByHand:
    by = ByHand.of("replicas=64", "strategy.rate_error=0.06", "strategy.rounds=12")
    by.finish()
    return by


def test_a_density_is_learnt_twice_and_then_frozen(finished: ByHand) -> None:
    kinds = finished.kinds
    assert kinds[:7] == ["fit", *["shoot"] * 4, "fit", "shoot"]
    assert set(kinds[7:]) <= {"shoot"}
    state = finished.state
    assert state.phase == "done"
    assert len(state.crossed) == 0
    assert state.paths.there.all()
    first, last = (
        finished.strategy.exact.states.assign(state.paths.positions[:, k]) for k in (0, -1)
    )
    assert set(first.tolist()) == {0}
    assert set(last.tolist()) == {1}
    # nothing of the adaptation counts
    assert len(state.shots) == kinds[6:].count("shoot") * 64 * 8


def test_rates_are_those_of_the_chain(finished: ByHand) -> None:
    """Within 3 σ of the linear equations, both ways, and the flux."""
    told = finished.strategy.estimate(finished.state).paths
    assert told is not None
    assert told.notes == ()
    exact = exact_rates(STEP, 10)
    known = ((told.rate, exact.there), (told.rate_back, exact.back), (told.flux, exact.flux))
    for reading, truth in known:
        assert reading.value is not None
        assert reading.stderr is not None
        assert abs(reading.value - truth) < 3 * reading.stderr
        assert reading.stderr < 0.08 * truth
    x = told.committor[0].curve
    seen = {round(a, 2): v for a, v in zip(x.x, x.value, strict=True) if v is not None}
    assert seen[-0.55] < 0.1 < 0.9 < seen[0.45]


@pytest.mark.slow
def test_aimless_shooting_tells_paths_and_no_rates() -> None:
    by = ByHand.of(
        "replicas=16", "strategy.shooting={kind: aimless, window: 3}", "strategy.rounds=2"
    )
    state = by.finish()
    assert state.phase == "done"
    told = by.strategy.estimate(state).paths
    assert told is not None
    assert told.rate.value is None
    assert "no rates" in told.rate.why
    assert told.effective is None
    assert told.accepted > 0.03 * told.shots
    assert by.strategy.estimate(state).unmet[0] == "aimless shooting tells no rates"


def test_a_campaign_whose_paths_are_too_short_says_so() -> None:
    by = ByHand.of("replicas=8", "strategy.local.steps=4", "output.stride=1", "strategy.shots=1")
    state = by.finish()
    assert state.phase == "exhausted"
    assert "paths may be too short" in by.strategy.estimate(state).unmet[0]


def test_populations_come_with_the_errors_of_both_states() -> None:
    by = ByHand.of()
    told = populations(by.strategy.exact, (0, 1))
    # left is the reference and has no error of its own
    assert told.stderr == pytest.approx((0.01, np.hypot(0.01, 0.01)))
    share = by.strategy.exact.share
    assert np.exp(told.log_ratio) == pytest.approx([share[0] / share[2], share[1] / share[2]])


def test_passages_are_counted_by_the_windows_that_hold_them() -> None:
    """Of an endless trajectory every passage counts once, however paths are cut out of it."""
    rng = np.random.default_rng(4)
    label = rng.choice([0, 1, -1, -1, -1], size=20_000)
    frames = 12
    windows = np.lib.stride_tricks.sliding_window_view(label, frames)
    both, spent, late = passages_inside(windows)
    core = np.flatnonzero(label >= 0)
    d, there = np.diff(core), (label[core[:-1]] == 0) & (label[core[1:]] == 1)
    short = d < frames
    assert both[:, 0].sum() == pytest.approx((there & short).sum(), abs=2)
    change = (label[core[:-1]] != label[core[1:]]) & short
    assert both.sum() == pytest.approx(change.sum(), abs=2)
    assert spent.sum() == pytest.approx(d[change].sum(), abs=12)
    assert late.sum() == pytest.approx((change & (2 * d > frames)).sum(), abs=2)


def test_the_longer_leg_tells_what_comes_first() -> None:
    label = np.array([[0, -1, -1, -1, 1, -1], [0, -1, -1, -1, -1, 1], [0, -1, 1, -1, -1, -1]])
    origin = np.array([1, 3, 3])
    assert first_ahead(label, origin).tolist() == [1, 0, 1]
    assert first_ahead(label[:1], np.array([4])).tolist() == [1]
    assert first_ahead(np.full((1, 5), -1), np.array([2])).tolist() == [-1]


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [False, True], ids=["exact", "twin"])
def test_intervals_of_rates_cover(wrong: bool) -> None:
    """68 and 95 % of 80 repeats; one whose weights leave the shooting density out is off.

    Time steps are short, so that ρ is the density of the chain to what 300 shots can tell.
    """
    kernel, frames, stride = Overdamped(0.01), 41, 6
    free = DensityShooting(kernel, Normal(0.0, 0.7), Cartesian(1), frames, stride)
    rng = np.random.default_rng(6)
    repeats, each = 80, 300
    shots = free.shoot(Wells(), region, repeats * each, rng)
    every = np.arange(repeats * each)
    x = shots.legs.positions[every, shots.origin]
    log_u = shots.legs.log_density[every, shots.origin] - free.log_density(x)
    both, spent, late = passages_inside(shots.label)
    weight = np.zeros(len(every)) if wrong else -shots.log_share
    columns = ShotRows(
        every // each, x, shots.label[every, shots.origin] < 0,
        first_ahead(shots.label, shots.origin), log_u, weight, both, spent, late,
        shots.crossing != 0,
    )  # fmt: skip
    exact = ExactPaths.of(kernel, 2, stride)
    truth, share = exact.rates()
    known = Populations((share[0], share[1]), (0.0, 0.0))
    z = []
    for k in range(repeats):
        mine = slice(k * each, (k + 1) * each)
        part = replace(
            columns, **{f: getattr(columns, f)[mine] for f in ShotRows.__dataclass_fields__}
        )
        told = transition_paths(part, known, ("A", "B"), frames, (1.0, "frames"), (), ())
        assert told.rate.value is not None
        error = told.rate.stderr
        if error is None:
            # its tail was too heavy to tell
            continue
        z.append((told.rate.value - truth) / error)
    assert len(z) > 0.6 * repeats
    bias = abs(np.mean(z)) * np.sqrt(len(z))
    if wrong:
        assert bias > 6
        return
    assert bias < 4
    inside = [np.mean(np.abs(z) < limit) for limit in (1.0, 1.96)]
    assert 0.52 < inside[0] < 0.84
    assert 0.87 < inside[1] <= 1.0
