"""The slow–fast paper's own dynamics, by Euler–Maruyama, and the density it really samples.

.. math:: dx_1 = a_1 dt + a_2 dB_1, \\quad dx_2 = −∂_2 V(x_1, x_2)\\,dt + a_3 dB_2

(Crabtree, Bello-Rivas, Kevrekidis, arXiv 2312.05715, eq. 6 to 9). The chain of finite ∆t has a
stationary density of its own, O(∆t) away from exp(−2V/a₃²)/Z: `euler_maruyama_density`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from msgen.systems.base import Array
from msgen.systems.potentials.slow_fast import SlowFast

CHUNK = 10_000
"""Steps whose noise is drawn at a time; part of the random stream."""


@dataclass(frozen=True)
class Dynamics:
    """Settings of the paper's dynamics.

    Attributes
    ----------
    dt : float
        Time step ∆t.
    a1, a2 : float
        Drift and noise of the slow variable.
    """

    dt: float = 1e-2
    a1: float = 1e-4
    a2: float = 1e-4


def driven(
    system: SlowFast, n_samples: int, stride: int, seed: int, dynamics: Dynamics | None = None
) -> Array:
    """One unbroken trajectory along the drifting slow variable, from x₁ = 0 and the deeper well.

    It is sequential: pieces run side by side would each start equilibrated, and a trajectory that
    drifts past a barrier is not. 1e7 steps take a few seconds.

    Parameters
    ----------
    system : SlowFast
        Its walls and masses play no part.
    n_samples, stride : int
        The paper's 100,000 samples, one every 100 of 1e7 steps, let x₁ drift over 0…10.
    seed : int
    dynamics : Dynamics, optional

    Returns
    -------
    Array, shape (n_samples, 2)
        (x₁, x₂) after every `stride` steps.

    Raises
    ------
    FloatingPointError
        If the chain runs off, as Euler–Maruyama does where ∆t is too large for the slope.
    """
    d = dynamics or Dynamics()
    rng, n_steps = np.random.default_rng(seed), n_samples * stride
    minima, k0 = system.minima(0.0), system.tilt(0.0)
    x = float(min(minima, key=lambda m: system.potential(k0, float(m))))
    slow, dt, slope = 0.0, d.dt, system.slope
    path = np.empty((n_samples, 2))
    for first in range(0, n_steps, CHUNK):
        n = min(CHUNK, n_steps - first)
        noise = rng.standard_normal((2, n))
        steps = d.a1 * dt + d.a2 * np.sqrt(dt) * noise[0]
        slows = slow + np.cumsum(steps)
        before = np.concatenate([[slow], slows[:-1]])
        fast = []
        for k, kick in zip(
            system.tilt(before).tolist(), (system.a3 * np.sqrt(dt) * noise[1]).tolist(), strict=True
        ):
            x += kick - dt * slope(k, x)
            fast.append(x)
        slow = float(slows[-1])
        at = np.arange(first + 1, first + n + 1)
        kept = at % stride == 0
        path[at[kept] // stride - 1] = np.stack([slows[kept], np.array(fast)[kept]], axis=1)
        if not np.isfinite(x):
            raise FloatingPointError(f"the trajectory ran off before step {first + n}; lower dt")
    return path


@dataclass
class Window:
    """Independent walkers whose slow variable is held at x₁⁰ by −κ(x₁ − x₁⁰) in its drift.

    κ = 1e3, the paper's ε. Its explicit Euler–Maruyama step multiplies x₁ − x₁⁰ by 1 − κ∆t = −9
    and runs off; here the slow variable takes the exact Ornstein–Uhlenbeck step, whose stationary
    spread is a₂/√(2κ) = 2e-6.

    Parameters
    ----------
    system : SlowFast
    centre : float
        x₁⁰.
    fast : Array, shape (n,)
        Where the fast variables start; changed in place.
    kappa : float
        κ.
    hold : bool
        Whether x₁ stays at x₁⁰; twice as fast, and exact for κ → ∞.
    dynamics : Dynamics, optional
    """

    system: SlowFast
    centre: float
    fast: Array
    kappa: float = 1e3
    hold: bool = False
    dynamics: Dynamics | None = None

    def __post_init__(self) -> None:
        self.fast = np.array(self.fast, dtype=np.float64)
        d = self.dynamics or Dynamics()
        self._mean = self.centre + d.a1 / self.kappa
        self._decay = float(np.exp(-self.kappa * d.dt))
        self._spread = d.a2 * np.sqrt(-np.expm1(-2 * self.kappa * d.dt) / (2 * self.kappa))
        self._dt, self._kick = d.dt, self.system.a3 * np.sqrt(d.dt)
        self.slow = np.full_like(self.fast, self.centre)

    def run(self, n_steps: int, rng: np.random.Generator) -> Array:
        """Take `n_steps` steps; the fast variables after each, shape (n_steps, n)."""
        path = np.empty((n_steps, len(self.fast)))
        x, k = self.fast, self.system.tilt(self.slow)
        for first in range(0, n_steps, 100):
            n = min(100, n_steps - first)
            noise = rng.standard_normal((n, len(x)))
            noise *= self._kick
            pulls = None if self.hold else rng.standard_normal((n, len(x)))
            for step in range(n):
                x = x + noise[step] - self._dt * self.system.slope(k, x)
                if pulls is not None:
                    gap = (self.slow - self._mean) * self._decay
                    self.slow = self._mean + gap + self._spread * pulls[step]
                    k = self.system.tilt(self.slow)
                path[first + step] = x
        if not np.isfinite(x).all():
            raise FloatingPointError("a walker ran off; lower dt")
        self.fast = x
        return path


def euler_maruyama_density(
    system: SlowFast, x1: float, edges: Array, dt: float = 1e-2, n: int = 1200
) -> Array:
    """Stationary probabilities of the Euler–Maruyama chain of the fast variable at fixed x₁.

    The left eigenvector, to eigenvalue 1, of the chain's transition matrix between n cells,

    .. math:: P_{ij} = P(x_i − ∂_2V(x_1, x_i) ∆t + a_3\\sqrt{∆t}\\,η ∈ \\text{cell } j).

    Steps out of the box are left out, each row being normalised: with a slope that grows faster
    than linearly the chain on the whole line is transient, though it never leaves in practice.

    Parameters
    ----------
    system : SlowFast
    x1 : float
    edges : Array, shape (B + 1,)
        Ascending bin edges.
    dt : float
        ∆t.
    n : int
        Cells; they must be narrow beside the step a₃√∆t.

    Returns
    -------
    Array, shape (B,)
        Probability of every bin; what lies outside of the edges is left out.
    """
    low, high = system.bounds[1]
    spread = system.a3 * np.sqrt(dt)
    low, high = low - 2 * spread, high + 2 * spread
    if (high - low) / n > 0.25 * spread:
        raise ValueError(f"n={n} cells are too wide for steps of {spread:g}")
    cell = np.linspace(low, high, n + 1)
    mid = 0.5 * (cell[1:] + cell[:-1])
    mean = mid - dt * system.slope(np.full_like(mid, system.tilt(x1)), mid)
    transition = np.diff(ndtr((cell[None] - mean[:, None]) / spread), axis=1)
    inside = transition.sum(axis=1) > 1e-12
    transition[inside] /= transition[inside].sum(axis=1, keepdims=True)
    # nothing from within comes so far out that one step would leave the box altogether
    transition[~inside] = 1.0 / n
    balance = transition.T - np.eye(n)
    balance[-1] = 1.0
    p = np.linalg.solve(balance, np.eye(n)[-1])
    cdf = np.concatenate([[0.0], np.cumsum(np.maximum(p, 0.0))])
    return np.diff(np.interp(edges, cell, cdf / cdf[-1]))
