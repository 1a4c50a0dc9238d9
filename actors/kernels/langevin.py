"""Inertial Langevin dynamics of analytic and Python systems, as it is and Metropolised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.kernels.base import (
    KernelResult,
    Mask,
    Recorder,
    Target,
    all_finite,
    log_uniform,
    metropolis,
)
from msgen.actors.kernels.overdamped import check_step
from msgen.systems.base import Array, Walkers


@dataclass(frozen=True)
class Langevin:
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

    def __call__(
        self,
        target: Target,
        walkers: Walkers,
        rng: np.random.Generator,
        *,
        n_steps: int = 1,
        record_every: int = 0,
    ) -> KernelResult:
        """Take `n_steps` steps; one gradient a step and one for the start."""
        x = np.array(walkers.positions, dtype=np.float64)
        n = len(x)
        recorder = Recorder(n_steps, record_every, x.shape)
        h, c = _reach(self.dt, self.masses, self.kT), float(np.exp(-self.friction * self.dt))
        _, grad = target.log_density_and_gradient(x)
        # a start without a gradient moves freely until it finds one
        grad = np.where(all_finite(grad)[:, None], grad, 0.0)
        u = rng.standard_normal(x.shape)
        moved = np.zeros(n)
        for step in range(n_steps):
            noise = rng.standard_normal(x.shape)
            with np.errstate(all="ignore"):
                w = u + 0.5 * h * grad
                new = x + 0.5 * h * w
                w = c * w + np.sqrt(1.0 - c * c) * noise
                new = new + 0.5 * h * w
                log_new, grad_new = target.log_density_and_gradient(new)
                w = w + 0.5 * h * grad_new
            good = np.isfinite(log_new) & all_finite(grad_new) & all_finite(new) & all_finite(w)
            x = np.where(good[:, None], new, x)
            grad = np.where(good[:, None], grad_new, grad)
            u = np.where(good[:, None], w, -u)
            moved += good
            recorder.note(step, x)
        return KernelResult(
            walkers.with_positions(x),
            moved / n_steps,
            moved / n_steps,
            np.where(good, 0.0, -np.inf),
            n * (n_steps + 1),
            int(n * n_steps - moved.sum()),
            recorder.frames,
        )


@dataclass(frozen=True)
class Ghmc:
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

    def __call__(
        self,
        target: Target,
        walkers: Walkers,
        rng: np.random.Generator,
        *,
        n_steps: int = 1,
        record_every: int = 0,
    ) -> KernelResult:
        """Take `n_steps` steps; one gradient a step and one for the start."""
        x = np.array(walkers.positions, dtype=np.float64)
        n = len(x)
        recorder = Recorder(n_steps, record_every, x.shape)
        h, c = _reach(self.dt, self.masses, self.kT), float(np.exp(-self.friction * self.dt))
        log_old, grad = target.log_density_and_gradient(x)
        grad = np.where(all_finite(grad)[:, None], grad, 0.0)
        u = rng.standard_normal(x.shape)
        accepted, probability, nonfinite = np.zeros(n), np.zeros(n), 0
        for step in range(n_steps):
            if step:
                u = c * u + np.sqrt(1.0 - c * c) * rng.standard_normal(x.shape)
            with np.errstate(all="ignore"):
                w = u + 0.5 * h * grad
                new = x + h * w
                log_new, grad_new = target.log_density_and_gradient(new)
                usable = all_finite(grad_new) & all_finite(new)
                w = w + 0.5 * h * np.where(usable[:, None], grad_new, 0.0)
                accept, ratio, bad = metropolis(
                    np.where(usable & all_finite(w), log_new, -np.inf),
                    log_old,
                    -0.5 * np.sum(u * u, axis=1),
                    -0.5 * np.sum(w * w, axis=1),
                    log_uniform(rng, n),
                )
            x = np.where(accept[:, None], new, x)
            grad = np.where(accept[:, None], grad_new, grad)
            log_old = np.where(accept, log_new, log_old)
            u = self._velocity(accept, w, u)
            accepted += accept
            probability += np.exp(np.minimum(ratio, 0.0))
            nonfinite += int(bad.sum())
            recorder.note(step, x)
        return KernelResult(
            walkers.with_positions(x),
            accepted / n_steps,
            probability / n_steps,
            ratio,
            n * (n_steps + 1),
            nonfinite,
            recorder.frames,
        )

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
