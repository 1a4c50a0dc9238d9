"""A learnt model of the dynamics that goes ahead of the walkers where states are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgen.actors.orders.ahead import Structures
from msgen.models.base import ModelState
from msgen.systems.base import Array
from msgen.systems.topology.modelled_atoms import ModelledAtoms


@dataclass(frozen=True, eq=False)
class Learning:
    """What a search that learns by itself fits, and to what.

    Attributes
    ----------
    model : Mapping
        The section of the model.
    frames : int
        Of each trajectory.
    atoms : ModelledAtoms or None
        Whose positions are learnt, where the model is one of steps.
    """

    model: Mapping[str, Any]
    frames: int
    atoms: ModelledAtoms | None = None


@dataclass(frozen=True, eq=False)
class Explorer:
    """What goes ahead: the model of a finished run, or one that the search fits.

    Attributes
    ----------
    model : ModelState or None
        Frozen; None where it is to be learnt.
    frames : int
        Of a roll-out.
    snippet : int
        Frames of the longest snippet that it has learnt; of a model of steps without meaning.
    structures : Structures or None
        Where it is one of steps, and of a finished run.
    conditions : Array, shape (1, k), or None
        What it is asked at.
    learning : Learning or None
        None where there is a model.
    """

    model: ModelState | None
    frames: int
    snippet: int
    structures: Structures | None = None
    conditions: Array | None = None
    learning: Learning | None = None
