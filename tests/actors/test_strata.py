"""Which state a point lies in, and how much of g lies in each state, against Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from msgen.actors.base import decode, encode
from msgen.actors.cv_space.extended_variable import Conditional, von_mises_cdf, wrap
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.switching.steered import draw_start
from msgen.systems.base import Array

ANGLES, LINES, MIXED = np.array([True, True]), np.array([False, False]), np.array([True, False])
RIGHT = 4.5
DRAWS = 40_000


def wrapped() -> Partition:
    """One box across ±π in both angles, one in one angle only; the rest is around 0."""
    boxes = {"corner": {"a": (2.5, -2.8), "b": (3.0, -2.0)}, "stripe": {"a": (-1.0, 0.5)}}
    return Partition.from_boxes(boxes, ["a", "b"], ANGLES)


def mixed() -> Partition:
    boxes = {"left": {"a": (-0.5, 1.0), "x": (-np.inf, 0.3)}, "right": {"x": (0.3, 0.9)}}
    return Partition.from_boxes(boxes, ["a", "x"], MIXED)


def by_hand(xi: Array) -> Array:
    """The strata of `wrapped`, written out."""
    a, b = xi.T
    corner = ((a >= 2.5) | (a < -2.8)) & ((b >= 3.0) | (b < -2.0))
    return np.where(corner, 0, np.where((a >= -1.0) & (a < 0.5), 1, 2))


def test_points_lie_in_their_boxes_also_across_the_seam() -> None:
    xi = np.random.default_rng(1).uniform(-np.pi, np.pi, (5000, 2))
    part = wrapped()
    assert part.names == ("corner", "stripe", "rest")
    assert np.array_equal(part.assign(xi), by_hand(xi))
    assert set(part.assign(xi)) == {0, 1, 2}


def test_a_lower_edge_belongs_to_its_box_and_an_upper_one_does_not() -> None:
    part = wrapped()
    points = np.array([[-1.0, 0.0], [0.5, 0.0], [2.5, 3.0], [-2.8, 3.1], [-np.pi, -np.pi]])
    assert part.assign(points).tolist() == [1, 2, 0, 2, 0]
    just_below_pi = np.nextafter(np.pi, 0)
    assert part.assign(np.array([[just_below_pi, just_below_pi]])).tolist() == [0]


def test_lines_reach_to_infinity_and_what_is_not_finite_lies_nowhere() -> None:
    part = mixed()
    points = np.array([[0.0, -1e9], [0.0, 0.5], [0.0, 1e9], [2.0, -1e9]])
    assert part.assign(points).tolist() == [0, 1, 2, 2]
    nowhere = np.array([[np.nan, 0.0], [0.0, np.nan], [0.0, np.inf], [0.0, -np.inf]])
    assert part.assign(nowhere).tolist() == [-1] * 4


def test_whole_is_one_state_and_boxes_that_cover_all_leave_no_rest() -> None:
    whole = Partition.whole(MIXED)
    xi = np.random.default_rng(2).normal(size=(100, 2))
    assert len(whole) == 1
    assert (whole.assign(xi) == 0).all()
    g = Conditional(np.array([5.0, 5.0]), MIXED)
    assert (whole.mass(xi, g, np.zeros(100, int)) == 1.0).all()
    halves = Partition.from_boxes(
        {"lo": {"x": (-np.inf, 0.0)}, "hi": {"x": (0.0, np.inf)}}, "x", L1
    )
    assert halves.names == ("lo", "hi")


@pytest.mark.parametrize(
    ("part", "kappa", "periodic"),
    [
        (wrapped(), (3.0, 8.0), ANGLES),
        (wrapped(), (0.2, 60.0), ANGLES),  # beyond 50 the von Mises CDF is computed otherwise
        (wrapped(), (400.0, 900.0), ANGLES),
        (mixed(), (2.0, 6.0), MIXED),
        (
            Partition.from_boxes({"box": {"a": (-0.4, 0.4), "b": (0, 2.0)}}, "ab", LINES),
            (9, 4),
            LINES,
        ),
    ],
)
def test_the_mass_of_g_is_what_falls_into_the_state(
    part: Partition, kappa: tuple[float, float], periodic: Array
) -> None:
    g, rng = Conditional(np.array(kappa, dtype=float), periodic), np.random.default_rng(3)
    # at corners, on seams and outside of where angles are kept
    points = np.array([[2.5, 3.0], [-np.pi, 3.1], [-1.0, -2.0], [0.45, 0.3], [-2.9, -2.1]])
    for xi in points:
        lam = g.sample(np.tile(xi, (DRAWS, 1)), rng)
        seen = np.bincount(part.assign(lam), minlength=len(part)) / DRAWS
        mass = np.array([part.mass(xi[None], g, np.array([k]))[0] for k in range(len(part))])
        assert mass.sum() == pytest.approx(1.0, abs=1e-5)
        error = np.sqrt(np.maximum(mass * (1 - mass), 0) / DRAWS) + 1 / DRAWS
        assert (np.abs(seen - mass) < RIGHT * error).all()


def test_the_mass_is_of_the_state_asked_for_row_by_row() -> None:
    part, g = wrapped(), Conditional(np.array([2.0, 2.0]), ANGLES)
    xi = np.random.default_rng(4).uniform(-np.pi, np.pi, (30, 2))
    of = np.arange(30) % 3
    single = [part.mass(xi[i : i + 1], g, of[i : i + 1])[0] for i in range(30)]
    assert np.allclose(part.mass(xi, g, of), single, rtol=1e-12)
    total = sum(part.mass(xi, g, np.full(30, k)) for k in range(3))
    assert np.allclose(total, 1.0, atol=1e-6)


def test_the_mass_has_no_step_at_the_seam() -> None:
    part, g = wrapped(), Conditional(np.array([5.0, 5.0]), ANGLES)
    eps = 1e-7
    for b in (-3.0, 0.4, 3.1):
        ends = np.array([[-np.pi, b], [np.pi - eps, b]])
        mass = part.mass(ends, g, np.zeros(2, int))
        assert abs(mass[0] - mass[1]) < 1e-5


def test_starts_are_drawn_from_g_truncated_to_the_state() -> None:
    part, g, rng = wrapped(), Conditional(np.array([4.0, 4.0]), ANGLES), np.random.default_rng(5)
    xi = np.tile([[2.6, 3.05]], (DRAWS, 1))
    stratum = np.zeros(DRAWS, int)
    lam = draw_start(xi, stratum, part, g, rng)
    assert (part.assign(lam) == 0).all()
    free = g.sample(np.tile(xi, (4, 1)), rng)
    kept = free[part.assign(free) == 0]
    for f in (np.cos, np.sin):
        for c in (0, 1):
            a, b = f(lam[:, c]), f(kept[:, c])
            error = np.hypot(a.std() / np.sqrt(len(a)), b.std() / np.sqrt(len(b)))
            assert abs(a.mean() - b.mean()) < RIGHT * error
    assert abs(np.cos(free[:, 0]).mean() - np.cos(lam[:, 0]).mean()) > 0.02
    sharp = Conditional(np.array([1e6, 1e6]), ANGLES)
    with pytest.raises(RuntimeError, match="no mass"):
        draw_start(np.zeros((1, 2)), np.zeros(1, int), part, sharp, rng)


def test_g_is_normalised_and_drawn_from_what_it_tells() -> None:
    g = Conditional(np.array([3.0, 7.0]), MIXED)
    a = np.linspace(-np.pi, np.pi, 401)[:-1]
    x = np.linspace(-4, 4, 801)
    points = np.stack(np.meshgrid(a, x, indexing="ij"), axis=-1)
    xi = np.array([2.9, 0.2])
    p = np.exp(g.log_density(points, xi)) * (a[1] - a[0]) * (x[1] - x[0])
    assert p.sum() == pytest.approx(1.0, abs=1e-6)
    lam = g.sample(np.tile(xi, (DRAWS, 1)), np.random.default_rng(6))
    assert (np.abs(lam[:, 0]) <= np.pi).all()
    for seen, told in (
        (np.cos(lam[:, 0]), (p.sum(axis=1) @ np.cos(a))),
        (np.sin(lam[:, 0]), (p.sum(axis=1) @ np.sin(a))),
        (lam[:, 1] ** 2, (p.sum(axis=0) @ x**2)),
    ):
        assert abs(seen.mean() - told) < RIGHT * seen.std() / np.sqrt(DRAWS)


def test_the_slope_of_g_is_its_derivative_and_periodic() -> None:
    g = Conditional(np.array([3.0, 7.0]), MIXED)
    rng = np.random.default_rng(7)
    lam, xi = rng.uniform(-3, 3, (2, 50, 2))
    h = 1e-6
    for c in (0, 1):
        d = np.eye(2)[c] * h
        slope = (g.energy(lam, xi + d) - g.energy(lam, xi - d)) / (2 * h)
        assert np.allclose(slope, g.slope(lam, xi)[:, c], atol=1e-6)
    turn = np.array([2 * np.pi, 0.0])
    assert np.allclose(g.energy(lam + turn, xi), g.energy(lam, xi))
    assert np.allclose(g.slope(lam, xi - 3 * turn), g.slope(lam, xi))
    assert np.array_equal(wrap(np.array([np.pi, -np.pi, 7.0])), [-np.pi, -np.pi, 7.0 - 2 * np.pi])


def test_grids_and_trees() -> None:
    part = wrapped()
    axes = (np.linspace(-3.1, 3.1, 7), np.linspace(-3.1, 3.1, 5))
    grid = part.overlap_with(axes)
    assert grid.shape == (7, 5)
    assert grid[3, 2] == part.assign(np.array([[axes[0][3], axes[1][2]]]))[0]
    again = decode(Partition, encode(part))
    xi = np.random.default_rng(8).uniform(-np.pi, np.pi, (200, 2))
    assert again.names == part.names
    assert np.array_equal(again.assign(xi), part.assign(xi))


L1 = np.array([False])


KAPPAS = (1.0, 30.0, 49.9, 50.0, 51.0, 131.0, 1050.0, 2e4)


def cdf_error(kappa: float, found: Array, angle: Array) -> float:
    """Largest error of ln F where F is above 1e-4, against Gauss–Legendre of the density itself."""
    node, weight = np.polynomial.legendre.leggauss(400)
    # beyond 12 σ there is nothing
    end = np.sign(angle) * np.minimum(np.abs(angle), min(12.0 / np.sqrt(kappa), np.pi))
    t = 0.5 * end[:, None] * (node + 1.0)
    bell = np.exp(-2.0 * kappa * np.sin(0.5 * t) ** 2) @ weight
    exact = 0.5 + 0.5 * end * bell / (2.0 * np.pi * special.i0e(kappa))
    tail = exact > 1e-4
    return float(np.abs(np.log(found[tail] / exact[tail])).max())


@pytest.mark.parametrize("kappa", KAPPAS)
def test_the_mass_of_a_narrow_g_is_exact(kappa: float) -> None:
    """ln c is part of the work of every path of an angle: 1e-9 kT."""
    angle = np.linspace(-1.0, 1.0, 41) * min(5.0 / np.sqrt(kappa), 3.1)
    assert cdf_error(kappa, von_mises_cdf(angle, kappa), angle) < 1e-9
    turns = von_mises_cdf(angle + 6.0 * np.pi, kappa) - von_mises_cdf(angle, kappa)
    assert np.allclose(turns, 3.0, atol=1e-9)


def test_twin_that_takes_scipys_normal_approximation() -> None:
    angle = np.linspace(-1.0, 1.0, 41) * 5.0 / np.sqrt(50.0)
    assert cdf_error(50.0, stats.vonmises.cdf(angle, 50.0), angle) > 1e-4
