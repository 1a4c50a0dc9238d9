r"""Short paths between a density whose draws are known and a target, annealed in either direction.

With :math:`\pi_\lambda \propto q^{1-\lambda} \tilde\rho^{\lambda}` at :math:`0 = \lambda_0 < … <
\lambda_N = 1`, the first being the model q and the last the target, a path begins with a draw of
one end and changes λ and moves in turn: it begins and ends with a change of λ, and each move
between leaves the density at the present λ invariant and is reversible in it. Run the other way it
is the same protocol, so that the works

.. math:: W = \sum_n (\lambda_{n+1} - \lambda_n) (\ln q - \ln\tilde\rho)(y_n)

of paths both ways obey Crooks' relation with ∆F = −ln ∫ρ̃ (R. M. Neal, Stat. Comput. 11, 125, 2001;
J. P. Nilmeier et al., PNAS 108, E1009, 2011). With N = 1 they are the weights of draws and samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.extended_variable import wrap
from msgen.actors.kernels.base import log_uniform

Array = NDArray[np.float64]
Slope = Callable[[Array], tuple[Array, Array]]
"""ln of a density at configurations (n, d), in nats, shape (n,), −inf where there is none, and its
gradient, shape (n, d): 0 where that is not known, of which no move is wrong, only shorter sighted.
"""


@dataclass(frozen=True)
class Annealing:
    """A protocol, the same for every path of one model and either direction.

    A move is one step of the Metropolis-adjusted Langevin algorithm, its drift cut at one standard
    deviation of its noise (Roberts and Tweedie, Bernoulli 2, 341, 1996); where no gradient is
    known, a random walk.

    Attributes
    ----------
    steps : int
        Changes of λ, evenly; between two of them is one move.
    scale : Array, shape (d,)
        Standard deviations of the noise of a move.
    periodic : bool array, shape (d,)
        Variables that are angles, handed on in [−π, π).
    """

    steps: int
    scale: Array
    periodic: NDArray[np.bool_]

    @classmethod
    def along(
        cls, steps: int, drawn: Array, periodic: NDArray[np.bool_], *, slopes: bool
    ) -> Annealing:
        """With moves by the spread of draws of the model, shape (n, d).

        Parameters
        ----------
        steps : int
        drawn : Array, shape (n, d)
        periodic : bool array, shape (d,)
        slopes : bool
            Whether gradients are known: the best scale for a Gaussian is then 1.65/d^{1/6} of its
            width, and 2.38/√d of a random walk (Roberts and Rosenthal, Stat. Sci. 16, 351, 2001).
            0.8 of that, as spread is more than width.
        """
        dim = drawn.shape[1]
        turned = np.abs(np.exp(1j * drawn).mean(axis=0))
        circular = np.sqrt(-2.0 * np.log(np.clip(turned, 1e-2, 1.0)))
        spread = np.where(periodic, circular, drawn.std(axis=0))
        length = 1.65 * dim ** (-1 / 6) if slopes else 2.38 * dim**-0.5
        return cls(steps, 0.8 * length * spread, periodic)

    def forward(self, y: Array, target: Slope, model: Slope, rng: np.random.Generator) -> Array:
        """Works from draws of the model, shape (n,), in kT; +inf where the target has none.

        Parameters
        ----------
        y : Array, shape (n, d)
        target, model : Slope
        rng : numpy Generator
        """
        return self._works(y, target, model, rng, np.linspace(0, 1, self.steps + 1))

    def reverse(self, y: Array, target: Slope, model: Slope, rng: np.random.Generator) -> Array:
        """The same from samples of the target; +inf where the model has none."""
        return self._works(y, target, model, rng, np.linspace(1, 0, self.steps + 1))

    def _works(
        self,
        y: Array,
        target: Slope,
        model: Slope,
        rng: np.random.Generator,
        lambdas: Array,
    ) -> Array:
        """Along these λ; nothing is asked of paths that are broken, which count as infinite."""
        walkers = _Walkers.at(y, target, model)
        work = np.where(walkers.known, 0.0, np.inf)
        for n, (here, there) in enumerate(pairwise(lambdas)):
            if n:
                self._move(walkers, float(here), target, model, rng)
            work[walkers.known] += ((there - here) * (walkers.log_q - walkers.log_rho))[
                walkers.known
            ]
        return work

    def _move(
        self,
        walkers: _Walkers,
        at: float,
        target: Slope,
        model: Slope,
        rng: np.random.Generator,
    ) -> None:
        """A step at λ = `at` of those that are not broken, in place."""
        mine = np.flatnonzero(walkers.known)
        if not len(mine):
            return
        old = walkers.take(mine)
        noise = self.scale * rng.standard_normal(old.y.shape)
        step = self._drift(old, at) + noise
        there = old.y + step
        new = _Walkers.at(np.where(self.periodic, wrap(there), there), target, model)
        # angles are followed on the line, where the step back is known
        back = -step - self._drift(new, at)
        chance = np.where(new.known, new.log_density(at), -np.inf) - old.log_density(at)
        chance += self._log_chance(back) - self._log_chance(noise)
        taken = log_uniform(rng, len(mine)) < chance
        walkers.put(mine[taken], new.take(np.flatnonzero(taken)))

    def _drift(self, walkers: _Walkers, at: float) -> Array:
        towards = 0.5 * self.scale**2 * walkers.slope(at)
        return np.clip(towards, -self.scale, self.scale)

    def _log_chance(self, noise: Array) -> Array:
        """Of the noise of a step, up to a constant, shape (n,)."""
        return np.asarray(-0.5 * np.sum((noise / self.scale) ** 2, axis=1))


@dataclass
class _Walkers:
    """Where paths are, and what both densities say there."""

    y: Array
    log_q: Array
    log_rho: Array
    slope_q: Array
    slope_rho: Array

    @classmethod
    def at(cls, y: Array, target: Slope, model: Slope) -> _Walkers:
        (log_rho, slope_rho), (log_q, slope_q) = target(y), model(y)
        return cls(np.array(y), log_q, log_rho, slope_q, slope_rho)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which of them both densities know."""
        return np.isfinite(self.log_q) & np.isfinite(self.log_rho)

    def log_density(self, at: float) -> Array:
        """ln π_λ up to a constant, shape (n,)."""
        with np.errstate(invalid="ignore"):
            return (1 - at) * self.log_q + at * self.log_rho

    def slope(self, at: float) -> Array:
        """Its gradient, shape (n, d); 0 where it is not finite."""
        with np.errstate(invalid="ignore"):
            return np.nan_to_num((1 - at) * self.slope_q + at * self.slope_rho, posinf=0, neginf=0)

    def take(self, rows: NDArray[np.int64]) -> _Walkers:
        return _Walkers(*(each[rows] for each in vars(self).values()))

    def put(self, rows: NDArray[np.int64], new: _Walkers) -> None:
        for mine, theirs in zip(vars(self).values(), vars(new).values(), strict=True):
            mine[rows] = theirs
