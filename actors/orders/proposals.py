"""Where λ or whole configurations may be proposed: what travels; the model stays on the worker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

WIDE = 2.0
"""Width of a broad Gaussian, in standard deviations of the data."""


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
class BroadGaussian:
    """The broad proposal of whole configurations.

    Attributes
    ----------
    mean, std : Array, shape (d,)
    """

    mean: Array
    std: Array

    @classmethod
    def about(cls, data: Array) -> BroadGaussian:
        """`WIDE` about samples (n, d)."""
        return cls(data.mean(axis=0), WIDE * data.std(axis=0) + 1e-3)


@dataclass(frozen=True)
class DefendedSpec:
    """q(y) = (1−ε)·model + ε·broad over whole configurations, but for the model.

    Attributes
    ----------
    version : int
        Of the model.
    broad : BroadGaussian
    epsilon : float
    """

    version: int
    broad: BroadGaussian
    epsilon: float


@dataclass(frozen=True)
class ProposalSpec:
    """q_k(λ) = (1−ε)·model + ε·broad in every stratum, or steps of a dynamics, but for the model.

    Attributes
    ----------
    broad : BroadRange
    epsilon : float
    log_mass : Array, shape (K,)
        ln Q_k, the mass of the defended model in each stratum.
    lags : tuple of float
        Of the learnt dynamics whose steps are proposed, in local steps; none of a density.
    """

    broad: BroadRange
    epsilon: float
    log_mass: Array
    lags: tuple[float, ...] = ()
