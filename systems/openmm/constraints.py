"""Rigid bonds of a molecule, and the weight that constrained dynamics gives to a structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

if TYPE_CHECKING:
    import openmm

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class RigidBonds:
    r"""Distances that are held, |r_a − r_b| = d.

    Attributes
    ----------
    pairs : int array, shape (M, 2)
        Atoms a and b.
    lengths : Array, shape (M,)
        d, nm.
    masses : Array, shape (N,)
        Of all atoms, g/mol.
    """

    pairs: Ints
    lengths: Array
    masses: Array

    @classmethod
    def of(cls, system: openmm.System, masses: Array) -> RigidBonds:
        """The constraints of an OpenMM System; `masses` of all atoms."""
        rows = [system.getConstraintParameters(i) for i in range(system.getNumConstraints())]
        pairs = np.array([row[:2] for row in rows], dtype=np.int64).reshape(-1, 2)
        return cls(pairs, np.array([row[2]._value for row in rows]), masses)

    def __len__(self) -> int:
        return len(self.pairs)

    def log_weight(self, positions: Array) -> Array:
        r"""½ ln det h of structures (n, 3N) → (n,).

        Constrained dynamics samples e^{−βU} √det g over the free coordinates q, with g the metric
        of the masses; with J of all internal coordinates that is

        .. math:: \sqrt{\det g} ∝ |\det J| \sqrt{\det h}, \qquad
            h_{kl} = \sum_i ∇_i σ_k · ∇_i σ_l / m_i

        where σ are the constraints (M. Fixman, Proc. Natl. Acad. Sci. USA 71, 3050, 1974).
        """
        x = np.asarray(positions, dtype=np.float64).reshape(len(positions), -1, 3)
        arm = x[:, self.pairs[:, 0]] - x[:, self.pairs[:, 1]]
        unit = arm / np.linalg.norm(arm, axis=2, keepdims=True)
        m = len(self)
        sign = np.zeros((m, len(self.masses)))
        sign[np.arange(m), self.pairs[:, 0]] = 1.0
        sign[np.arange(m), self.pairs[:, 1]] = -1.0
        # the gradients of two bonds meet at the atoms they share only
        # what has no mass of its own stands still
        inverse = np.divide(1.0, self.masses, out=np.zeros(len(self.masses)), where=self.masses > 0)
        shared = (sign * inverse) @ sign.T
        h = shared * np.einsum("nki,nli->nkl", unit, unit)
        return np.asarray(0.5 * np.linalg.slogdet(h)[1])
