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
    """One walker for every window of some ladders; the order's model version proposes, −1 for none.

    Attributes
    ----------
    walkers : WalkerRows
        What there is to start from.
    window : Ints, shape (n,)
        Parents before those that start from them, as all that follows with n; −1 is no window but a
        stop on the way to the first.
    ladder : Ints, shape (n,)
        Whose it is.
    lam : Array, shape (n, C)
        Their centres λ.
    kappa : Array, shape (n, C)
        1/σ² of their restraints.
    parent : Ints, shape (n,)
        Row of the window or stop before it, or −1.
    start : Ints, shape (n,)
        Row of `walkers` where there is no parent.
    ladders : int
        Of the campaign.
    label : Ints, shape (c,)
        Columns of λ that the model knows.
    relax, steps : int
        Chunks of local dynamics under the restraint, and steps of each.
    minimise : int
        Most iterations of L-BFGS; molecules only.
    step_size : float or None
        Tuned; None where the campaign fixes it.
    pace : Array, shape (n,), or None
        See `UmbrellaPayload`.
    """

    kind: ClassVar[str] = "seed"

    walkers: WalkerRows
    window: Ints
    ladder: Ints
    lam: Array
    kappa: Array
    parent: Ints
    start: Ints
    ladders: int
    label: Ints
    relax: int
    steps: int
    minimise: int
    step_size: float | None = None
    pace: Array | None = None


@dataclass(frozen=True)
class SeedRecord:
    """The walkers of the windows, in the order of the payload; stops on the way are left out.

    Attributes
    ----------
    walkers : WalkerRows
    xi : Array, shape (n, C)
    window, ladder : Ints, shape (n,)
    from_model : bool array, shape (n,)
        Whether the model has drawn it.
    """

    walkers: WalkerRows
    xi: Array
    window: Ints
    ladder: Ints
    from_model: NDArray[np.bool_]
