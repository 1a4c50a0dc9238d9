"""What a Markov kernel acts on and what it gives back.

A kernel is a frozen dataclass of its settings, called as
``kernel(target, walkers, rng, n_steps=…, record_every=…)``. It is pure: the same target, walkers
and generator state give the same result, nothing is remembered between calls, no setting changes
within one. Unless its docstring says otherwise it leaves the density of its target invariant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array, System, Walkers
from msgen.systems.pause import pause

Mask = NDArray[np.bool_]


class Density(Protocol):
    """An unnormalised log-density on R^D, for moves that need no gradient."""

    def log_density(self, x: Array) -> Array:
        """ln ρ*(x) for configurations (n, D) → (n,); −inf where it cannot be evaluated."""
        ...


@runtime_checkable
class Target(Density, Protocol):
    """An unnormalised log-density on R^D and its gradient."""

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """ln ρ*(x), shape (n,), and ∇ ln ρ*(x), shape (n, D), in one evaluation."""
        ...


@dataclass(frozen=True)
class BoltzmannTarget:
    """ρ*(x) ∝ exp(−U(x)/kT) of a system; any U that is not finite gives density zero."""

    system: System

    def log_density(self, x: Array) -> Array:
        """−U(x)/kT, shape (n,)."""
        pause()
        with np.errstate(all="ignore"):
            return _only_finite(-self.system.energy(Walkers(x)) / self.system.kT)

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """−U(x)/kT, shape (n,), and F(x)/kT, shape (n, D)."""
        pause()
        with np.errstate(all="ignore"):
            energy, force = self.system.energy_and_force(Walkers(x))
            return _only_finite(-energy / self.system.kT), force / self.system.kT


@dataclass(frozen=True)
class SumTarget:
    """Product of densities, such as a system and a restraint: ln ρ* = Σ_t ln ρ_t.

    Raises
    ------
    ValueError
        Without any term.
    """

    terms: tuple[Target, ...]

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("a sum of targets needs at least one term")

    def log_density(self, x: Array) -> Array:
        """Σ_t ln ρ_t(x), shape (n,)."""
        with np.errstate(invalid="ignore"):
            return _only_finite(np.sum([t.log_density(x) for t in self.terms], axis=0))

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Σ_t ln ρ_t(x), shape (n,), and its gradient, shape (n, D)."""
        parts = [t.log_density_and_gradient(x) for t in self.terms]
        with np.errstate(invalid="ignore"):
            value = _only_finite(np.sum([p[0] for p in parts], axis=0))
            return value, np.asarray(np.sum([p[1] for p in parts], axis=0), dtype=np.float64)


@dataclass(frozen=True)
class KernelResult:
    """What n walkers did in `n_steps` steps of a kernel.

    Attributes
    ----------
    walkers : Walkers
        Where they ended.
    accepted : Array, shape (n,)
        Fraction of each walker's proposals that were accepted (1 where nothing is ever tested).
    probability : Array, shape (n,)
        Mean acceptance probability min(1, e^r) of each walker, the smoother signal to adapt on.
    log_ratio : Array, shape (n,)
        ln of the acceptance ratio r of the last step; −inf for a proposal that is not finite.
    evaluations : int
        Energy (or energy and force) evaluations of single configurations.
    nonfinite : int
        Proposals refused because their density, their gradient or the ratio was not finite.
    trajectory : Array, shape (n_steps // record_every, n, D), or None
        Positions after every `record_every` steps.
    """

    walkers: Walkers
    accepted: Array
    probability: Array
    log_ratio: Array
    evaluations: int
    nonfinite: int
    trajectory: Array | None = None


@runtime_checkable
class Kernel(Protocol):
    """A Markov kernel over a batch of walkers."""

    def __call__(
        self,
        target: Target,
        walkers: Walkers,
        rng: np.random.Generator,
        *,
        n_steps: int = 1,
        record_every: int = 0,
    ) -> KernelResult:
        """Take `n_steps` steps; 0 in `record_every` records nothing."""
        ...


def metropolis(
    log_new: Array, log_old: Array, log_forward: Array, log_backward: Array, log_u: Array
) -> tuple[Mask, Array, Mask]:
    """The Metropolis–Hastings test, a batch at a time.

    .. math:: r = \\ln \\frac{ρ(x′)\\,q(x|x′)}{ρ(x)\\,q(x′|x)}, \\quad \\text{accept if } \\ln u < r

    (Hastings, Biometrika 57, 97, 1970). A proposal whose own density or proposal density is not
    finite is refused. A walker that stands where ρ(x) = 0 accepts any finite proposal, as the
    definition of the ratio asks; one that stands where q(x|x′) = 0 accepts none.

    Parameters
    ----------
    log_new, log_old : Array, shape (n,)
        ln ρ at the proposal x′ and at the present x.
    log_forward, log_backward : Array, shape (n,)
        ln q(x′|x) and ln q(x|x′).
    log_u : Array, shape (n,)
        ln of uniform draws on (0, 1].

    Returns
    -------
    accept : Mask, shape (n,)
    log_ratio : Array, shape (n,)
        −inf where refused for not being finite; +inf where ρ(x) = 0.
    nonfinite : Mask, shape (n,)
        Refused because something about the proposal is not finite.
    """
    possible = np.isfinite(log_new) & np.isfinite(log_forward) & ~np.isnan(log_backward)
    possible &= log_backward < np.inf
    with np.errstate(invalid="ignore"):
        r = log_new + log_backward - log_old - log_forward
    r = np.where(np.isneginf(log_old) | np.isnan(log_old), np.inf, r)
    r = np.where(possible, r, -np.inf)
    return log_u < r, r, ~possible


def log_uniform(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Array:
    """ln of uniform draws on (0, 1]: never −inf, so that a ratio of zero is never accepted."""
    return np.log1p(-rng.random(shape))


def all_finite(x: Array) -> Mask:
    """Rows of (n, D) that hold finite numbers only, shape (n,)."""
    return np.asarray(np.isfinite(x).all(axis=1), dtype=bool)


class Recorder:
    """Positions after every `every` steps; see `KernelResult.trajectory`.

    Raises
    ------
    ValueError
        For fewer than one step or a negative interval.
    """

    def __init__(self, n_steps: int, every: int, shape: tuple[int, ...]) -> None:
        if n_steps < 1 or every < 0:
            raise ValueError(
                f"n_steps={n_steps} must be at least 1, record_every={every} at least 0"
            )
        self._every = every
        self.frames: Array | None = np.empty((n_steps // every, *shape)) if every else None

    def note(self, step: int, x: Array) -> None:
        """Record `x` if `step` (from 0) completes an interval."""
        if self.frames is not None and (step + 1) % self._every == 0:
            self.frames[(step + 1) // self._every - 1] = x


def _only_finite(log_density: Array) -> Array:
    return np.where(np.isfinite(log_density), log_density, -np.inf)
