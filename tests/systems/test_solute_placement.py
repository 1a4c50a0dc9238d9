"""Shapes placed in space: there and back, and the density that placing has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from msgen.systems.base import Array
from msgen.systems.coordinates.chain_placement import KINDS, Kind, Placement

CASES = [(kind, n) for kind in KINDS for n in (3, 4, 6)]


def shapes(n: int, m: int = 200) -> Array:
    return np.random.default_rng(n).standard_normal((m, n, 3))


@pytest.mark.parametrize(("kind", "n"), CASES)
def test_what_is_placed_has_the_coordinates_it_was_placed_by(kind: Kind, n: int) -> None:
    placement = Placement(n, kind)
    y = placement.encode(shapes(n))
    assert y.shape == (200, placement.dim) == (200, len(placement.periodic))
    sides = placement.draw_sides(200, np.random.default_rng(1))
    np.testing.assert_allclose(placement.encode(placement.place(y, sides)), y, atol=1e-9)
    if kind == "distances" and n > 3:
        one, other = placement.place(y, sides), placement.place(y, -sides)
        np.testing.assert_allclose(one * [1, -1, 1], other, atol=1e-9)  # mirror images


def brute_force_log_volume(placement: Placement, x: Array) -> float:
    """−ln |∂(cos θ, φ, azimuth, y)/∂x| of one shape (n, 3) by central differences."""

    def coordinates(v: Array) -> Array:
        p = np.concatenate([np.zeros((1, 3)), v.reshape(-1, 3)])
        first = p[1] / np.linalg.norm(p[1])
        theta, phi = np.arccos(first[2]), np.arctan2(first[1], first[0])
        down = [np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)]
        azimuth = np.arctan2(p[2] @ np.cross(first, down), p[2] @ down)
        return np.concatenate([[first[2], phi, azimuth], placement.encode(p[None])[0]])

    v, e = (x[1:] - x[0]).reshape(-1), 1e-6
    rows = [(coordinates(v + e * u) - coordinates(v - e * u)) / (2 * e) for u in np.eye(v.size)]
    return -float(np.linalg.slogdet(np.array(rows))[1])


class Bare(Placement):
    """The wrong twin: without what one atom's volume depends on."""

    def log_volume(self, y: Array) -> Array:
        """Without d₀₁."""
        return super().log_volume(y) - np.log(y[:, 0])


class Halved(Placement):
    """The wrong twin: the two sides of one atom, or a half turn of a torsion, not counted."""

    def log_volume(self, y: Array) -> Array:
        """Half of it."""
        return super().log_volume(y) - np.log(2)


@pytest.mark.parametrize(("kind", "n"), CASES)
def test_the_volume_is_that_of_finite_differences(kind: Kind, n: int) -> None:
    placement, x = Placement(n, kind), shapes(n)
    # 8π² of orientations are counted in, and one of two sides for each atom from the fourth on
    known = np.log(8 * np.pi**2) + (np.log(2) * (n - 3) if kind == "distances" else 0.0)
    found = placement.log_volume(placement.encode(x))
    wrong = Bare(n, kind).log_volume(placement.encode(x))
    for k in range(5):
        expected = brute_force_log_volume(placement, x[k]) + known
        assert found[k] == pytest.approx(expected, abs=1e-5)
        assert abs(wrong[k] - expected) > 1e-3


def mean_inverse(placement: Placement, m: int) -> tuple[float, float]:
    """Mean and error of p(x)/q(x) of the last atom, the others in their places; 1.

    Of three atoms the last one's density is the ratio of q to 1/4πd², of four to that of three.
    """
    rng, three = np.random.default_rng(5), placement.n == 3
    middle = np.array([1.0, 1.1, 1.6] if three else [1.0, 1.1, 1.2, 1.6, 1.4, 1.8])
    own = [1, 2] if three else [2, 4, 5]
    width = np.where(np.array(placement.periodic), 2 * np.pi, 0.3)
    u = rng.random((m, placement.dim))
    drawn = np.where(placement.periodic, (u - 0.5) * width, middle + width * norm.ppf(u))
    y = np.tile(middle, (m, 1))
    y[:, own] = drawn[:, own]
    log_q = np.where(placement.periodic, -np.log(width), norm.logpdf(y, middle, width))
    log_q = log_q[:, own].sum(axis=1) - placement.log_volume(y)
    if three:
        log_q += np.log(4 * np.pi * middle[0] ** 2)
    else:
        log_q += Placement(3).log_volume(middle[None, [0, 1, 3]])[0]
    x = placement.place(y, placement.draw_sides(m, rng))
    if three:  # turned about the first bond, as an orientation would
        phi = 2 * np.pi * rng.random(m)
        x[:, 2, :2] = x[:, 2, :1] * np.stack([np.cos(phi), np.sin(phi)], axis=1)
    good = np.isfinite(x).all(axis=(1, 2))
    # p: normal about a place, neither symmetric nor q
    place = [0.9, 0.3, 1.3] if three else placement.place(middle[None], np.ones((1, 1)))[0, 3]
    log_p = norm.logpdf(x[:, -1], np.add(place, [0.1, 0.1, -0.1]), 0.15).sum(axis=1)
    # draws that cannot be placed count as 0: q of the others is not renormalised
    ratio = np.where(good, np.exp(np.where(good, log_p - log_q, 0.0)), 0.0)
    return float(ratio.mean()), float(ratio.std() / np.sqrt(m))


@pytest.mark.parametrize(("kind", "n"), [(kind, n) for kind in KINDS for n in (3, 4)])
def test_the_density_of_placed_draws_is_normalised(kind: Kind, n: int) -> None:
    mean, error = mean_inverse(Placement(n, kind), 400_000)
    assert error < 0.02
    assert abs(mean - 1) < 4 * error
    wrong, error = mean_inverse(Halved(n, kind), 400_000)
    assert abs(wrong - 1) > 10 * error


def test_what_cannot_be_is_refused_and_nothing_else_is() -> None:
    for kind in KINDS:
        placement = Placement(4, kind)
        y = placement.encode(shapes(4, 50))
        sides = placement.draw_sides(50, np.random.default_rng(2))
        assert placement.sound(y).all()
        for column, value in ((0, -1.0), (3, 50.0), (1, np.nan)):
            broken = y.copy()
            broken[:, column] = value
            assert not placement.sound(broken).any()
            assert np.isnan(placement.place(broken, sides)).all()
            assert np.isneginf(placement.log_volume(broken)).all()
    # three distances that no point has, of triangles that all exist
    far = Placement(4, "distances")
    y = np.array([[1.0, 1.0, 1.0, 1.0, 1.0, 1.9]])
    assert not far.sound(y).any()
    assert far.sound(np.array([[1.0, 1.0, 1.0, 1.0, 1.0, 1.6]])).all()
    for bad in ({"n": 2}, {"kind": "angles"}):
        with pytest.raises(ValueError, match="no placement"):
            replace(far, **bad)  # type: ignore[arg-type]
