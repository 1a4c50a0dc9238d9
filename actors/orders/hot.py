"""Orders of short runs that begin in structures thrown about: data of a model of steps alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array

Way = Literal["heat", "torsions"]
"""How a structure is thrown about: heated; or every free bond of it turned by any angle."""


@dataclass(frozen=True)
class HotPayload:
    """Walkers thrown about, relaxed, and followed at the campaign's own temperature.

    Attributes
    ----------
    walkers : WalkerRows
        n of them.
    ways : tuple of str, length n
    tau : float
        Temperature of the heat, in units of the campaign's.
    heat, relax : int
        Local steps at it, and at the campaign's before anything is read.
    frames, steps : int
        Readings, and local steps before each.
    atoms : int array, shape (M,)
        Atoms whose positions are handed back.
    """

    kind: ClassVar[str] = "hot"

    walkers: WalkerRows
    ways: tuple[Way, ...]
    tau: float
    heat: int
    relax: int
    frames: int
    steps: int
    atoms: NDArray[np.int64]


@dataclass(frozen=True)
class HotRecord:
    """What was read.

    Attributes
    ----------
    structures : Array, shape (m, frames, M, 3)
        nm, of the m ≤ n runs that are finite and of the isomer that the campaign is of.
    """

    structures: Array
