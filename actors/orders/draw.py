"""Orders of the Drawer: independent draws of a frozen model, weighted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.proposals import BroadGaussian
from msgen.systems.base import Array


@dataclass(frozen=True)
class DrawPayload:
    """Draws of the defended model.

    Attributes
    ----------
    draws : int
    first : int
        Number of the first draw in the campaign.
    keep : bool
        Whether to hand the configurations to the next fit.
    epsilon : float
        Share of the broad draws.
    broad : BroadGaussian
    """

    kind: ClassVar[str] = "draw"

    draws: int
    first: int
    keep: bool
    epsilon: float
    broad: BroadGaussian


@dataclass(frozen=True)
class DrawRecord:
    """Draws that have a weight, where they were to be kept.

    Attributes
    ----------
    recent : Array, shape (m, d), or None
        In the model's coordinates.
    log_weight : Array, shape (m,), or None
    visited : float32 array, shape (k, C + H), or None
        Where draws are that count, see `msgen.actors.orders.visits`; None where they are kept.
    """

    recent: Array | None = None
    log_weight: Array | None = None
    visited: NDArray[np.float32] | None = None
