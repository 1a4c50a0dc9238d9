"""Orders of the Trainer: fits of a generative model to samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.proposals import DRAWS
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.proposals import BroadRange
from msgen.models.base import ModelState
from msgen.systems.base import Array


@dataclass(frozen=True)
class FitPayload:
    """A new version of a model; the order's model version is the one in use, −1 for none.

    Attributes
    ----------
    data : Array, shape (n, d)
    weights : Array, shape (n,)
    stratum : int array, shape (n,)
        What the model is conditional on, one of `n_strata`.
    n_strata : int
    periodic : bool array, shape (d,)
    partition : Partition or None
        Where the model proposes λ: the strata, whose masses under the defended model are wanted.
    broad, epsilon : BroadRange and float, or None
        Beside `partition`.
    mass_draws : int
        From each stratum's proposal, by which its mass is known.
    goes_on : bool
        Whether the fit begins with the weights of the version in use.
    unit : int array, shape (n,), or None
        Rows of one unit resemble each other, and are held out together.
    """

    kind: ClassVar[str] = "fit"

    data: Array
    weights: Array
    stratum: NDArray[np.int64]
    n_strata: int
    periodic: NDArray[np.bool_]
    partition: Partition | None = None
    broad: BroadRange | None = None
    epsilon: float | None = None
    goes_on: bool = False
    unit: NDArray[np.int64] | None = None
    mass_draws: int = DRAWS


@dataclass(frozen=True)
class FitWindowsPayload:
    """A new version of p(x|λ), conditional on where λ stands.

    Attributes
    ----------
    data : Array, shape (n, d)
        In the coordinates of the model.
    weights : Array, shape (n,)
    label : Array, shape (n, c)
        λ drawn from g at each configuration.
    label_periodic : bool array, shape (c,)
    repeats : int
        How often all configurations are there, each time with labels of its own.
    """

    kind: ClassVar[str] = "fit_windows"

    data: Array
    weights: Array
    label: Array
    label_periodic: NDArray[np.bool_]
    repeats: int


@dataclass(frozen=True)
class FitRecord:
    """What became of a fit.

    Attributes
    ----------
    accepted : bool
        Whether it is better than the version in use, on data neither has been fitted to.
    model : ModelState or None
        Of an accepted version.
    log_mass, log_mass_error : Array, shape (K,), or None
        ln Q_k of each stratum with its standard error, where a partition was given.
    """

    accepted: bool
    model: ModelState | None = None
    log_mass: Array | None = None
    log_mass_error: Array | None = None
