"""Orders of the Trainer without data: parts of a training on the energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from msgen.models.base import ModelState
from msgen.systems.base import Array


@dataclass(frozen=True)
class EnergySpec:
    """How a model learns from the energy; see `msgen.models.training.reverse_kl.EnergyTraining`.

    `hot` is None where the temperature to begin at is still to be found, `clip` where gradients are
    clipped by what was seen.
    """

    updates: int
    batch: int
    hot: float | None
    cooling: float
    clip: float | None
    data: float
    recall: float


@dataclass(frozen=True)
class FitEnergyPayload:
    """One part of a training; the order's model version goes on, −1 for a new model.

    Attributes
    ----------
    training : EnergySpec
    begin, end : float
        Of the part, as shares of the whole.
    mean, std : Array, shape (D,)
        Where a new model is placed.
    data : Array, shape (n, D), or None
        Configurations that it is also to learn from.
    """

    kind: ClassVar[str] = "fit_energy"

    training: EnergySpec
    begin: float
    end: float
    mean: Array
    std: Array
    data: Array | None = None


@dataclass(frozen=True)
class FitEnergyRecord:
    """The model after this part, and the temperature that the annealing began at."""

    accepted: bool
    model: ModelState
    hot: float
