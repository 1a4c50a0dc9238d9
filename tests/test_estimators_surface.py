"""Grids, state regions and the surface with errors from independent blocks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from msgen.orchestrator.estimators.histogram import (
    Grid,
    block_sums,
    log_populations,
    surface,
    surface_from_sums,
)
from msgen.orchestrator.estimators.regions import REST, Region, Regions
from msgen.systems.errors import SpecError

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


def test_surface_and_state_errors_cover_correlated_replicas() -> None:
    """68 and 95 % within 4 binomial σ over 200 repeats, on a bin and on a state difference."""
    grid = Grid.regular(((-1.5, 1.5),), (3,), (False,))
    mass = np.diff(norm.cdf(grid.edges[0]))
    truth_bin = -np.log(mass[0] / mass.sum())
    states = Regions((Region("low", ({0: (-1.0, 0.5)},)),), (0.0,))
    p = norm.cdf(0.5) - norm.cdf(-1.0)
    truth_state = -np.log((1 - p) / p)
    rng, z_bin, z_state, naive = np.random.default_rng(1), [], [], []
    for _ in range(200):
        x, ids = replicas(rng, 24, 100)
        s = surface(grid, x[:, None], ids, 24)
        z_bin.append((s.f[0] + s.offset - truth_bin) / s.stderr[0])
        f, err = states.free_energies(x[:, None], ids, 24)
        assert f[0] == 0.0
        assert err[0] == 0.0
        z_state.append((f[1] - truth_state) / err[1])
        alone, alone_err = states.free_energies(x[:, None], np.arange(len(x)), len(x))
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


ALANINE = Regions((Region("C7ax", ({0: (0.0, np.deg2rad(130))},)),), (2 * PI, 2 * PI))
SEAM = Regions(
    (Region("beta", ({0: (2.5, -2.5), 1: (1.0, 2.0)},)), Region("axial", ({0: (0.0, 1.0)},))),
    (2 * PI, 2 * PI),
)


def test_regions_assign_through_the_seam_and_at_their_borders() -> None:
    xi = np.array([[3.1, 1.5], [-3.1, 1.0], [2.4, 1.5], [3.1, 2.0], [0.0, 0.0], [1.0, 0.0]])
    assert list(SEAM.assign(xi)) == [0, 0, 2, 2, 1, 2]
    assert np.array_equal(SEAM.assign(xi + 4 * PI), SEAM.assign(xi))
    assert SEAM.assign(np.array([[np.nan, 0.0]]))[0] == -1
    assert ALANINE.names == ("C7ax", REST)


@pytest.mark.parametrize("regions", [ALANINE, SEAM])
def test_fractions_agree_with_counting(regions: Regions) -> None:
    fractions = regions.fractions(TORUS)
    assert fractions.sum(axis=0) == pytest.approx(np.ones(TORUS.shape))
    xi = np.random.default_rng(3).uniform(-PI, PI, (200_000, 2))
    index, labels = TORUS.index(xi), regions.assign(xi)
    for k in range(len(regions.names)):
        seen = np.bincount(index, weights=labels == k, minlength=24) / np.bincount(index)
        error = np.sqrt(np.maximum(seen * (1 - seen), 1e-9) / 8000)
        assert (np.abs(seen - fractions[k].ravel()) < 5 * error + 1e-6).all()


def test_a_region_of_two_boxes_and_a_linear_cv() -> None:
    regions = Regions((Region("ends", ({0: (-np.inf, -1.0)}, {0: (1.0, np.inf)})),), (0.0,))
    assert list(regions.assign(np.array([[-2.0], [0.0], [1.0], [5.0]]))) == [0, 1, 0, 0]
    grid = Grid.regular(((-2.0, 2.0),), (8,), (False,))
    assert regions.fractions(grid)[0].tolist() == [1, 1, 0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("regions", "problem"),
    [
        ((Region("a", ({0: (0, 2)},)), Region("b", ({0: (1, 3)},))), "overlaps"),
        ((Region("a", ({0: (3, -3)},)), Region("b", ({0: (-4, -3.2)},))), "overlaps"),
        ((Region("a", ({0: (0, 2)},)), Region("b", ({1: (0, 1)},))), "overlaps"),
        ((Region("a", ({0: (0, 1)},)), Region("a", ({0: (1, 2)},))), "taken"),
        ((Region("rest", ({0: (0, 1)},)),), "taken"),
        ((Region("a", ({0: (1, 1)},)),), "empty"),
        ((Region("a", ({1: (2, 1)},)),), "empty"),
        ((Region("a", ({2: (0, 1)},)),), "no such CV"),
    ],
)
def test_wrong_regions_are_refused(regions: tuple[Region, ...], problem: str) -> None:
    with pytest.raises(SpecError, match=problem) as caught:
        Regions(regions, (2 * PI, 0.0))
    assert caught.value.field[0] == "states"


def test_regions_that_touch_do_not_overlap() -> None:
    a, b = np.deg2rad(130), np.deg2rad(-170)
    Regions(
        tuple(Region(n, ({0: r},)) for n, r in (("x", (0, a)), ("y", (a, b)), ("z", (b, 0)))),
        (2 * PI,),
    )
