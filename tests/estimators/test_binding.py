"""ΔG° of two particles in wells whose integral is known, and what it is with a wrong Jacobian."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import quad

from msgen.orchestrator.estimators.binding import (
    Array,
    binding_of_profile,
    mean_force,
    population,
    shell_volume,
    standard_free_energy,
)
from msgen.systems.constants import STANDARD_VOLUME

EDGE, END = 0.5, 2.0
"""nm: of the well, and of the sphere in which the particles are."""
BINS = 80
FREE = (1.5, END)
Well = Callable[[float], float]


def square(r: float) -> float:
    return -6.0 if r < EDGE else 0.0


def harmonic(r: float) -> float:
    """½ k r² − 9 kT, up to where it is 0."""
    return min(72.0 * r**2 / 2 - 9.0, 0.0)


def integral(of: Callable[[float], float], low: float, high: float) -> float:
    value, _ = quad(of, low, high, epsabs=1e-13, epsrel=1e-12, limit=400)
    return float(value)


def profile(w: Well) -> tuple[Array, Array]:
    """Bin centres, and −ln of the population of each: ∫ 4πr² exp(−w) over it."""
    edges = np.linspace(0.0, END, BINS + 1)
    p = [
        integral(lambda r: 4 * math.pi * r**2 * math.exp(-w(r)), a, b)
        for a, b in itertools.pairwise(edges.tolist())
    ]
    return (edges[:-1] + edges[1:]) / 2, -np.log(p) + 3.7  # of any level


def constant(w: Well) -> float:
    """K in nm³."""
    return integral(lambda r: 4 * math.pi * r**2 * math.exp(-w(r)), 0.0, EDGE)


def test_a_mole_in_a_litre_is_one_in_1661_cubic_angstrom() -> None:
    assert pytest.approx(1.66054, abs=1e-5) == STANDARD_VOLUME
    assert shell_volume((0.0, 1.0)) == pytest.approx(4 * math.pi / 3)


@pytest.mark.parametrize("w", [square, harmonic])
def test_the_integral_of_a_well(w: Well) -> None:
    exact = -math.log(constant(w) / STANDARD_VOLUME)
    if w is square:  # in closed form
        closed = -math.log(4 * math.pi / 3 * EDGE**3 / STANDARD_VOLUME) - 6.0
        assert exact == pytest.approx(closed, abs=1e-9)
    r, f = profile(w)
    value, _ = binding_of_profile(r, f, np.zeros_like(f), (0.0, EDGE), FREE)
    assert value == pytest.approx(exact, abs=1e-9)
    # of the populations of two states, wherever the shell of the one lies
    for low, high in ((0.8, 1.2), (1.0, 2.0)):
        bound, _ = population(f, f, r < EDGE)
        free, _ = population(f, f, (r >= low) & (r < high))
        assert standard_free_energy(bound - free, (low, high)) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("w", [square, harmonic])
def test_a_jacobian_left_out_or_counted_twice_is_far_off(w: Well) -> None:
    """What a reader gets who takes F(r) for w(r), or thinks that it holds no Jacobian."""
    exact = -math.log(constant(w) / STANDARD_VOLUME)
    r, f = profile(w)
    width = r[1] - r[0]
    level = f[r >= FREE[0]].mean()
    home = r < EDGE
    twice = (4 * math.pi * r[home] ** 2 * np.exp(level - f[home])).sum() * width
    assert abs(-math.log(twice / STANDARD_VOLUME) - exact) > 2.0
    # nowhere: both regions as if they were stretches of a line
    line = (np.exp(level - f[home])).sum() * width
    assert abs(-math.log(line / STANDARD_VOLUME) - exact) > 1.0
    # and the shells of the bulk: with a line's length the answer follows where the bulk is put
    told = []
    for low in (0.8, 1.6):
        bound, _ = population(f, f, home)
        free, _ = population(f, f, (r >= low) & (r < low + 0.4))
        told.append(bound - free - math.log(0.4 / STANDARD_VOLUME))
    assert abs(told[0] - told[1]) > 0.5


def test_the_potential_of_mean_force_is_the_well() -> None:
    r, f = profile(square)
    found = mean_force(r, f, np.full_like(f, 0.1), FREE)
    np.testing.assert_allclose(found.w, [square(x) for x in r], atol=1e-9)
    assert found.drift == pytest.approx(0.0, abs=1e-9)
    assert found.drift_error == pytest.approx(0.2)
    tilted = mean_force(r, f + 0.8 * r, np.full_like(f, 0.1), FREE)
    assert tilted.drift == pytest.approx(0.2, abs=0.01)  # its halves' middles are 0.25 nm apart


def test_bins_that_nobody_saw_and_errors_that_are_not_known() -> None:
    r, f = profile(square)
    f[3] = np.nan
    value, error = binding_of_profile(r, f, np.full_like(f, np.nan), (0.0, EDGE), FREE)
    assert math.isfinite(value)
    assert math.isnan(error)
    f[r >= FREE[0]] = np.nan
    assert all(math.isnan(x) for x in binding_of_profile(r, f, f, (0.0, EDGE), FREE))
    assert math.isnan(mean_force(r, f, f, FREE).drift)


def test_the_error_of_a_profile_is_a_bound() -> None:
    """Of bins that move together it is met, of others it is more than enough."""
    r, f = profile(square)
    sigma = 0.3
    value, error = binding_of_profile(r, f, np.full_like(f, sigma), (0.0, EDGE), FREE)
    assert error == pytest.approx(2 * sigma)
    moved = np.where(r < EDGE, f + sigma, f - sigma)
    shifted, _ = binding_of_profile(r, moved, f, (0.0, EDGE), FREE)
    assert shifted - value == pytest.approx(error)
