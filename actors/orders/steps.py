"""Orders of learned dynamics by steps: fits to pairs of structures, and roll-outs of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Learnt:
    """What is learnt of one molecule.

    Attributes
    ----------
    frames : Array, shape (n, length, M, 3)
        The atoms that the model sees, nm, stride after stride.
    weights : Array, shape (n,)
        Of every pair of a trajectory, see `msgen.models.steps.data`.
    conditions : Array, shape (n, k), or None
        What each is conditional on.
    hot : Array, shape (m, length, M, 3), or None
        Runs that begin elsewhere than at equilibrium, each of the mean weight.
    hot_conditions : Array, shape (1, k), or None
        Of all of them.
    species : tuple of str, length M
        Of a molecule beside the campaign's own; empty of that.
    """

    frames: Array
    weights: Array
    conditions: Array | None = None
    hot: Array | None = None
    hot_conditions: Array | None = None
    species: tuple[str, ...] = ()


@dataclass(frozen=True)
class FitStepsPayload:
    """A new version of a model of steps; it goes on from the order's version, −1 for none.

    Attributes
    ----------
    own : Learnt or None
        Of the campaign's own molecule; None where it is not to be learnt.
    beside : tuple of Learnt
        Of others.
    """

    kind: ClassVar[str] = "fit_steps"

    own: Learnt | None = None
    beside: tuple[Learnt, ...] = ()


@dataclass(frozen=True)
class RollOutPayload:
    """Step after step of the order's model, as many paths as one batch of its network holds.

    Attributes
    ----------
    first, cycle : int
        The paths first, first + 1, … of their cycle, each drawn by its own number.
    begin : Array, shape (n, M, 3)
        Where they begin, nm.
    frames : int
        Steps of each.
    low, high : Array, shape (B,)
        Lengths that the bonds between these atoms may have, nm.
    task : int
        Which of the things asked for they are of.
    conditions : Array, shape (1, k), or None
    earlier : Array, shape (n, p, M, 3), or None
        Where they were before, the nearest frame first.
    """

    kind: ClassVar[str] = "roll_out"

    first: int
    cycle: int
    begin: Array
    frames: int
    low: Array
    high: Array
    task: int = 0
    conditions: Array | None = None
    earlier: Array | None = None


@dataclass(frozen=True)
class RollOutRecord:
    """What was made.

    Attributes
    ----------
    paths : Array, shape (n, frames, C)
        CVs after each step.
    whole : bool array, shape (n,)
        False where a step was drawn in vain too often; the path stands still from there on.
    redrawn : int
        Steps that failed and were drawn again.
    task : int
    """

    paths: Array
    whole: Bools
    redrawn: int
    task: int = 0
