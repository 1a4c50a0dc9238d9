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

Array = NDArray[np.float64]
LogDensity = Callable[[Array], Array]
"""Of configurations (n, d), in nats, shape (n,); −inf where there is none."""


@dataclass(frozen=True)
class Annealing:
    """A protocol, the same for every path of one model and either direction.

    Attributes
    ----------
    steps : int
        Changes of λ, evenly; between two of them is one move.
    scale : Array, shape (d,)
        Standard deviations of the Gaussian steps of a move.
    periodic : bool array, shape (d,)
        Variables that are angles.
    """

    steps: int
    scale: Array
    periodic: NDArray[np.bool_]

    @classmethod
    def along(cls, steps: int, drawn: Array, periodic: NDArray[np.bool_]) -> Annealing:
        """With steps by the spread of draws of the model, shape (n, d).

        2.38/√d of it is best for a Gaussian (Roberts, Gelman and Gilks, Ann. Appl. Probab. 7, 110,
        1997).
        """
        turned = np.abs(np.exp(1j * drawn).mean(axis=0))
        circular = np.sqrt(-2.0 * np.log(np.clip(turned, 1e-2, 1.0)))
        spread = np.where(periodic, circular, drawn.std(axis=0))
        return cls(steps, 2.38 / np.sqrt(drawn.shape[1]) * spread, periodic)

    def forward(
        self,
        y: Array,
        log_target: Array,
        target: LogDensity,
        model: LogDensity,
        rng: np.random.Generator,
    ) -> Array:
        """Works from draws of the model, shape (n,), in kT; +inf where the target has none.

        Parameters
        ----------
        y : Array, shape (n, d)
        log_target : Array, shape (n,)
            ln ρ̃ of these.
        target, model : LogDensity
        rng : numpy Generator
        """
        return self._works(y, log_target, target, model, rng, np.linspace(0, 1, self.steps + 1))

    def reverse(
        self,
        y: Array,
        log_target: Array,
        target: LogDensity,
        model: LogDensity,
        rng: np.random.Generator,
    ) -> Array:
        """The same from samples of the target; +inf where the model has none."""
        return self._works(y, log_target, target, model, rng, np.linspace(1, 0, self.steps + 1))

    def _works(
        self,
        y: Array,
        log_target: Array,
        target: LogDensity,
        model: LogDensity,
        rng: np.random.Generator,
        lambdas: Array,
    ) -> Array:
        """Along these λ; nothing is asked of paths that are broken, which count as infinite."""
        y, rho, q = y.copy(), log_target.copy(), np.array(model(y))
        work = np.where(np.isfinite(rho) & np.isfinite(q), 0.0, np.inf)
        for n, (here, there) in enumerate(pairwise(lambdas)):
            if n:
                alive = np.flatnonzero(np.isfinite(work))
                self._move(y, rho, q, alive, float(here), target, model, rng)
            with np.errstate(invalid="ignore"):
                work += np.where(np.isfinite(work), (there - here) * (q - rho), 0.0)
        return work

    def _move(
        self,
        y: Array,
        rho: Array,
        q: Array,
        alive: NDArray[np.int64],
        at: float,
        target: LogDensity,
        model: LogDensity,
        rng: np.random.Generator,
    ) -> None:
        """A Metropolis step at λ = `at`, in place."""
        if not len(alive):
            return
        new = y[alive] + self.scale * rng.standard_normal((len(alive), len(self.scale)))
        new = np.where(self.periodic, (new + np.pi) % (2 * np.pi) - np.pi, new)
        new_q, new_rho = np.array(model(new)), np.array(target(new))
        before = (1 - at) * q[alive] + at * rho[alive]
        with np.errstate(invalid="ignore"):
            after = (1 - at) * new_q + at * new_rho
        known = np.isfinite(new_q) & np.isfinite(new_rho)
        taken = known & (np.log(rng.random(len(alive))) < np.where(known, after, -np.inf) - before)
        moved = alive[taken]
        y[moved], rho[moved], q[moved] = new[taken], new_rho[taken], new_q[taken]
