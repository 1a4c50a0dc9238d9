"""Umbrella windows joined on a grid: against MBAR over samples and exact answers; errors cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.signal import lfilter
from scipy.special import erfc
from scipy.stats import norm

from msgen.actors.base import decode, encode
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.estimators.units import Units
from msgen.orchestrator.estimators.windows.cells import solve_cells
from msgen.orchestrator.estimators.windows.exchange_overlap import exchange_overlap, gaps
from msgen.orchestrator.estimators.windows.mbar import solve_mbar
from msgen.orchestrator.estimators.windows.pooling import Pooled, pool
from msgen.orchestrator.estimators.windows.window_cells import WindowCells

Array = np.ndarray
GRID = Grid.regular(((-2.0, 2.0),), (40,), (False,))
CENTRES = np.arange(-1.75, 1.76, 0.25)
KAPPA = 1 / 0.15**2
K = len(CENTRES)
X = np.linspace(-3, 3, 30001)
F = 4 * (X**2 - 1) ** 2 + 0.5 * X
EXACT = -np.log(np.exp(-F[X > 0]).sum() / np.exp(-F[X <= 0]).sum())
"""F(right) − F(left) in kT."""


def energies(xi: Array) -> Array:
    return 0.5 * KAPPA * (xi[None, :, 0] - CENTRES[:, None]) ** 2


def quantiles(k: int) -> tuple[Array, Array]:
    e = F + 0.5 * KAPPA * (X - CENTRES[k]) ** 2
    cdf = np.cumsum(np.exp(-(e - e.min())))
    return cdf / cdf[-1], X


TABLES = [quantiles(k) for k in range(K)]


def draws(rng: np.random.Generator, n: int, memory: float, k: int) -> Array:
    """A chain whose stationary density is window k's, by a Gaussian copula with this memory."""
    noise = rng.standard_normal(n)
    noise[1:] *= np.sqrt(1 - memory**2)
    z = lfilter([1.0], [1.0, -memory], noise)
    return np.interp(norm.cdf(z), *TABLES[k])


def filled(
    rng: np.random.Generator, units: int, n: int, memory: float, without: int = -1
) -> WindowCells:
    """A record of `units` independent chains of n in every window, one of them left out."""
    record = WindowCells.empty(1)
    for u in range(units):
        x = np.concatenate([draws(rng, n, memory, k) for k in range(K)])
        if u != without:
            record = record.with_samples(
                GRID, x[:, None], np.repeat(np.arange(K), n), np.full(len(x), u)
            )
    return record


ONES = (GRID, energies, np.ones(K))


def ladders(pooled: Pooled) -> Units:
    """Each unit an independent ladder."""
    return Units.whole(np.zeros(len(pooled.units), dtype=np.int64))


def difference(pooled: Pooled) -> tuple[float, float]:
    """F(right) − F(left) and its standard error."""
    side = (pooled.points[:, 0] > 0).astype(np.int64)
    log_p, push = pooled.log_probability(side, 2), pooled.influence(side, 2)
    return float(log_p[0] - log_p[1]), float(
        ladders(pooled).standard_error(push[:, 1] - push[:, 0])
    )


def test_the_grid_says_what_the_samples_say() -> None:
    rng = np.random.default_rng(1)
    x = [draws(rng, 800, 0.0, k) for k in range(K)]
    record = WindowCells.empty(1)
    for k in range(K):
        record = record.with_samples(GRID, x[k][:, None], np.full(800, k), np.arange(800) // 100)
    pooled = pool(record, GRID, energies, np.ones(K))
    mbar = solve_mbar(energies(np.concatenate(x)[:, None]), np.full(K, 800))
    # the bias is taken at the mean of a cell: of second order in its width of 0.0125
    np.testing.assert_allclose(pooled.f, mbar.f, atol=1e-3)
    index = GRID.index(np.concatenate(x)[:, None])
    keep = index >= 0
    p = np.bincount(index[keep], np.exp(mbar.log_weights[keep]), minlength=40)
    mine = np.exp(pooled.log_probability(GRID.index(pooled.points), 40))
    np.testing.assert_allclose(mine[p > 0], p[p > 0], rtol=5e-3)


def test_a_surface_of_hundreds_of_kT() -> None:
    """F = 4 ξ² up to 400 kT, where Newton's steps from zero would overshoot; f is known exactly."""
    grid = Grid.regular(((0.0, 10.0),), (100,), (False,))
    centres, rng, n = np.linspace(0.0, 10.0, 30), np.random.default_rng(7), 400
    kappa = 1.0 / (centres[1] - centres[0]) ** 2
    mean, sigma = kappa * centres / (8.0 + kappa), 1.0 / np.sqrt(8.0 + kappa)
    x = mean[:, None] + sigma * rng.standard_normal((30, n))

    def restraint(xi: Array) -> Array:
        return 0.5 * kappa * (xi[None, :, 0] - centres[:, None]) ** 2

    record = WindowCells.empty(1)
    record = record.with_samples(
        grid, x.reshape(-1, 1), np.repeat(np.arange(30), n), np.tile(np.arange(n) // 20, 30)
    )
    pooled = pool(record, grid, restraint, np.ones(30))
    exact = 4.0 * kappa / (8.0 + kappa) * centres**2
    assert exact[-1] > 200
    # what MBAR leaves undone of its own equations: e^{f} of every window is that of its samples
    share = (np.exp(pooled.f[:, None] - restraint(pooled.points)) * pooled.p).sum(axis=1)
    np.testing.assert_allclose(share / share[0], 1.0, rtol=1e-6)
    # the error grows along the chain as a walk of 29 steps of some 0.04 kT: 4 sigma
    assert np.abs(pooled.f - exact).max() < 4 * 0.04 * np.sqrt(29)


def test_a_window_without_samples_follows_from_the_others() -> None:
    counts = np.array([[40.0, 30.0, 5.0], [0.0, 0.0, 0.0], [5.0, 20.0, 60.0]])
    u = np.array([[0.0, 1.0, 2.0], [1.0, 0.5, 1.0], [2.0, 1.0, 0.0]])
    f, log_mixture = solve_cells(u, sparse.csr_array(counts))
    p = counts.sum(axis=0) * np.exp(-log_mixture)
    np.testing.assert_allclose(f, -np.log((p * np.exp(-u)).sum(axis=1)), atol=1e-8)


def test_influences_sum_to_nothing_and_windows_make_up_their_unit() -> None:
    record = filled(np.random.default_rng(2), 5, 60, 0.0)
    pooled = pool(record, GRID, energies, np.linspace(1.0, 3.0, K))
    label = GRID.index(pooled.points)
    push = pooled.influence(label, 40)
    seen = np.isfinite(pooled.log_probability(label, 40))
    np.testing.assert_allclose(push[:, seen].sum(axis=0), 0.0, atol=1e-10)
    apart = pooled.influence(label, 40, windows=True)
    assert apart.shape == (5, K, 40)
    np.testing.assert_allclose(apart.sum(axis=1)[:, seen], push[:, seen], atol=1e-10)


def test_an_influence_is_what_leaving_a_unit_out_does() -> None:
    record = filled(np.random.default_rng(3), 40, 50, 0.0)
    pooled = pool(record, GRID, energies, np.ones(K))
    side = (pooled.points[:, 0] > 0).astype(np.int64)
    push = pooled.influence(side, 2)
    for u in (0, 17):
        part = pool(filled(np.random.default_rng(3), 40, 50, 0.0, without=u), *ONES)
        left = (part.points[:, 0] > 0).astype(np.int64)
        change = part.log_probability(left, 2) - pooled.log_probability(side, 2)
        # to first order in 1/40
        np.testing.assert_allclose(change, -push[u], rtol=0.12, atol=2e-4)


def covered(z: Array, level: float) -> bool:
    """Whether the share of |z| below the level's width is within 4 binomial σ of it."""
    share = np.mean(np.abs(z) < norm.ppf(0.5 + level / 2))
    return bool(abs(share - level) < 4 * np.sqrt(level * (1 - level) / len(z)))


def standardised(memory: float, each_its_own_unit: bool, repeats: int = 200) -> Array:
    out = []
    for seed in range(repeats):
        record = filled(np.random.default_rng(seed), 12, 40, memory)
        if each_its_own_unit:
            record = independent(np.random.default_rng(seed), memory)
        value, error = difference(pool(record, GRID, energies, np.ones(K)))
        out.append((value - EXACT) / error)
    return np.array(out)


def independent(rng: np.random.Generator, memory: float) -> WindowCells:
    """The same chains, every sample taken for an independent one."""
    record = WindowCells.empty(1)
    for u in range(12):
        x = np.concatenate([draws(rng, 40, memory, k) for k in range(K)])
        record = record.with_samples(
            GRID, x[:, None], np.repeat(np.arange(K), 40), np.tile(np.arange(40), K) + 40 * u
        )
    return record


def test_errors_cover_with_correlated_samples() -> None:
    z = standardised(0.9, each_its_own_unit=False)
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert covered(z, 0.68)
    assert covered(z, 0.95)


def test_twin_correlation_left_out() -> None:
    """Taking correlated samples for independent ones shows."""
    z = standardised(0.9, each_its_own_unit=True, repeats=100)
    assert not covered(z, 0.68)
    assert z.std() > 2.0


def test_units_that_become_one_are_added() -> None:
    record = filled(np.random.default_rng(4), 4, 30, 0.0)
    total = record.counts.sum()
    record = record.with_units(np.array([0, 1, 0, 1]))
    assert set(record.rows[0]) == {0, 1}
    assert record.counts.sum() == total == 4 * 30 * K
    again = decode(WindowCells, encode(record))
    again = again.with_samples(GRID, np.array([[0.1], [3.7]]), np.array([3, 4]), np.array([2, 2]))
    assert again.counts.sum() == total + 2
    assert len(np.unique(again.seen.cells, axis=0)) == len(again.seen)


def test_what_is_outside_the_surface_still_counts_for_the_windows() -> None:
    record = WindowCells.empty(1)
    rng = np.random.default_rng(5)
    xi = np.concatenate([rng.normal(1.9, 0.2, 500), rng.normal(2.3, 0.2, 500)])[:, None]
    record = record.with_samples(GRID, xi, np.repeat([0, 1], 500), np.tile(np.arange(5), 200))
    assert record.counts.sum() == 1000
    pooled = pool(record, GRID, lambda x: 12.5 * (x[None, :, 0] - [[1.9], [2.3]]) ** 2, np.ones(2))
    assert abs(pooled.f[1]) < 0.3
    assert (GRID.index(pooled.points) == -1).any()


def test_a_window_without_samples_has_no_free_energy() -> None:
    record = WindowCells.empty(1)
    record = record.with_samples(GRID, np.zeros((10, 1)), np.zeros(10, dtype=int), np.arange(10))
    pooled = pool(record, GRID, energies, np.ones(K))
    assert pooled.f[0] == 0.0
    assert np.isnan(pooled.f[1:]).all()
    with pytest.raises(ValueError, match="no samples"):
        pool(WindowCells.empty(1), GRID, energies, np.ones(K))


def test_two_dimensions_and_a_ring() -> None:
    """F = cos φ + z²/2, windows along φ only: the joint surface, −ln P over the ring."""
    grid = Grid.regular(((-np.pi, np.pi), (-3.0, 3.0)), (12, 6), (True, False))
    centres = np.linspace(-np.pi, np.pi, 13)[:-1]
    phi = np.linspace(-np.pi, np.pi, 2001)[:-1]
    record, rng = WindowCells.empty(2), np.random.default_rng(6)
    for k, c in enumerate(centres):
        p = np.exp(-np.cos(phi) + 6.0 * np.cos(phi - c))
        x = rng.choice(phi, 4000, p=p / p.sum())
        xi = np.stack([x, rng.standard_normal(4000)], axis=1)
        record = record.with_samples(grid, xi, np.full(4000, k), np.arange(4000) // 500)

    def restraint(xi: Array) -> Array:
        return 6.0 * (1 - np.cos(xi[None, :, 0] - centres[:, None]))

    pooled = pool(record, grid, restraint, np.ones(12))
    label = grid.index(pooled.points)
    f = -pooled.log_probability(label, 72).reshape(12, 6)
    error = ladders(pooled).standard_error(pooled.influence(label, 72)).reshape(12, 6)
    share = np.diff(norm.cdf(grid.edges[1]))
    ring = np.array(
        [np.exp(-np.cos(phi[i * 2000 // 12 : (i + 1) * 2000 // 12])).sum() for i in range(12)]
    )
    exact = -np.log(np.multiply.outer(ring / ring.sum(), share / share.sum()))
    low = exact < 7
    assert (np.abs(f - exact)[low] / error[low]).max() < 4.5


def test_overlap_is_the_chance_to_exchange() -> None:
    """Equal windows 1; two Gaussians a distance d apart erfc(d/2σ) (both restraints in flat F)."""
    x = np.linspace(-6, 8, 2801)
    for d in (0.0, 1.0, 2.0):
        u = np.stack([0.5 * x**2, 0.5 * (x - d) ** 2])
        counts = np.exp(-u)

        found = exchange_overlap(u[:, ::10], counts[:, ::10], np.array([[0, 1]]))[0, 1]
        assert found == pytest.approx(erfc(d / 2), abs=0.02)


def test_a_gap_is_named() -> None:
    said = gaps({(0, 1): 0.5, (1, 2): 0.004}, ["phi = -60°", "phi = -30°", "phi = 0°"], 0.03)
    assert said == ("windows phi = -30° and phi = 0°: overlap 0.004, asked 0.03",)


def test_units_left_out_leave_what_the_others_counted() -> None:
    rng = np.random.default_rng(9)
    x = [rng.normal(CENTRES[k % K], 0.15, 40) for k in range(6 * K)]
    whole, late = WindowCells.empty(1), WindowCells.empty(1)
    for i, values in enumerate(x):
        unit, window = np.full(40, i // K), np.full(40, i % K)
        whole = whole.with_samples(GRID, values[:, None], window, unit)
        if i // K >= 2:
            late = late.with_samples(GRID, values[:, None], window, unit)
    found = pool(whole.since(2), GRID, energies, np.ones(K))
    expected = pool(late, GRID, energies, np.ones(K))
    assert whole.since(2).counts.sum() == late.counts.sum() == 4 * K * 40
    # the means of cells are those of all units: an error of a tenth of the statistical one
    np.testing.assert_allclose(found.f, expected.f, atol=1e-2)
