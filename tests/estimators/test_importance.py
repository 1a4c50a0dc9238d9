"""Importance sampling: ln Z, shares and their errors against known answers; the Pareto tail."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import genpareto, norm

from msgen.orchestrator.estimators.importance import effective_size, log_mean, shares
from msgen.orchestrator.estimators.pareto import fit_pareto, pareto_k, smoothed

Array = np.ndarray
LOG_Z = 2.5


def draws(rng: np.random.Generator, n: int, width: float = 1.3, d: int = 2) -> tuple[Array, Array]:
    """Draws of q = N(0, width²) and ln w for ρ* = e^{LOG_Z} N(0, 1)."""
    x = width * rng.standard_normal((n, d))
    log_w = LOG_Z + norm.logpdf(x).sum(1) - norm.logpdf(x, scale=width).sum(1)
    return x, log_w


def chains(rng: np.random.Generator, n: int, length: int, rho: float = 0.95) -> tuple:
    """AR(1) chains of the same q, one unit a chain."""
    z = np.empty((length, n, 2))
    z[0] = rng.standard_normal((n, 2))
    for t in range(1, length):
        z[t] = rho * z[t - 1] + np.sqrt(1 - rho**2) * rng.standard_normal((n, 2))
    x = 1.3 * z.reshape(-1, 2)
    log_w = LOG_Z + norm.logpdf(x).sum(1) - norm.logpdf(x, scale=1.3).sum(1)
    return x, log_w, np.tile(np.arange(n), length)


def covers(z: Array, label: str) -> None:
    """|z| < 1 and < 1.96 as often as normal, within 4 binomial σ."""
    for limit in (1.0, 1.96):
        p = 2 * norm.cdf(limit) - 1
        seen = np.mean(np.abs(z) < limit)
        assert abs(seen - p) < 4 * np.sqrt(p * (1 - p) / len(z)), f"{label}: {seen} for {p:.3f}"


def test_log_z_covers_for_independent_draws() -> None:
    rng, z = np.random.default_rng(1), []
    for _ in range(400):
        value, error = log_mean(draws(rng, 500)[1])
        z.append((value - LOG_Z) / error)
    covers(np.array(z), "independent")


def test_log_z_covers_for_chains_and_not_where_correlation_is_ignored() -> None:
    rng, right, wrong = np.random.default_rng(2), [], []
    for _ in range(300):
        _, log_w, unit = chains(rng, 24, 100)
        value, error = log_mean(log_w, unit)
        right.append((value - LOG_Z) / error)
        wrong.append((value - LOG_Z) / log_mean(log_w)[1])
    covers(np.array(right), "chains")
    with pytest.raises(AssertionError):
        covers(np.array(wrong), "correlation ignored")


def test_shares_cover_where_weights_are_normalised_and_not_where_they_are_not() -> None:
    """P(x₀ > 0.5) of the target, from draws of the proposal."""
    truth = -np.log(norm.sf(0.5))
    rng, right, wrong = np.random.default_rng(3), [], []
    for _ in range(300):
        x, log_w = draws(rng, 600)
        inside = x[:, 0] > 0.5
        found = shares(log_w, np.stack([inside, ~inside], axis=1))
        assert np.exp(-found.f).sum() == pytest.approx(1.0, abs=1e-12)
        right.append((found.f[0] - truth) / found.stderr[0])
        # Z taken for 1, as if ρ* were normalised
        wrong.append((-np.log(np.mean(np.exp(log_w) * inside)) - truth) / found.stderr[0])
    covers(np.array(right), "shares")
    assert np.abs(np.mean(wrong)) > 20


def test_differences_of_shares_cover_for_chains() -> None:
    truth = -np.log(norm.sf(0.5)) + np.log(norm.cdf(0.5))
    rng, z = np.random.default_rng(4), []
    for _ in range(300):
        x, log_w, unit = chains(rng, 24, 100)
        found = shares(log_w, (x[:, 0] > 0.5).astype(np.int64), unit, 2)
        value, error = found.difference(0, 1)
        z.append((value - truth) / error)
    covers(np.array(z), "difference")


def test_labels_and_memberships_agree() -> None:
    rng = np.random.default_rng(5)
    x, log_w = draws(rng, 2000)
    label = np.digitize(x[:, 0], [-1.0, 0.0, 1.0]) - 1
    one = shares(log_w, label, None, 4)
    two = shares(log_w, label[:, None] == np.arange(4))
    np.testing.assert_allclose(one.f, two.f)
    np.testing.assert_allclose(one.stderr, two.stderr)
    assert np.isnan(one.f[3])
    assert np.isnan(one.stderr[3])


def test_draws_outside_the_target_count() -> None:
    """Half of the draws outside: Z is halved; left out, it is not."""
    rng = np.random.default_rng(6)
    x, log_w = draws(rng, 4000)
    cut = np.where(x[:, 0] > 0, log_w, -np.inf)
    value, error = log_mean(cut)
    assert abs(value - (LOG_Z - np.log(2))) < 4 * error
    assert abs(log_mean(cut[np.isfinite(cut)])[0] - (LOG_Z - np.log(2))) > 10 * error
    assert effective_size(cut) < 2000


def test_what_is_no_weight_is_refused() -> None:
    for bad in (np.array([]), np.array([np.nan]), np.array([np.inf])):
        with pytest.raises(ValueError, match="weight"):
            log_mean(bad)
    with pytest.raises(ValueError, match="unit numbers"):
        log_mean(np.zeros(3), np.arange(2))
    with pytest.raises(ValueError, match="zero"):
        shares(np.full(3, -np.inf), np.zeros(3, dtype=np.int64), None, 1)
    assert log_mean(np.full(3, -np.inf))[0] == -np.inf


@pytest.mark.parametrize("k", [-0.3, 0.2, 0.5, 0.9])
def test_known_generalised_pareto_tails(k: float) -> None:
    """Within 4 asymptotic standard errors (1 + k)/√M of the maximum-likelihood exponent."""
    n = 2000
    x = np.sort(genpareto.rvs(k, scale=2.0, size=n, random_state=np.random.default_rng(7)))
    found, sigma = fit_pareto(x)
    assert abs(found - k) < 4 * (1 + k) / np.sqrt(n) + 10 * abs(0.5 - k) / n
    assert sigma == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize("ratio", [0.3, 0.6, 0.9])
def test_exponent_of_weights_with_a_known_tail(ratio: float) -> None:
    """w = u^{−k} has the tail exponent k; over repeats k̂ lies around it."""
    rng, n = np.random.default_rng(8), 4000
    found = [pareto_k(-ratio * np.log(rng.random(n))) for _ in range(30)]
    m = 3 * np.sqrt(n)
    # the prior draws k̂ of M excesses by 10/(M + 10) towards 0.5
    expected = (m * ratio + 5.0) / (m + 10.0)
    assert abs(np.mean(found) - expected) < 4 * (1 + ratio) / np.sqrt(m * 30)


def test_smoothing_keeps_the_bulk_and_tames_the_tail() -> None:
    """Heavy weights, k = 0.6: the smoothed mean has the smaller mean squared error."""
    rng, truth = np.random.default_rng(9), 1.0 / (1.0 - 0.6)
    raw, smooth = [], []
    for _ in range(200):
        log_w = -0.6 * np.log(rng.random(1000))
        new, k = smoothed(log_w)
        order = np.argsort(log_w)
        bulk = order[:-95]
        np.testing.assert_array_equal(new[bulk], log_w[bulk])
        assert new.max() <= log_w.max()
        assert 0.0 < k < 1.4
        raw.append(np.exp(log_w).mean())
        smooth.append(np.exp(new).mean())
    error = [np.mean((np.array(v) - truth) ** 2) for v in (raw, smooth)]
    assert error[1] < 0.8 * error[0]


def test_weights_without_a_tail() -> None:
    assert pareto_k(np.zeros(100)) == -np.inf
    assert pareto_k(np.zeros(3)) == np.inf
    lonely = np.full(100, -np.inf)
    lonely[:3] = 0.0
    assert pareto_k(lonely) == np.inf
    np.testing.assert_array_equal(smoothed(lonely)[0], lonely)
