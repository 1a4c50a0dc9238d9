"""Hamiltonian (hybrid) Monte Carlo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from msgen.actors.kernels.base import Target, all_finite, log_uniform, metropolis
from msgen.actors.kernels.chain import Outcome, SteppedKernel
from msgen.actors.kernels.overdamped import check_step
from msgen.systems.base import Array


class HmcState(NamedTuple):
    """Positions (n, D), ln ρ* there (n,), and its gradient (n, D)."""

    x: Array
    log_density: Array
    gradient: Array


@dataclass(frozen=True)
class Hmc(SteppedKernel[HmcState]):
    """Velocities redrawn, `n_leapfrog` velocity-Verlet steps, and a Metropolis test on H. Exact.

    .. math::
        v ∼ N(0, kT/m), \\quad H(x, v) = -kT \\ln ρ^*(x) + \\tfrac12 m v^2, \\quad
        a = \\min(1, e^{-∆H/kT})

    (Duane et al., Phys. Lett. B 195, 216, 1987; Neal, Handbook of MCMC, ch. 5, 2011). Velocities
    are redrawn in full before every step, whether the last was accepted or not, so none is
    returned. The gradient of the present point is kept: a step costs `n_leapfrog` gradients.

    Parameters
    ----------
    dt : float or Array, shape (n, 1)
        Time step of the integrator (ps for molecules), or that of each walker.
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

    dt: float | Array
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

    @property
    def evaluations_per_step(self) -> int:
        """Gradients of a proposal."""
        return self.n_leapfrog

    def init(self, target: Target, x: Array, rng: np.random.Generator) -> HmcState:
        """Density and gradient at the start."""
        log_density, grad = target.log_density_and_gradient(x)
        return HmcState(x, log_density, np.where(all_finite(grad)[:, None], grad, 0.0))

    def step(
        self, target: Target, state: HmcState, rng: np.random.Generator
    ) -> tuple[HmcState, Outcome]:
        """One proposal, tested."""
        x, log_old, grad = state
        n = len(x)
        # v/√(kT/m) is standard normal, so kinetic energy in kT needs no masses.
        speed = np.sqrt(self.kT / np.asarray(self.masses, dtype=np.float64))
        u0 = rng.standard_normal(x.shape)
        stretch = 1.0 + self.jitter * (2.0 * rng.random((n, 1)) - 1.0)
        new, u1, log_new, grad_new = self._integrate(target, x, u0, grad, self.dt * stretch * speed)
        with np.errstate(invalid="ignore", over="ignore"):
            outcome = Outcome(
                *metropolis(
                    log_new,
                    log_old,
                    -0.5 * np.sum(u0**2, axis=1),
                    -0.5 * np.sum(u1**2, axis=1),
                    log_uniform(rng, n),
                )
            )
        here = outcome.accepted[:, None]
        state = HmcState(
            np.where(here, new, x),
            np.where(outcome.accepted, log_new, log_old),
            np.where(here, grad_new, grad),
        )
        return state, outcome

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
