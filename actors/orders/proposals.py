"""Where λ may be proposed: the ranges and shares that travel; the model stays on the worker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array


@dataclass(frozen=True)
class BroadRange:
    """The broad proposal over λ: uniform on angles and on a box of the linear CVs.

    Attributes
    ----------
    periodic : bool array, shape (C,)
    lower, upper : Array, shape (C,)
    """

    periodic: NDArray[np.bool_]
    lower: Array
    upper: Array


@dataclass(frozen=True)
class ProposalSpec:
    """q_k(λ) = (1−ε)·model + ε·broad in every stratum, but for the model.

    Attributes
    ----------
    broad : BroadRange
    epsilon : float
    log_mass : Array, shape (K,)
        ln Q_k, the mass of the defended model in each stratum.
    """

    broad: BroadRange
    epsilon: float
    log_mass: Array
