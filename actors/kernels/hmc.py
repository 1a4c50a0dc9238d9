"""Hamiltonian (hybrid) Monte Carlo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.kernels.base import (
    KernelResult,
    Recorder,
    Target,
    all_finite,
    log_uniform,
    metropolis,
)
from msgen.actors.kernels.overdamped import check_step
from msgen.systems.base import Array, Walkers


@dataclass(frozen=True)
class Hmc:
    """Velocities redrawn, `n_leapfrog` velocity-Verlet steps, and a Metropolis test on H. Exact.

    .. math::
        v ∼ N(0, kT/m), \\quad H(x, v) = -kT \\ln ρ^*(x) + \\tfrac12 m v^2, \\quad
        a = \\min(1, e^{-∆H/kT})

    (Duane et al., Phys. Lett. B 195, 216, 1987; Neal, Handbook of MCMC, ch. 5, 2011). Velocities
    are redrawn in full before every step, whether the last was accepted or not, so none is
    returned. The gradient of the present point is kept: a step costs `n_leapfrog` gradients.

    Parameters
    ----------
    dt : float
        Time step of the integrator (ps for molecules).
    n_leapfrog : int
        Integration steps per proposal.
    masses : float or Array, shape (D,)
        Mass of every coordinate.
    kT : float
        Thermal energy in mass · length² / time².
    jitter : float
        Each walker and proposal draws its time step uniformly from dt·[1 − jitter, 1 + jitter],
        independently of where the walker stands, so that no orbit closes on itself.
    """

    dt: float
    n_leapfrog: int = 10
    masses: float | Array = 1.0
    kT: float = 1.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        check_step(self.dt, self.masses)
        check_step(self.dt, self.kT)
        if self.n_leapfrog < 1:
            raise ValueError(f"n_leapfrog={self.n_leapfrog} must be at least 1")
        if not 0.0 <= self.jitter < 1.0:
            raise ValueError(f"jitter={self.jitter} must be in [0, 1)")

    def __call__(
        self,
        target: Target,
        walkers: Walkers,
        rng: np.random.Generator,
        *,
        n_steps: int = 1,
        record_every: int = 0,
    ) -> KernelResult:
        """Take `n_steps` proposals; `n_leapfrog` gradients each and one for the start."""
        x = np.array(walkers.positions, dtype=np.float64)
        n = len(x)
        recorder = Recorder(n_steps, record_every, x.shape)
        # v/√(kT/m) is standard normal, so kinetic energy in kT needs no masses.
        speed = np.sqrt(self.kT / np.asarray(self.masses, dtype=np.float64))
        log_old, grad = target.log_density_and_gradient(x)
        grad = np.where(all_finite(grad)[:, None], grad, 0.0)
        accepted, probability, nonfinite = np.zeros(n), np.zeros(n), 0
        for step in range(n_steps):
            u0 = rng.standard_normal(x.shape)
            stretch = 1.0 + self.jitter * (2.0 * rng.random((n, 1)) - 1.0)
            new, u1, log_new, grad_new = self._integrate(
                target, x, u0, grad, self.dt * stretch * speed
            )
            with np.errstate(invalid="ignore", over="ignore"):
                accept, ratio, bad = metropolis(
                    log_new,
                    log_old,
                    -0.5 * np.sum(u0**2, axis=1),
                    -0.5 * np.sum(u1**2, axis=1),
                    log_uniform(rng, n),
                )
            x = np.where(accept[:, None], new, x)
            grad = np.where(accept[:, None], grad_new, grad)
            log_old = np.where(accept, log_new, log_old)
            accepted += accept
            probability += np.exp(np.minimum(ratio, 0.0))
            nonfinite += int(bad.sum())
            recorder.note(step, x)
        return KernelResult(
            walkers.with_positions(x),
            accepted / n_steps,
            probability / n_steps,
            ratio,
            n * (n_steps * self.n_leapfrog + 1),
            nonfinite,
            recorder.frames,
        )

    def _integrate(
        self, target: Target, x: Array, u: Array, grad: Array, h: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Velocity Verlet in scaled velocities u: ẋ = speed·u, u̇ = speed·∇ln ρ; h = dt·speed."""
        alive = np.ones(len(x), dtype=bool)
        with np.errstate(all="ignore"):
            for _ in range(self.n_leapfrog):
                u = u + 0.5 * h * grad
                x = x + h * u
                log_rho, grad = target.log_density_and_gradient(x)
                # Once lost, a path stays lost, even if it returns to where ρ is finite.
                alive &= np.isfinite(log_rho) & all_finite(grad)
                grad = np.where(alive[:, None], grad, 0.0)
                u = u + 0.5 * h * grad
        alive &= all_finite(x) & all_finite(u)
        return x, u, np.where(alive, log_rho, -np.inf), grad
