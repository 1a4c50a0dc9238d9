r"""Paths of fixed length grown both ways from one of their frames, and what they weigh.

A dynamics with transition density p(x′|x) that leaves ρ invariant in equilibrium makes a stationary
path x₀ … x_N with density P[X] = ρ(x₀) Π p(x_{i+1}|x_i). Grown from its frame j by the same
dynamics forward and, with velocities reversed, backward it has the density

.. math:: P_j[X] = ρ(x_j) \prod_{i \ge j} p(x_{i+1}|x_i) \prod_{i < j} \tilde p(x_i|x_{i+1})
                 = P[X]\, e^{ℓ_j}, \quad
    ℓ_j = \sum_{i<j} \ln \frac{ρ(x_{i+1})\, \tilde p(x_i|x_{i+1})}{ρ(x_i)\, p(x_{i+1}|x_i)}

(Dellago, Bolhuis, Csajka and Chandler, J. Chem. Phys. 108, 1964, 1998). Of dynamics in detailed
balance ℓ = 0; what an integrator lacks of it is −βW of its shadow work, is known step by step, and
is booked here, so that P is met exactly at any time step.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.kernels.base import Mask, Target
from msgen.actors.kernels.langevin import Langevin, LangevinState
from msgen.actors.kernels.mala import Mala, MalaState
from msgen.actors.kernels.overdamped import Overdamped, OverdampedState
from msgen.systems.base import Array

Ints = NDArray[np.int64]
Stepped = Overdamped | Mala | Langevin
"""Dynamics whose lack of detailed balance is known."""


class Legs(NamedTuple):
    """n paths of F frames.

    Attributes
    ----------
    positions : Array, shape (n, F, D)
    log_density : Array, shape (n, F)
        ln ρ* of each frame.
    reversal : Array, shape (n, F)
        ℓ_j, which is 0 at the first frame.
    """

    positions: Array
    log_density: Array
    reversal: Array

    def take(self, rows: Ints | Mask) -> Legs:
        """Some of the paths."""
        return Legs(*(part[rows] for part in self))

    def where(self, mask: Mask, other: Legs) -> Legs:
        """Those of `other` where not `mask`, shape (n,)."""
        return Legs(
            np.where(mask[:, None, None], self.positions, other.positions),
            np.where(mask[:, None], self.log_density, other.log_density),
            np.where(mask[:, None], self.reversal, other.reversal),
        )

    def turned(self, mask: Mask) -> Legs:
        """The paths, run backwards in time where `mask`, shape (n,)."""
        with np.errstate(invalid="ignore"):  # paths without a density are among them
            reversal = self.reversal[:, ::-1] - self.reversal[:, -1:]
        back = Legs(self.positions[:, ::-1], self.log_density[:, ::-1], reversal)
        return back.where(mask, self)


class Grown(NamedTuple):
    """What `grow` made.

    Attributes
    ----------
    legs : Legs
    sound : Mask, shape (n,)
        Without a step to where energy, force or ℓ is not finite: other paths have no density.
    evaluations : int
    """

    legs: Legs
    sound: Mask
    evaluations: int


def grow(
    kernel: Stepped,
    target: Target,
    x: Array,
    origin: Ints,
    frames: int,
    stride: int,
    rng: np.random.Generator,
) -> Grown:
    """Paths whose frame `origin` is x, by the dynamics of `kernel` both ways.

    Parameters
    ----------
    kernel : Overdamped, Mala or Langevin
        Of Langevin velocities are drawn at x from their equilibrium.
    target : Target
    x : Array, shape (n, D)
    origin : int array, shape (n,)
        From 0 to `frames` − 1.
    frames, stride : int
        Frames of a path, and steps from one to the next.
    rng : numpy.random.Generator
    """
    n, dim = x.shape
    noted = _Noting(target)
    begun: OverdampedState | MalaState | LangevinState = kernel.init(noted, x, rng)
    positions, log_density = np.empty((n, frames, dim)), np.empty((n, frames))
    reversal, sound, every = np.zeros((n, frames)), np.isfinite(noted.value), np.arange(n)
    positions[every, origin], log_density[every, origin] = x, noted.value
    evaluations = n
    for ahead, left in ((1, frames - 1 - origin), (-1, origin)):
        rows, state = every, begun if ahead == 1 else _turned(begun)
        log_here, so_far = log_density[every, origin], np.zeros(n)
        for k in range(1, int(left.max(initial=0)) + 1):
            on = left[rows] >= k
            if not on.all():
                rows, log_here, so_far = rows[on], log_here[on], so_far[on]
                state = type(state)(*(part[on] for part in state))
            for _ in range(stride):
                before, log_before = state, log_here
                state, outcome = _step(kernel, noted, before, rng)
                log_here = np.where(outcome.accepted, noted.value, log_before)
                with np.errstate(all="ignore"):
                    so_far = so_far + log_reversal(kernel, before, state, log_before, log_here)
                # a test that refuses belongs to the dynamics
                if not isinstance(kernel, Mala):
                    sound[rows] &= outcome.accepted
                evaluations += len(rows)
            at = origin[rows] + ahead * k
            positions[rows, at], log_density[rows, at] = state.x, log_here
            reversal[rows, at] = so_far
    with np.errstate(invalid="ignore"):
        reversal -= reversal[:, :1].copy()
    sound &= np.isfinite(reversal).all(axis=1)
    return Grown(Legs(positions, log_density, reversal), sound, evaluations)


def log_reversal(
    kernel: Stepped,
    before: OverdampedState | MalaState | LangevinState,
    after: OverdampedState | MalaState | LangevinState,
    log_before: Array,
    log_after: Array,
) -> Array:
    r"""ln of ρ(x′) p(x|x′) over ρ(x) p(x′|x) of a step, velocities reversed on the way back; (n,).

    Of a BAOAB step of Langevin dynamics, u being velocities in units of √(kT/m), w₁ and w₂ those
    before and after the refreshment and h = ∆t √(kT/m),

    .. math:: \ln\frac{ρ(x′)}{ρ(x)} + \frac{u^2 - u′^2 + w_2^2 - w_1^2}{2}, \quad
        w_1 = u + \tfrac h2 ∇\ln ρ(x), \quad w_2 = u′ - \tfrac h2 ∇\ln ρ(x′)

    since kicks and drifts preserve volume (Sivak, Chodera and Crooks, Phys. Rev. X 3, 011007,
    2013).
    """
    if isinstance(kernel, Mala):
        return np.zeros(len(log_before))
    change = log_after - log_before
    if isinstance(kernel, Overdamped):
        variance = 2.0 * kernel.dt * np.asarray(kernel.diffusion)
        there = after.x - before.x - 0.5 * variance * before.gradient
        back = before.x - after.x - 0.5 * variance * after.gradient
        return np.asarray(change + 0.5 * np.sum((there**2 - back**2) / variance, axis=1))
    assert isinstance(before, LangevinState)
    assert isinstance(after, LangevinState)
    h = kernel.dt * np.sqrt(kernel.kT / np.asarray(kernel.masses, dtype=np.float64))
    first = before.velocity + 0.5 * h * before.gradient
    second = after.velocity - 0.5 * h * after.gradient
    squares = before.velocity**2 - after.velocity**2 + second**2 - first**2
    return np.asarray(change + 0.5 * np.sum(squares, axis=1))


class _Noting:
    """A target that remembers the last density that it told; a step asks for one."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.value: Array = np.zeros(0)

    def log_density(self, x: Array) -> Array:
        self.value = self._target.log_density(x)
        return self.value

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        self.value, gradient = self._target.log_density_and_gradient(x)
        return self.value, gradient


class _Outcome(Protocol):
    @property
    def accepted(self) -> Mask: ...


def _step(
    kernel: Stepped,
    target: Target,
    state: OverdampedState | MalaState | LangevinState,
    rng: np.random.Generator,
) -> tuple[OverdampedState | MalaState | LangevinState, _Outcome]:
    """One step of a chain whose state is the kernel's own."""
    if isinstance(kernel, Langevin) and isinstance(state, LangevinState):
        return kernel.step(target, state, rng)
    if isinstance(kernel, Mala) and isinstance(state, MalaState):
        return kernel.step(target, state, rng)
    assert isinstance(kernel, Overdamped)
    assert isinstance(state, OverdampedState)
    return kernel.step(target, state, rng)


def _turned(
    state: OverdampedState | MalaState | LangevinState,
) -> OverdampedState | MalaState | LangevinState:
    """With velocities reversed, where there are some."""
    return state._replace(velocity=-state.velocity) if isinstance(state, LangevinState) else state
