"""Orders of the Seeder: where the walkers of umbrella windows start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SeedPayload:
    """One walker for every window of a ladder; the order's model version proposes, −1 for none.

    Attributes
    ----------
    walkers : WalkerRows
        What there is to start from; the first is the campaign's start.
    window : Ints, shape (n,)
        In the order of the tour, parents first; as all that follows with n.
    lam : Array, shape (n, C)
        Their centres λ.
    kappa : Array, shape (C,)
        1/σ² of the restraint.
    approach : Array, shape (m, C)
        Where the first of `walkers` is dragged before the tour begins.
    parent : Ints, shape (n,)
        Row of the window before it, or −1.
    start : Ints, shape (n,)
        Row of `walkers` where there is no parent.
    ladder, ladders : int
        Which of how many.
    label : Ints, shape (c,)
        Columns of λ that the model knows.
    relax, steps : int
        Chunks of local dynamics under the restraint, and steps of each.
    minimise : int
        Most iterations of L-BFGS; molecules only.
    step_size : float or None
        Tuned; None where the campaign fixes it.
    """

    kind: ClassVar[str] = "seed"

    walkers: WalkerRows
    window: Ints
    lam: Array
    kappa: Array
    approach: Array
    parent: Ints
    start: Ints
    ladder: int
    ladders: int
    label: Ints
    relax: int
    steps: int
    minimise: int
    step_size: float | None = None


@dataclass(frozen=True)
class SeedRecord:
    """The walkers of the windows, in the order of the payload.

    Attributes
    ----------
    walkers : WalkerRows
    xi : Array, shape (n, C)
    window : Ints, shape (n,)
    from_model : bool array, shape (n,)
        Whether the model has drawn it.
    """

    walkers: WalkerRows
    xi: Array
    window: Ints
    from_model: NDArray[np.bool_]
