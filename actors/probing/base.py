"""What a probe leaves behind, whatever steps it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.context import WorkerContext
from msgen.systems.base import Array, Walkers


@dataclass(frozen=True)
class Probed:
    """Probes at their end.

    Attributes
    ----------
    walkers : Walkers
        Without velocities.
    readings : Array, shape (n, m, C + H)
        CVs and what is watched but the energy.
    energy : Array, shape (n, m)
        U/kT.
    evaluations : int
    """

    walkers: Walkers
    readings: Array
    energy: Array
    evaluations: int


def read(context: WorkerContext, walkers: Walkers) -> tuple[Array, Array]:
    """Features, shape (n, C + H), and U/kT, shape (n,), one evaluation a configuration."""
    with np.errstate(all="ignore"):
        seen = context.watched(walkers)
    return np.hstack([context.cvs(walkers.positions), seen[:, :-1]]), seen[:, -1]
