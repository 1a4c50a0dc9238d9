"""Orders of the Umbrella: walkers of windows, which exchange with their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.configurations import LabelledConfigurations
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class WindowMoves:
    """Independence moves inside the windows, by (1−ε)·p(x|λ) + ε·broad of the order's version.

    Attributes
    ----------
    global_steps : int
        Moves a block.
    label : Ints, shape (c,)
        Columns of λ that the model knows.
    broad : BroadGaussian
    epsilon : float
    """

    global_steps: int
    label: Ints
    broad: BroadGaussian
    epsilon: float


@dataclass(frozen=True)
class UmbrellaPayload:
    """Walkers that are restrained each at its λ, or free.

    Attributes
    ----------
    walkers : WalkerRows
        n of them, as all that follows with n.
    slots : Ints, shape (n,)
        Ladder · K + window.
    window : Ints, shape (n,)
    who : Ints, shape (n,)
        Which walker stands there.
    lam : Array, shape (n, C)
        Centres λ of the windows.
    kappa : Array, shape (n, C)
        1/σ² of their restraints.
    restrained : bool
        Whether the restraint acts.
    chunks : Ints, shape (n,)
        Readings of the CVs of each walker in a block.
    steps, blocks : int
        Local steps before each reading; blocks, in each of which walkers exchange as often as the
        shortest stretch has readings.
    pairs : Ints, shape (m, 3)
        Two rows that exchange, and a colour; pairs of one colour have no row in common.
    moves : WindowMoves or None
    recent : int
        Configurations of each walker that are handed to the next fit.
    step_size : float or None
        Tuned; None where the campaign fixes it.
    pace : Array, shape (n,), or None
        How far local moves go against those in the widest window; None: as far in all.
    """

    kind: ClassVar[str] = "umbrella"

    walkers: WalkerRows
    slots: Ints
    window: Ints
    who: Ints
    lam: Array
    kappa: Array
    restrained: bool
    chunks: Ints
    steps: int
    blocks: int
    pairs: Ints
    moves: WindowMoves | None = None
    recent: int = 0
    step_size: float | None = None
    pace: Array | None = None


@dataclass(frozen=True)
class UmbrellaRecord:
    """Where walkers ended, and what was exchanged.

    Attributes
    ----------
    walkers : WalkerRows
    slots : Ints, shape (n,)
    who : Ints, shape (n,)
        Which walker stands in each slot now.
    xi : Array, shape (n, C)
    exchanges : Ints, shape (m, 2)
        Tried and accepted of each pair.
    recent : LabelledConfigurations or None
        None where no fit asks for them.
    visited : float32 array, shape (m, C + H), or None
        See `msgen.actors.orders.visits`; None in a record of before.
    stood : Ints, shape (exchanges, n), or None
        Which walker stood in each slot after each exchange; None in a record of before.
    """

    walkers: WalkerRows
    slots: Ints
    who: Ints
    xi: Array
    exchanges: Ints
    recent: LabelledConfigurations | None = None
    visited: NDArray[np.float32] | None = None
    stood: Ints | None = None
