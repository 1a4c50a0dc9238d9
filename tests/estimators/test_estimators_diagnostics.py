"""R̂, autocorrelation, weights, round trips: each against a case worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from msgen.orchestrator.estimators.diagnostics import (
    autocorrelation_time,
    effective_samples,
    kish,
    passages,
    round_trips,
    slowest_autocorrelation_time,
    split_r_hat,
)


def ar(rng: np.random.Generator, phi: float, n: int) -> np.ndarray:
    x = np.empty(n)
    x[0] = rng.normal()
    noise = rng.normal(0, np.sqrt(1 - phi**2), n)
    for i in range(1, n):
        x[i] = phi * x[i - 1] + noise[i]
    return x


@pytest.mark.parametrize("rank", [True, False])
def test_r_hat_is_one_for_one_density_and_large_for_two(rank: bool) -> None:
    rng = np.random.default_rng(1)
    same = [rng.normal(size=n) for n in (400, 700, 1000, 50)]
    assert split_r_hat(same, rank=rank) < 1.02
    apart = [*same[:3], rng.normal(2.0, 1.0, 500)]
    assert split_r_hat(apart, rank=rank) > 1.2
    drifting = [rng.normal(size=500) + np.linspace(-2, 2, 500) for _ in range(4)]
    assert split_r_hat(drifting, rank=rank) > 1.2


def test_r_hat_agrees_with_its_formula() -> None:
    a, b = np.array([0.0, 1.0, 2.0, 4.0]), np.array([1.0, 1.5, 2.0, 3.0])
    halves = np.array([[0.0, 1.0], [2.0, 4.0], [1.0, 1.5], [2.0, 3.0]])
    w, v = halves.var(axis=1, ddof=1).mean(), halves.mean(axis=1).var(ddof=1)
    assert split_r_hat([a, b], rank=False) == pytest.approx(np.sqrt(0.5 + v / w))


def test_r_hat_of_an_angle_does_not_see_the_seam() -> None:
    rng = np.random.default_rng(2)
    chains = [np.mod(rng.normal(np.pi, 0.3, 400) + np.pi, 2 * np.pi) - np.pi for _ in range(4)]
    # One chain reports the same angles a turn further on.
    chains[0] = np.where(chains[0] < 0, chains[0] + 2 * np.pi, chains[0])
    assert split_r_hat(chains, periodic=False) > 1.05
    assert split_r_hat(chains, periodic=True) < 1.02
    chains[0] = chains[0] + 2.0
    assert split_r_hat(chains, periodic=True) > 1.5


def test_r_hat_of_stuck_chains_is_no_comfort() -> None:
    assert np.isnan(split_r_hat([np.ones(10), np.ones(10)], rank=False))
    assert np.isinf(split_r_hat([np.ones(10), 2 * np.ones(10)], rank=False))
    assert np.isnan(split_r_hat([np.ones(3)]))
    assert np.isnan(split_r_hat([]))
    assert np.isnan(split_r_hat([np.zeros(10)], periodic=True))


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_autocorrelation_time_of_an_autoregressive_chain(phi: float) -> None:
    """g = (1 + φ)/(1 − φ)."""
    rng = np.random.default_rng(3)
    chains = [ar(rng, phi, n) for n in (4000, 6000, 2000)]
    assert autocorrelation_time(chains) == pytest.approx((1 + phi) / (1 - phi), rel=0.15)


def test_chains_that_disagree_or_stand_still_have_few_samples() -> None:
    rng = np.random.default_rng(4)
    apart = [rng.normal(m, 0.1, 500) for m in (0.0, 3.0)]
    assert 1000 / autocorrelation_time(apart) < 10
    assert autocorrelation_time([np.full(70, 3.3)]) == 70
    assert autocorrelation_time([-np.ones(10) * (-1) ** np.arange(10)]) == 1.0
    assert np.isnan(autocorrelation_time([]))


def test_the_slowest_cv_decides_and_an_angle_counts_through_cos_and_sin() -> None:
    rng = np.random.default_rng(5)
    fast, slow = ar(rng, 0.1, 6000), ar(rng, 0.9, 6000)
    both = np.stack([fast, slow], axis=1)
    g = slowest_autocorrelation_time([both], (False, False))
    assert g == pytest.approx(19, rel=0.25)
    assert effective_samples([both], (False, False)) == pytest.approx(6000 / g)
    # Around π an angle hops over the seam at random: raw it looks white, its sine is slow.
    angle = np.mod(np.pi + 0.3 * slow + np.pi, 2 * np.pi) - np.pi
    periodic = slowest_autocorrelation_time([angle[:, None]], (True,))
    assert periodic == pytest.approx(19, rel=0.3)
    still = np.stack([fast, np.zeros(6000)], axis=1)
    assert slowest_autocorrelation_time([still], (False, True)) < 2
    assert slowest_autocorrelation_time([np.zeros((9, 1))], (False,)) == 9
    assert effective_samples([], (False,)) == 0.0


def test_kish() -> None:
    assert kish(np.log([1.0, 1.0, 1.0]) + 800) == pytest.approx(3)
    assert kish(np.log([3.0, 1.0])) == pytest.approx(16 / 10)
    assert kish(np.array([0.0, -np.inf])) == pytest.approx(1)
    assert kish(np.array([-np.inf])) == 0.0
    assert kish(np.array([])) == 0.0


def test_round_trips_and_passages() -> None:
    a = np.array([0, 0, 1, 1, 0, 2, 1, 0, 0])
    b = np.array([1, -1, 1, -1, 2])
    trips = round_trips([a, b, np.array([], dtype=int)], 4)
    expected = np.zeros((4, 4), int)
    expected[0, 1] = expected[1, 0] = 2  # 0 1 0 1 0, the detour over 2 passed over
    expected[0, 2] = expected[2, 0] = 1
    expected[1, 2] = expected[2, 1] = 1
    assert np.array_equal(trips, expected)
    left, returned = passages([a, b, np.array([], dtype=int)], 4)
    assert list(left) == [2, 3, 1, 0]
    assert list(returned) == [2, 1, 0, 0]


def test_two_replicas_in_two_states_make_no_round_trip() -> None:
    stuck = [np.zeros(50, int), np.ones(50, int)]
    assert round_trips(stuck, 2).sum() == 0
    assert passages(stuck, 2)[0].sum() == 0
