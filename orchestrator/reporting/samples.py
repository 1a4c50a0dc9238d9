"""The local samples of a run, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Samples:
    """The local samples of a run, in the order of the store.

    Attributes
    ----------
    round, replica : int array, shape (n,)
        Where each sample comes from.
    weight : Array, shape (n,)
        Equilibrium weights, which sum to 1; 0 of what is not in the estimates: before production,
        its burn-in, what a strategy threw back, copies of replicas that have not parted yet.
    cvs : Array, shape (n, C)
        Collective variables in internal units (rad, nm).
    frames : Array, shape (m, D), or None
        Stored configurations, nm.
    frame_rows : int array, shape (m,)
        The sample that each frame belongs to.
    boxes : Array, shape (m, 3, 3), or None
        Box vectors of the frames, nm, where they change.
    """

    round: NDArray[np.int64]
    replica: NDArray[np.int64]
    weight: NDArray[np.float64]
    cvs: NDArray[np.float64]
    frames: NDArray[np.float64] | None
    frame_rows: NDArray[np.int64]
    boxes: NDArray[np.float64] | None = None

    @classmethod
    def empty(cls, n_cvs: int) -> Self:
        """No sample of `n_cvs` CVs."""
        rows = np.zeros(0, dtype=np.int64)
        return cls(rows, rows, np.zeros(0), np.zeros((0, n_cvs)), None, rows)

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def columns(self) -> dict[str, Any]:
        """What holds for each sample, by name, as it is exported."""
        return {
            "round": self.round,
            "replica": self.replica,
            "weight": self.weight,
            "cvs": self.cvs,
        }
