"""Grids, states and the surface with errors from independent blocks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.estimators.histogram import (
    Grid,
    block_sums,
    log_populations,
    surface,
    surface_from_sums,
)
from msgen.systems.base import Array

PI = np.pi
TORUS = Grid.regular(((-PI, PI), (-PI, PI)), (4, 6), (True, True))


def test_index_wraps_any_number_of_turns_and_marks_what_is_outside() -> None:
    xi = np.array([[-3.0, 0.1], [1.0, -2.5], [PI - 1e-9, 3.0]])
    base = TORUS.index(xi)
    assert (base >= 0).all()
    for turns in (-3, 1, 2):
        assert np.array_equal(TORUS.index(xi + 2 * PI * turns), base)
    assert TORUS.index(np.array([[PI, -PI]]))[0] == 0
    assert TORUS.index(np.array([[-PI - 1e-18, np.nextafter(-PI, -9)]]))[0] >= 0
    line = Grid.regular(((0.0, 1.0),), (5,), (False,))
    found = line.index(np.array([[-0.1], [0.0], [0.2], [1.0], [1.1], [np.nan], [np.inf]]))
    assert list(found) == [-1, 0, 1, 4, -1, -1, -1]
    assert np.allclose(line.centres[0], [0.1, 0.3, 0.5, 0.7, 0.9])


def test_index_is_the_flat_bin_in_c_order() -> None:
    a, b = np.meshgrid(*TORUS.centres, indexing="ij")
    assert np.array_equal(TORUS.index(np.stack([a.ravel(), b.ravel()], 1)), np.arange(24))


def test_grid_refuses_edges_that_do_not_rise() -> None:
    with pytest.raises(ValueError, match="rise"):
        Grid((np.array([0.0, 0.0]),), (False,))
    with pytest.raises(ValueError, match="flags"):
        Grid((np.array([0.0, 1.0]),), ())


def replicas(rng: np.random.Generator, n_rep: int, n: int) -> tuple[np.ndarray, ...]:
    """Correlated normal chains (AR(1), φ = 0.8) of lengths that vary, and their replica numbers."""
    chains, ids = [], []
    for r in range(n_rep):
        length = int(n * (0.5 + rng.random()))
        x = np.empty(length)
        x[0] = rng.normal()
        noise = rng.normal(0, 0.6, length)
        for i in range(1, length):
            x[i] = 0.8 * x[i - 1] + noise[i]
        chains.append(x)
        ids.append(np.full(length, r))
    return np.concatenate(chains), np.concatenate(ids)


def state_free_energies(
    states: Partition, xi: Array, blocks: NDArray[np.int64], n_blocks: int
) -> tuple[Array, Array]:
    """F of every state against the first, and its standard error, by counting."""
    f, c = log_populations(block_sums(states.assign(xi), len(states), blocks, n_blocks))
    return f - f[0], np.sqrt(np.diag(c) + c[0, 0] - 2.0 * c[0])


def test_surface_and_state_errors_cover_correlated_replicas() -> None:
    """68 and 95 % within 4 binomial σ over 200 repeats, on a bin and on a state difference."""
    grid = Grid.regular(((-1.5, 1.5),), (3,), (False,))
    mass = np.diff(norm.cdf(grid.edges[0]))
    truth_bin = -np.log(mass[0] / mass.sum())
    states = Partition.from_boxes({"low": {"x": (-1.0, 0.5)}}, ["x"], np.array([False]))
    p = norm.cdf(0.5) - norm.cdf(-1.0)
    truth_state = -np.log((1 - p) / p)
    rng, z_bin, z_state, naive = np.random.default_rng(1), [], [], []
    for _ in range(200):
        x, ids = replicas(rng, 24, 100)
        s = surface(grid, x[:, None], ids, 24)
        z_bin.append((s.f[0] + s.offset - truth_bin) / s.stderr[0])
        f, err = state_free_energies(states, x[:, None], ids, 24)
        assert f[0] == 0.0
        assert err[0] == 0.0
        z_state.append((f[1] - truth_state) / err[1])
        each = np.arange(len(x))
        alone, alone_err = state_free_energies(states, x[:, None], each, len(x))
        naive.append((alone[1] - truth_state) / alone_err[1])
    for z in (z_bin, z_state):
        for limit, level in ((1.0, 0.683), (1.96, 0.95)):
            seen = np.mean(np.abs(z) < limit)
            assert abs(seen - level) < 4 * np.sqrt(level * (1 - level) / 200)
    assert np.mean(np.abs(naive) < 1.0) < 0.683 - 4 * np.sqrt(0.683 * 0.317 / 200)


def test_weights_turn_one_density_into_another() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, 40_000)
    grid = Grid.regular(((-1.5, 2.5),), (4,), (False,))
    w = np.exp(0.5 * x**2 - 0.5 * (x - 0.5) ** 2)
    s = surface(grid, x[:, None], np.arange(40_000) % 40, 40, w)
    mass = np.diff(norm.cdf(grid.edges[0] - 0.5))
    truth = -np.log(mass / mass.sum())
    assert np.abs((s.f + s.offset - truth) / s.stderr).max() < 4.5
    assert s.f.min() == 0.0


def test_never_visited_is_nan_and_one_block_has_no_error() -> None:
    sums = np.array([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, 2.0, 0.0]])
    s = surface_from_sums(sums, (3,))
    assert s.f[0] == 0.0
    assert s.f[1] == pytest.approx(np.log(5 / 3))
    assert np.isnan(s.f[2])
    assert np.isnan(s.stderr[2])
    f, cov = log_populations(sums)
    assert np.allclose(np.sqrt(np.diag(cov)), s.stderr, equal_nan=True)
    assert np.allclose(f - s.offset, s.f, equal_nan=True)
    # Two labels share their fluctuation: p₀ δln p₀ = −p₁ δln p₁.
    assert 5 * cov[0, 0] == pytest.approx(-3 * cov[0, 1])
    assert np.isnan(log_populations(sums[:1])[1]).all()
    empty = surface_from_sums(np.zeros((2, 3)), (3,))
    assert np.isnan(empty.f).all()


def test_block_sums_leave_out_what_is_nowhere() -> None:
    sums = block_sums(np.array([0, 1, -1, 1]), 2, np.array([0, 0, 0, 1]), 3)
    assert sums.tolist() == [[1, 1], [0, 1], [0, 0]]
