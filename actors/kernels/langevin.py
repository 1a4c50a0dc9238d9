"""Inertial Langevin dynamics of analytic and Python systems, as it is and Metropolised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from msgen.actors.kernels.base import Mask, Target, all_finite, log_uniform, metropolis
from msgen.actors.kernels.chain import Outcome, SteppedKernel
from msgen.actors.kernels.overdamped import check_step, untested
from msgen.systems.base import Array


class LangevinState(NamedTuple):
    """Positions, ∇ ln ρ* there, and velocities in units of √(kT/m); all (n, D)."""

    x: Array
    gradient: Array
    velocity: Array


class GhmcState(NamedTuple):
    """As `LangevinState`, with ln ρ* (n,); `fresh` until the velocities have been tested once."""

    x: Array
    log_density: Array
    gradient: Array
    velocity: Array
    fresh: bool


@dataclass(frozen=True)
class Langevin(SteppedKernel[LangevinState]):
    """BAOAB steps of Langevin dynamics without a Metropolis test. **Approximate.**

    .. math::
        v ← v + \\tfrac{∆t}{2m} F, \\quad x ← x + \\tfrac{∆t}{2} v, \\quad
        v ← e^{-γ∆t} v + \\sqrt{1-e^{-2γ∆t}}\\,\\sqrt{kT/m}\\,η, \\quad
        x ← x + \\tfrac{∆t}{2} v, \\quad v ← v + \\tfrac{∆t}{2m} F

    with F = kT ∇ln ρ* (Leimkuhler & Matthews, Appl. Math. Res. eXpress 2013, 34, 2013). Positions
    go through the same map as those of OpenMM's LFMiddle (Zhang et al., J. Phys. Chem. A 123, 6056,
    2019), which looks at velocities half a kick earlier. The stationary density differs from ρ* by
    O(∆t²); `Ghmc` is exact.

    Velocities are drawn at the start of every call and none is returned: inertia lasts for the
    `n_steps` of one call. A step to where density or gradient is not finite is not taken: the
    walker stays, its velocity is reversed, and the step is counted. The gradient is kept from one
    step to the next.

    Parameters
    ----------
    dt : float
        Time step ∆t.
    friction : float
        γ in 1/time, at least 0.
    masses : float or Array, shape (D,)
        Mass of every coordinate.
    kT : float
        Thermal energy in mass · length² / time².

    Raises
    ------
    ValueError
        For settings that are not finite, or not positive (friction: negative).
    """

    dt: float
    friction: float
    masses: float | Array = 1.0
    kT: float = 1.0

    def __post_init__(self) -> None:
        _check(self.dt, self.friction, self.masses, self.kT)

    def init(self, target: Target, x: Array, rng: np.random.Generator) -> LangevinState:
        """Gradient at the start, which moves freely where it has none, and velocities."""
        _, grad = target.log_density_and_gradient(x)
        grad = np.where(all_finite(grad)[:, None], grad, 0.0)
        return LangevinState(x, grad, rng.standard_normal(x.shape))

    def step(
        self, target: Target, state: LangevinState, rng: np.random.Generator
    ) -> tuple[LangevinState, Outcome]:
        """One step, not tested."""
        x, grad, u = state
        h, c = _reach(self.dt, self.masses, self.kT), float(np.exp(-self.friction * self.dt))
        noise = rng.standard_normal(x.shape)
        with np.errstate(all="ignore"):
            w = u + 0.5 * h * grad
            new = x + 0.5 * h * w
            w = c * w + np.sqrt(1.0 - c * c) * noise
            new = new + 0.5 * h * w
            log_new, grad_new = target.log_density_and_gradient(new)
            w = w + 0.5 * h * grad_new
        good = np.isfinite(log_new) & all_finite(grad_new) & all_finite(new) & all_finite(w)
        here = good[:, None]
        state = LangevinState(
            np.where(here, new, x), np.where(here, grad_new, grad), np.where(here, w, -u)
        )
        return state, untested(good)


@dataclass(frozen=True)
class Ghmc(SteppedKernel[GhmcState]):
    """Generalised hybrid Monte Carlo: one velocity-Verlet step per Metropolis test. Exact.

    .. math:: a = \\min(1, e^{-∆H/kT}), \\quad H(x, v) = -kT \\ln ρ^*(x) + \\tfrac12 m v^2

    On rejection the position stays and the velocity is reversed; between two tests velocities are
    refreshed in part, v ← e^{−γΔt} v + √(1 − e^{−2γΔt}) √(kT/m) η (Horowitz, Phys. Lett. B 268,
    247, 1991; Lelièvre, Rousset & Stoltz, Math. Comput. 81, 2071, 2012).

    Velocities are drawn at the start of every call and none is returned: inertia lasts for the
    `n_steps` of one call. A call thus reads the same backwards (test, refreshment, test … test)
    and obeys detailed balance in x, so that a whole call may be undone where it leaves a region.
    The gradient is kept from one step to the next.

    Parameters
    ----------
    dt : float
        Time step ∆t; each rejection turns the walker round, so inertia needs few of them.
    friction : float
        γ in 1/time, at least 0.
    masses : float or Array, shape (D,)
        Mass of every coordinate.
    kT : float
        Thermal energy in mass · length² / time².

    Raises
    ------
    ValueError
        For settings that are not finite, or not positive (friction: negative).
    """

    dt: float
    friction: float
    masses: float | Array = 1.0
    kT: float = 1.0

    def __post_init__(self) -> None:
        _check(self.dt, self.friction, self.masses, self.kT)

    def init(self, target: Target, x: Array, rng: np.random.Generator) -> GhmcState:
        """Density and gradient at the start, and velocities."""
        log_density, grad = target.log_density_and_gradient(x)
        grad = np.where(all_finite(grad)[:, None], grad, 0.0)
        return GhmcState(x, log_density, grad, rng.standard_normal(x.shape), True)

    def step(
        self, target: Target, state: GhmcState, rng: np.random.Generator
    ) -> tuple[GhmcState, Outcome]:
        """Velocities refreshed in part, unless they are fresh, and one step, tested."""
        x, log_old, grad, u, fresh = state
        h, c = _reach(self.dt, self.masses, self.kT), float(np.exp(-self.friction * self.dt))
        if not fresh:
            u = c * u + np.sqrt(1.0 - c * c) * rng.standard_normal(x.shape)
        with np.errstate(all="ignore"):
            w = u + 0.5 * h * grad
            new = x + h * w
            log_new, grad_new = target.log_density_and_gradient(new)
            usable = all_finite(grad_new) & all_finite(new)
            w = w + 0.5 * h * np.where(usable[:, None], grad_new, 0.0)
            outcome = Outcome(
                *metropolis(
                    np.where(usable & all_finite(w), log_new, -np.inf),
                    log_old,
                    -0.5 * np.sum(u * u, axis=1),
                    -0.5 * np.sum(w * w, axis=1),
                    log_uniform(rng, len(x)),
                )
            )
        accept, here = outcome.accepted, outcome.accepted[:, None]
        state = GhmcState(
            np.where(here, new, x),
            np.where(accept, log_new, log_old),
            np.where(here, grad_new, grad),
            self._velocity(accept, w, u),
            False,
        )
        return state, outcome

    def _velocity(self, accept: Mask, new: Array, old: Array) -> Array:
        """Velocities after the test: the proposal's, or the old ones reversed."""
        return np.where(accept[:, None], new, -old)


def _reach(dt: float, masses: float | Array, kT: float) -> Array:
    """∆t √(kT/m): u = v/√(kT/m) is standard normal, and one step moves x by this times u."""
    return np.asarray(dt * np.sqrt(kT / np.asarray(masses, dtype=np.float64)))


def _check(dt: float, friction: float, masses: float | Array, kT: float) -> None:
    check_step(dt, masses)
    check_step(dt, kT)
    if not (np.isfinite(friction) and friction >= 0.0):
        raise ValueError(f"friction {friction} must be finite and not negative")
