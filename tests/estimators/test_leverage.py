"""Errors of means over blocks of unequal size: unbiased variances, degrees of freedom, coverage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from coverage_cases.base import share
from coverage_cases.network import DELTA_F, EVEN, HALF, MOST, campaign

from msgen.orchestrator.estimators import stratified
from msgen.orchestrator.estimators.errors import inflation
from msgen.orchestrator.estimators.leverage import correction, degrees_of_freedom
from msgen.orchestrator.estimators.works import bar as of_pairs
from msgen.orchestrator.estimators.works import network

Array = np.ndarray
SIZES = ([1] * 8, [2] * 4 + [1] * 4, [7] + [1] * 7, [50] + [1] * 7, [3, 1, 1], [100, 1, 0])


@pytest.mark.parametrize("size", SIZES)
def test_variance_and_its_degrees_of_freedom_are_those_of_draws(size: list[int]) -> None:
    """Of 20,000 sets of block means: the mean to 4 σ, or 8 % of what a jackknife overestimates."""
    n, rng = np.array(size, dtype=float), np.random.default_rng(1)
    h, r = n / n.sum(), np.count_nonzero(n)
    y = rng.standard_normal((20_000, len(n)))
    deviation = h * (y - (y @ h)[:, None])
    variance = r / (r - 1) * np.sum((deviation * correction(n)) ** 2, axis=1)
    dof = 2 * variance.mean() ** 2 / variance.var()
    assert degrees_of_freedom(n) == pytest.approx(dof, rel=0.1)
    truth = float(np.sum(h**2))
    noise = 4 * variance.std() / np.sqrt(len(variance))
    assert -noise < variance.mean() - truth < noise + 0.08 * truth
    plain = r / (r - 1) * np.sum(deviation**2, axis=1).mean()
    if h.max() > 0.4:
        assert plain < 0.8 * truth


def test_blocks_of_one_size_need_no_correction() -> None:
    np.testing.assert_allclose(correction(np.full(5, 3.0)), 1.0)
    assert degrees_of_freedom(np.full(5, 3.0)) == pytest.approx(4.0)
    assert degrees_of_freedom(np.array([4.0, 0.0])) == 0.0
    np.testing.assert_array_equal(correction(np.array([4.0, 0.0])), 1.0)


def z_of(forward: list[int], reverse: list[int], repeats: int = 150) -> Array:
    rng = np.random.default_rng(2)
    found = np.array([campaign(rng, forward, reverse) for _ in range(repeats)])
    return np.asarray((found[:, 0] - DELTA_F) / found[:, 1])


@pytest.mark.parametrize(("forward", "reverse"), [(HALF, HALF), (MOST, EVEN), (MOST, MOST)])
def test_a_replica_with_most_of_the_paths_leaves_an_honest_error(
    forward: list[int], reverse: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least 90 % within 1.96 σ, but 3 binomial σ; blocks counted alike do not come near."""
    least = 0.9 - 3 * np.sqrt(0.9 * 0.1 / 150)
    assert share(z_of(forward, reverse), 1.96) > least
    monkeypatch.setattr(of_pairs, "correction", np.ones_like)
    monkeypatch.setattr(stratified, "correction", np.ones_like)
    for module in (network, stratified):
        monkeypatch.setattr(module, "degrees_of_freedom", lambda n: np.count_nonzero(n) - 1.0)
    assert share(z_of(forward, reverse), 1.96) < 0.9


def test_unequal_blocks_are_fewer_degrees_of_freedom_of_their_own_state() -> None:
    """The error is inflated for them; the twin counts blocks alike, and so do even ones."""
    rng = np.random.default_rng(5)
    uneven, even = np.array([50.0] + [1.0] * 7), np.ones(8)
    for size in (uneven, even):
        inside = rng.dirichlet([2.0, 3.0], size=8) * size[:, None]
        found = stratified.combine(inside[None], network.solve_network(1, []))
        alike = replace(found, units=replace(found.units, dof=np.full(8, np.inf)))
        wider = inflation(degrees_of_freedom(size)) / inflation(7.0)
        np.testing.assert_allclose(found.stderr, wider * alike.stderr, rtol=1e-9)
        assert (wider > 1.5) == (size is uneven)


def test_works_out_of_a_state_have_degrees_of_freedom_of_their_own() -> None:
    """One replica of state 0 with most of the paths leaves those of state 1 as they are."""
    rng, most = np.random.default_rng(6), np.repeat(np.arange(8), [50] + [1] * 7)
    other = 8 + np.repeat(np.arange(8), 7)
    forward, reverse = rng.normal(1.0, 1.0, len(most)), rng.normal(1.0, 1.0, len(other))
    solved = network.solve_network(2, [network.PairWorks(0, 1, forward, reverse, most, other)])
    assert solved.dof_from[0] == pytest.approx(degrees_of_freedom(np.bincount(most)))
    assert solved.dof_from[1] == pytest.approx(7.0)
    assert solved.dof == solved.dof_from[0] < 2.0
    alone = network.solve_network(3, [network.PairWorks(0, 1, forward, reverse, most, other)])
    assert np.isinf(alone.dof_from[2])
    inside = np.zeros((2, 16, 2))
    inside[0, :8, 0] = inside[1, 8:, 1] = 1.0
    units = stratified.combine(inside, solved).units
    assert units.dof[:8] == pytest.approx(solved.dof)
    assert units.dof[8:] == pytest.approx(7.0)


def test_even_replicas_cover() -> None:
    z = z_of(EVEN, EVEN, 200)
    assert abs(share(z, 1.0) - 0.71) < 4 * np.sqrt(0.71 * 0.29 / 200)
    assert abs(share(z, 1.96) - 0.94) < 4 * np.sqrt(0.94 * 0.06 / 200)
