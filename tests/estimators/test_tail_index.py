"""k̂ with its own error, and the error of a mean whose largest weights were not drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from msgen.orchestrator.estimators.importance import (
    log_mean,
    shares,
    spread_of_mean,
    with_unseen,
)
from msgen.orchestrator.estimators.tail_index import TailIndex

Array = np.ndarray
BATCHES, DRAWS, BLOCKS = 4, 4096, 256


def gathered(rng: np.random.Generator, k: float) -> tuple[float, float, float, TailIndex]:
    """ln of the mean of weights u^{−k} over its truth, its error of first order and in full."""
    log_w = -k * np.log(rng.random((BATCHES, DRAWS)))
    tails = TailIndex.empty(1)
    for batch in log_w:
        tails = tails.with_batch(batch, [np.ones(DRAWS, dtype=bool)])
    w = np.exp(log_w).reshape(-1, BLOCKS)
    plain = spread_of_mean(w.sum(axis=0), np.full(BLOCKS, float(len(w))))
    unseen = tails.unseen(np.log([w.sum()]), np.array([float(w.size)]))[0]
    return float(np.log(w.mean() * (1 - k))), plain, float(np.hypot(plain, unseen)), tails


def share(z: Array, limit: float) -> float:
    return float(np.mean(np.abs(z) < limit))


@pytest.mark.parametrize("k", [0.3, 0.5, 0.65])
def test_a_mean_covers_whether_or_not_its_weights_have_a_variance(k: float) -> None:
    """At least 68 and 95 % but 4 binomial σ; without the unseen tail k = 0.65 does not."""
    rng, n = np.random.default_rng(1), 300
    found = [gathered(rng, k)[:3] for _ in range(n)]
    off, plain, full = np.array(found).T
    for limit in (1.0, 1.96):
        p = 2 * norm.cdf(limit) - 1
        slack = 4 * np.sqrt(p * (1 - p) / n)
        assert share(off / full, limit) > p - slack
        if k > 0.6:
            assert share(off / plain, limit) < p - slack
    # of weights with a variance to spare the unseen tail is next to nothing
    assert k > 0.4 or np.median(full / plain) < 1.16
    assert share(off / full, 1.0) < 0.9


@pytest.mark.parametrize("k", [0.2, 0.5, 0.8])
def test_the_exponent_covers_and_is_known_better_with_more_batches(k: float) -> None:
    rng, n, z = np.random.default_rng(2), 200, []
    for _ in range(n):
        tails = gathered(rng, k)[3]
        m = tails.excesses[0]
        drawn = (m * k + 5.0) / (m + 10.0)  # towards 0.5, by the prior
        z.append((tails.exponent[0] - drawn) / tails.stderr[0])
    for limit in (1.0, 1.96):
        p = 2 * norm.cdf(limit) - 1
        assert abs(share(np.array(z), limit) - p) < 4 * np.sqrt(p * (1 - p) / n)
    one = TailIndex(tails.fits[:1], tails.largest)
    assert one.stderr[0] == pytest.approx(2 * tails.stderr[0], rel=0.25)


def test_the_exponent_of_batches_follows_the_mean_less_than_that_of_all_draws() -> None:
    """What it is judged by is not what made the mean low: their correlation is not near one."""
    rng = np.random.default_rng(3)
    found = [gathered(rng, 0.65) for _ in range(200)]
    batches = np.array([tails.fits[:, 0, 0] for *_, tails in found])
    between = np.corrcoef(batches.T)[np.triu_indices(BATCHES, 1)]
    # disjoint: of one campaign they are independent, where cumulated ones have .9
    assert np.abs(between).max() < 4 / np.sqrt(200)


def test_a_heavy_state_widens_its_own_error_and_an_unknown_one_is_not_told() -> None:
    rng, n = np.random.default_rng(4), 20_000
    label = rng.integers(0, 3, n)
    k = np.array([0.0, 0.6, 1.4])[label]
    log_w = -k * np.log(rng.random(n))
    plain = shares(log_w, label, None, 3)
    tails = TailIndex.empty(3).with_batch(log_w, [label == s for s in range(3)])
    weight = np.array([np.exp(log_w[label == s]).sum() for s in range(3)])
    unseen = tails.unseen(np.log(weight), np.bincount(label).astype(float))
    assert unseen[0] < 1e-3 < unseen[1]
    assert np.isnan(unseen[2])
    full = with_unseen(plain, unseen)
    assert full.difference(0, 1)[1] > 1.2 * plain.difference(0, 1)[1]
    assert np.isnan(full.difference(0, 2)[1])
    assert np.isfinite(full.difference(0, 1)[1])
    np.testing.assert_array_equal(full.f, plain.f)


def test_the_share_of_a_region_changes_as_its_influence_says() -> None:
    """One weight more, by hand."""
    rng = np.random.default_rng(5)
    label = rng.integers(0, 2, 500)
    log_w = rng.normal(0.0, 1.0, 500)
    before = shares(log_w, label, None, 2)
    extra = 1e-4 * np.exp(log_w[label == 1]).sum()
    after = shares(np.append(log_w, np.log(extra)), np.append(label, 1), None, 2)
    told = with_unseen(before, np.array([0.0, 1e-4])).influence[-1]
    np.testing.assert_allclose(before.f - after.f, told, rtol=1e-3)


def test_batches_that_tell_nothing() -> None:
    few, even = np.zeros(12), np.full(4000, 3.0)
    tails = TailIndex.empty(1).with_batch(few, [np.ones(12, dtype=bool)])
    assert np.isnan(tails.exponent[0])
    assert np.isinf(tails.upper[0])
    assert np.isnan(tails.unseen(np.zeros(1), np.ones(1))[0])
    tails = tails.with_batch(even, [np.ones(4000, dtype=bool)])
    assert tails.upper[0] < 0
    log_total = np.array([np.log(4000) + 3.0])
    assert tails.unseen(log_total, np.array([4000.0]))[0] == pytest.approx(3 / 4000, rel=0.01)
    assert log_mean(even)[1] == pytest.approx(0.0, abs=1e-12)
    outside = TailIndex.empty(1).with_batch(np.full(4000, -np.inf), [np.ones(4000, dtype=bool)])
    assert np.isnan(outside.exponent[0])


def test_what_is_unseen_is_the_tail_beyond_the_largest_weight_drawn() -> None:
    """By quadrature of the fitted tail; twin: what one of n draws is expected to exceed."""
    rng = np.random.default_rng(6)
    log_w = -0.4 * np.log(rng.random(DRAWS))
    tails = TailIndex.empty(1).with_batch(log_w, [np.ones(DRAWS, dtype=bool)])
    assert tails.largest is not None
    total, n = np.exp(log_w).sum(), float(DRAWS)
    k = float(tails.exponent[0] + tails.stderr[0])
    _, m, _, log_cut, log_scale = tails.fits[0, 0]
    cut, scale = np.exp([log_cut, log_scale])

    def unseen(largest: float | None) -> float:
        kept = None if largest is None else np.log([largest])
        return float(TailIndex(tails.fits, kept).unseen(np.log([total]), np.array([n]))[0])

    one_of_n = cut + scale * np.expm1(k * np.log(m)) / k
    for largest in (0.7 * one_of_n, one_of_n, 2.0 * one_of_n):
        u = (np.arange(200_000) + 0.5) / 200_000 * (1 + k * (largest - cut) / scale) ** (-1 / k)
        beyond = m * u.max() * np.mean(cut + scale * (u**-k - 1) / k)
        assert unseen(largest) == pytest.approx(beyond / total, rel=0.02)
    assert unseen(None) == pytest.approx(unseen(one_of_n), rel=1e-6)
    # the less was drawn, the more is missing; the twin does not know
    assert unseen(0.7 * one_of_n) > 1.2 * unseen(None) > 1.5 * unseen(2.0 * one_of_n)
