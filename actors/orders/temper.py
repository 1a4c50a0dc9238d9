"""Orders of parallel tempering: runs of neighbouring temperatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TemperPayload:
    """Local moves at several temperatures, a sweep of exchanges after each block.

    Attributes
    ----------
    walkers : WalkerRows
        n of them, as all that follows with n.
    slots : Ints, shape (n,)
        Ladder · K + temperature.
    tau : Array, shape (n,)
        Temperature of each row in units of the system's.
    who : Ints, shape (n,)
        Which walker stands there.
    blocks, readings, steps : int
        Blocks of `readings` readings of the CVs and the energy, `steps` local steps before each.
    pairs : Ints, shape (m, 3)
        Two rows that exchange, and a colour.
    colour : int
        That of the first block; a sweep tries the pairs of one colour.
    step_size : Array, shape (n,), or None
        Tuned; None where the campaign fixes it.
    """

    kind: ClassVar[str] = "temper"

    walkers: WalkerRows
    slots: Ints
    tau: Array
    who: Ints
    blocks: int
    readings: int
    steps: int
    pairs: Ints
    colour: int
    step_size: Array | None = None


@dataclass(frozen=True)
class TemperRecord:
    """Where walkers ended, and what was exchanged.

    Attributes
    ----------
    walkers : WalkerRows
    slots : Ints, shape (n,)
    who : Ints, shape (blocks, n)
        After each block.
    gaps : Ints, shape (m,)
        Row of the lower temperature of each pair.
    exchanges : Ints, shape (m, 2)
        Tried and accepted of each pair.
    tested : Array, shape (n, 2)
        Local proposals, and how many were accepted.
    """

    walkers: WalkerRows
    slots: Ints
    who: Ints
    gaps: Ints
    exchanges: Ints
    tested: Array
