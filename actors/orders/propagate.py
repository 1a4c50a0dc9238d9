"""Orders of learnt steps: what a fit of a propagator is told. Walks are those of `orders.walk`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array


@dataclass(frozen=True)
class FitPropagatorPayload:
    """A new version of a propagator; the order's model version is the one in use, −1 for none.

    Attributes
    ----------
    pairs : Array, shape (n, 2 d + 1)
        Where a walker was, where it was a lag later, and the lag in steps.
    unit : int array, shape (n,)
        Rows of one unit resemble each other, and are held out together.
    periodic : bool array, shape (d,)
    lags : Array, shape (L,)
        All that it is to know, in steps.
    moves : bool array, shape (d,), or None
        Columns of which it learns by how much they move; see `msgen.models.propagator`.
    """

    kind: ClassVar[str] = "fit_propagator"

    pairs: Array
    unit: NDArray[np.int64]
    periodic: NDArray[np.bool_]
    lags: Array
    moves: NDArray[np.bool_] | None = None
