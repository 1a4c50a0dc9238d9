"""A Monte-Carlo barostat: the box and the centres of molecules change together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.kernels.base import log_uniform, metropolis
from msgen.systems.base import Array

SMALLEST, LARGEST = 1e-3, 0.3
"""Between which the largest change of ln V of a move is drawn: what a liquid of many thousand atoms
needs, and a gas of a few."""


@dataclass(frozen=True)
class Resized:
    """One walker after some moves of its volume.

    Attributes
    ----------
    positions : Array, shape (N, 3)
        nm.
    box : Array, shape (3, 3)
        nm.
    accepted, nonfinite : int
        Of the moves; the second were refused because their energy was not finite.
    evaluations : int
    """

    positions: Array
    box: Array
    accepted: int
    nonfinite: int
    evaluations: int


@dataclass(frozen=True)
class MonteCarloBarostat:
    r"""Leaves e^{−(U(x; V) + PV)/kT} dx dV invariant.

    All vectors of the box are multiplied by s = (V′/V)^{1/3}, and each molecule is moved as a whole
    with its centre. With ln V′ uniform about ln V,

    .. math:: r = e^{-[U(x′; V′) - U(x; V) + P(V′ - V)]/kT} (V′/V)^{N + 1}

    of N molecules: each centre has its Jacobian V′/V, and ln V has another (D. Frenkel and B. Smit,
    Understanding Molecular Simulation, 2nd ed., section 5.4; for molecules K.-H. Chow and D. M.
    Ferguson, Comput. Phys. Commun. 91, 283 (1995)). How far ln V may move is drawn anew for every
    move, over two and a half decades and whatever the state: so nothing is tuned, and what a system
    of any compressibility needs is among them.

    Parameters
    ----------
    pressure : float
        P, kJ/(mol nm³).
    kT : float
        kJ/mol.
    molecules : int array, shape (N_atoms,)
        Number of each atom's molecule, from 0.
    """

    pressure: float
    kT: float
    molecules: NDArray[np.intp]

    def centres(self, x: Array) -> Array:
        """Mean place of each molecule's atoms, shape (N, 3)."""
        n = np.bincount(self.molecules)[:, None]
        return np.stack([np.bincount(self.molecules, weights=x[:, k]) for k in range(3)], 1) / n

    def __call__(
        self,
        energy: Callable[[Array, Array], float],
        positions: Array,
        box: Array,
        rng: np.random.Generator,
        n_moves: int = 1,
    ) -> Resized:
        """`n_moves` moves of one walker.

        Parameters
        ----------
        energy : callable
            U, kJ/mol, of positions (N_atoms, 3) in a box (3, 3); not finite where there is none.
        positions : Array, shape (N_atoms, 3)
        box : Array, shape (3, 3)
        rng : Generator
        n_moves : int
        """
        x, h = positions, box
        u = energy(x, h)
        accepted = nonfinite = 0
        n = int(self.molecules.max()) + 1
        volume = float(np.linalg.det(h))
        for _ in range(n_moves):
            most = SMALLEST * (LARGEST / SMALLEST) ** rng.random()
            change = most * (2.0 * rng.random() - 1.0)
            s = float(np.exp(change / 3.0))
            moved = x + (s - 1.0) * self.centres(x)[self.molecules]
            v = energy(moved, s * h)
            larger = volume * float(np.exp(change))
            log_new = np.array([-(v + self.pressure * larger) / self.kT])
            log_old = np.array([-(u + self.pressure * volume) / self.kT])
            jacobian = np.array([(n + 1) * change])
            yes, _, broken = metropolis(
                log_new, log_old, np.zeros(1), jacobian, log_uniform(rng, 1)
            )
            nonfinite += int(broken[0])
            if yes[0]:
                x, h, u, volume = moved, s * h, v, larger
                accepted += 1
        return Resized(x, h, accepted, nonfinite, n_moves + 1)
