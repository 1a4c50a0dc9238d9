"""Langevin dynamics is off by order Δt², GHMC is exact; the wrong twins of GHMC are caught.

The density, its exact draws, and what counts as right (4.5 σ) and wrong (8 σ) are those of
`quartic_well`.
"""

from __future__ import annotations

import numpy as np
import pytest
from quartic_well import (
    DENSITY,
    GRID,
    RIGHT,
    WRONG,
    N,
    Well,
    drift,
    exact_draws,
    worst_sigma,
)

from msgen.actors.engines.local_kernel import local_kernel
from msgen.actors.kernels import langevin
from msgen.actors.kernels.base import BoltzmannTarget, Kernel, Mask, metropolis
from msgen.actors.kernels.langevin import Ghmc, Langevin
from msgen.systems.base import Array, Walkers
from msgen.systems.errors import SpecError

LONG = 0.35
"""A time step at which a fifth or more of the Verlet steps is refused."""
Verdict = tuple[Mask, Array, Mask]


@pytest.mark.parametrize("friction", [0.0, 1.0, 20.0])
def test_ghmc_is_exact_at_a_long_step(friction: float) -> None:
    assert drift(Ghmc(LONG, friction)) < RIGHT


def test_ghmc_is_exact_for_any_mass_when_kt_and_density_agree() -> None:
    assert drift(Ghmc(0.4, 1.0, masses=np.array([3.0]), kT=2.0)) < RIGHT


def test_langevin_is_off_by_order_dt_squared_as_calculated() -> None:
    """Unit harmonic well, velocities redrawn for every step: the variance is 1/(1 − Δt²(1+c)/8)."""

    class Harmonic(Well):
        def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
            return 0.5 * walkers.positions[:, 0] ** 2, -walkers.positions

    target, sigma = BoltzmannTarget(Harmonic()), np.sqrt(2 / N)
    start = Walkers(np.random.default_rng(21).standard_normal((N, 1)))
    for dt in (0.7, 1.0):
        rng = np.random.default_rng(22)
        plain = tested = start
        for _ in range(40):
            plain = Langevin(dt, 1.0)(target, plain, rng).walkers
            tested = Ghmc(dt, 1.0)(target, tested, rng).walkers
        expected = 1 / (1 - dt**2 * (1 + np.exp(-dt)) / 8)
        assert expected - 1 > WRONG * sigma
        assert abs(plain.positions.var() - expected) < RIGHT * sigma * expected
        assert abs(tested.positions.var() - 1) < RIGHT * sigma


def test_langevin_is_right_at_a_short_step() -> None:
    assert drift(Langevin(0.05, 1.0), n_steps=60) < RIGHT


def test_twin_without_the_ratio_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(new: Array, old: Array, fwd: Array, back: Array, log_u: Array) -> Verdict:
        return np.isfinite(new), np.zeros_like(new), ~np.isfinite(new)

    monkeypatch.setattr(langevin, "metropolis", always)
    assert drift(Ghmc(LONG, 1.0), n_steps=3) > WRONG


def test_twin_without_the_kinetic_energy_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def potential(new: Array, old: Array, fwd: Array, back: Array, log_u: Array) -> Verdict:
        return metropolis(new, old, 0 * fwd, 0 * back, log_u)

    monkeypatch.setattr(langevin, "metropolis", potential)
    assert drift(Ghmc(LONG, 1.0)) > WRONG


def test_twin_that_does_not_reverse_velocities_on_rejection_is_caught() -> None:
    class Straight(Ghmc):
        def _velocity(self, accept: Mask, new: Array, old: Array) -> Array:
            return np.where(accept[:, None], new, old)

    assert drift(Straight(LONG, 0.3)) > WRONG


@pytest.mark.parametrize("outside", [np.inf, np.nan, -np.inf])
@pytest.mark.parametrize("kernel", [Langevin(0.1, 1.0), Ghmc(0.2, 1.0)])
def test_nothing_that_is_not_finite_is_accepted(kernel: Kernel, outside: float) -> None:
    start = exact_draws(500, 23)
    start = start.with_positions(np.clip(start.positions, -0.79, 0.79))
    result = kernel(
        BoltzmannTarget(Well(0.8, outside)),
        start,
        np.random.default_rng(24),
        n_steps=30,
        record_every=1,
    )
    assert result.nonfinite > 0
    assert result.trajectory is not None
    assert np.abs(result.trajectory).max() <= 0.8
    assert result.accepted.mean() > 0.1


def test_a_wall_leaves_the_density_of_ghmc_exact() -> None:
    inside = np.where(np.abs(GRID) <= 0.8, DENSITY, 0.0)
    inside /= inside.sum()
    x = Ghmc(0.2, 1.0)(
        BoltzmannTarget(Well(0.8, np.nan)),
        exact_draws(N, 25, inside),
        np.random.default_rng(26),
        n_steps=30,
    ).walkers.positions[:, 0]
    assert worst_sigma(x, inside) < RIGHT


@pytest.mark.parametrize("make", [Langevin, Ghmc])
def test_one_gradient_a_step_and_the_same_numbers_again(make: type[Langevin] | type[Ghmc]) -> None:
    calls = 0

    class Counting(Well):
        def energy_and_force(self, walkers: Walkers) -> tuple[Array, Array]:
            nonlocal calls
            calls += len(walkers)
            return super().energy_and_force(walkers)

    kernel, start = make(0.1, 1.0), exact_draws(7, 27)
    first = kernel(
        BoltzmannTarget(Counting()), start, np.random.default_rng(28), n_steps=12, record_every=3
    )
    assert first.evaluations == calls == 7 * 13
    assert first.trajectory is not None
    assert first.trajectory.shape == (4, 7, 1)
    assert np.array_equal(first.trajectory[-1], first.walkers.positions)
    again = kernel(BoltzmannTarget(Well()), start, np.random.default_rng(28), n_steps=12)
    assert np.array_equal(first.walkers.positions, again.walkers.positions)
    assert np.array_equal(start.positions, exact_draws(7, 27).positions)


def test_a_campaign_can_ask_for_them() -> None:
    system = Well()
    spec = {"timestep": 0.01, "friction": 2.0}
    for kind, expected in (("langevin", Langevin), ("ghmc", Ghmc)):
        kernel = local_kernel({"kind": kind, **spec}, system, None)
        assert isinstance(kernel, expected)
        assert (kernel.dt, kernel.friction, kernel.kT) == (0.01, 2.0, system.kT)
    with pytest.raises(SpecError, match="not known"):
        local_kernel({"kind": "verlet", **spec}, system, None)


@pytest.mark.parametrize("make", [Langevin, Ghmc])
@pytest.mark.parametrize("wrong", [(0.0, 1.0), (0.1, -1.0), (0.1, np.nan), (0.1, 1.0, -1.0)])
def test_impossible_settings_are_refused(
    make: type[Langevin] | type[Ghmc], wrong: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="must be"):
        make(*wrong)
