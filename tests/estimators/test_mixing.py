"""Walkers of one window held against one another: stuck ones are found, good ones let be."""

from __future__ import annotations

import numpy as np
import pytest

from msgen.actors.base import decode, encode
from msgen.orchestrator.estimators.diagnostics import effective_samples, split_r_hat
from msgen.orchestrator.estimators.windows.mixing import MOST_ROWS, Mixing

Array = np.ndarray
LADDERS, WINDOWS = 4, 6
NAMES = ("x", "phi", "hidden")
CIRCULAR = np.array([False, True, False])
LABELS = [f"x = {k}" for k in range(WINDOWS)]


def chains(rng: np.random.Generator, t: int, memory: float = 0.8) -> Array:
    """AR(1) chains of three observables, shape (L, K, t, 3)."""
    noise = rng.standard_normal((LADDERS, WINDOWS, t, 3))
    out = np.empty_like(noise)
    out[:, :, 0] = noise[:, :, 0]
    for i in range(1, t):
        out[:, :, i] = memory * out[:, :, i - 1] + np.sqrt(1 - memory**2) * noise[:, :, i]
    return out


def mixing_of(readings: Array) -> Mixing:
    made = Mixing.empty(LADDERS, WINDOWS, NAMES, CIRCULAR)
    return made.with_readings(readings)


def test_walkers_that_mix_are_called_so() -> None:
    """Of 100 good campaigns of 24 comparisons each, about one in a hundred is said to differ."""
    found = [
        mixing_of(chains(np.random.default_rng(s), 400)).judge(LABELS, 1.01).stuck
        for s in range(100)
    ]
    # at R̂ ≤ 1.01 nearly every observable is looked at; 4 binomial σ above 1 of 100
    assert sum(any("differs" in said for said in stuck) for stuck in found) <= 5
    # 44 samples of each walker cannot show it to 1.01
    assert all(stuck for stuck in found)


@pytest.mark.parametrize("asked", [1.01, 1.05, 1.2, np.inf])
def test_the_verdict_follows_from_the_figure_told(asked: float) -> None:
    for seed, t in ((1, 100), (2, 400), (3, 1600)):
        said = mixing_of(chains(np.random.default_rng(seed), t)).judge(LABELS, asked)
        assert bool(said.stuck) == (said.r_hat > asked)


def test_a_walker_stuck_elsewhere_is_named() -> None:
    readings = chains(np.random.default_rng(1), 200)
    readings[2, 3, :, 2] += 6.0
    said = mixing_of(readings).judge(LABELS, 1.05)
    assert said.r_hat > 1.5
    assert said.stuck[0].startswith("window x = 3: hidden differs between walkers, R̂ ")
    assert said.differ == ("hidden",)


def test_what_may_be_chance_is_not_said_to_differ() -> None:
    """100 readings of walkers that mix do not show it to 1.01, and are told; hardly any is named.

    4 binomial σ above 1 in 100 of 40.
    """
    made = [mixing_of(chains(np.random.default_rng(s), 100, 0.5)) for s in range(300, 340)]
    said = [mixing.judge(LABELS, 1.01) for mixing in made]
    assert all(s.stuck for s in said)
    assert sum(bool(s.differ) for s in said) <= 3


def test_walkers_that_never_move_are_stuck() -> None:
    readings = chains(np.random.default_rng(2), 100)
    readings[:, 0, :, 2] = np.array([1.0, 1.0, -1.0, 1.0])[:, None]
    said = mixing_of(readings).judge(LABELS, 1.05)
    assert any("x = 0: hidden" in s for s in said.stuck)


def test_what_never_varies_in_any_walker_says_nothing() -> None:
    readings = chains(np.random.default_rng(3), 100)
    readings[:, :, :, 2] = 0.7
    said = mixing_of(readings).judge(LABELS, 1.05)
    assert not any("hidden" in s for s in said.stuck)
    assert said.ess > 15


def test_agreement_of_halves_is_no_proof() -> None:
    """Each walker in the state its history left it in: halves agree, the answer is wrong."""
    rng = np.random.default_rng(4)
    readings = chains(rng, 400)
    # the truth is half and half in every window; here most sit in one state for ever
    state = np.where(rng.random((LADDERS, WINDOWS)) < 0.85, 1.0, -1.0)
    readings[..., 2] = 2.0 * state[:, :, None] + 0.3 * readings[..., 2]
    right = readings[..., 2] > 0
    f = [float(np.log((~h).mean() / h.mean())) for h in (right[:, :, :200], right[:, :, 200:])]
    assert abs(f[0] - f[1]) < 0.3
    assert abs(f[0]) > 1.0
    said = mixing_of(readings).judge(LABELS, 1.05)
    assert said.stuck
    assert said.r_hat > 1.5


def test_effective_samples_of_a_known_chain() -> None:
    """g of AR(1) is (1+a)/(1−a)."""
    found = mixing_of(chains(np.random.default_rng(5), 500, 0.8)).effective()
    slow, mixed = LADDERS * 500 / 9.0, chains(np.random.default_rng(5), 500, 0.8)
    assert found.shape == (WINDOWS,)
    # the slowest of four scalars: below the mean, within a factor
    assert (found < 1.3 * slow).all()
    assert (found > 0.4 * slow).all()
    each = [
        effective_samples([mixed[i, 0, :, c : c + 1] for i in range(LADDERS)], [False])
        for c in (0, 2)
    ]
    assert found[0] <= min(each) * 1.05


def test_r_hat_is_the_one_of_single_series() -> None:
    readings = chains(np.random.default_rng(6), 64)
    readings[1, 4, :, 0] += 5.0
    said = mixing_of(readings).judge(LABELS, 1.05)
    one = split_r_hat([readings[i, 4, :, 0] for i in range(LADDERS)])
    assert said.r_hat == pytest.approx(one, rel=1e-6)


def test_readings_are_thinned_evenly_and_survive_a_checkpoint() -> None:
    made = Mixing.empty(1, 1, ("n",), np.array([False]))
    count = 0
    for size in (300, 1, 211, 5, 700, 13, 900, 37):
        rows = np.arange(count, count + size, dtype=np.float64)
        made = decode(Mixing, encode(made))
        made = made.with_readings(rows.reshape(1, 1, -1, 1))
        count += size
    kept = made.series[0, 0, :, 0]
    assert made.stride > 1
    assert len(kept) <= MOST_ROWS
    np.testing.assert_array_equal(kept, np.arange(0, count, made.stride))
    # and all of them are counted
    assert made.readings == count


def test_too_little_says_nothing() -> None:
    said = mixing_of(chains(np.random.default_rng(7), 5)).judge(LABELS, 1.05)
    assert np.isnan(said.ess)
    assert np.isnan(said.r_hat)
    assert said.stuck
    assert not mixing_of(chains(np.random.default_rng(7), 5)).judge(LABELS, np.inf).stuck


def test_few_effective_samples_rule_nothing_out() -> None:
    """A slow drift of all walkers: it may be noise, and cannot be told from it."""
    readings = chains(np.random.default_rng(9), 60, 0.97)
    said = mixing_of(readings).judge(LABELS, 1.05)
    assert said.ess < 40
    assert said.r_hat > 1.2
    assert said.stuck
