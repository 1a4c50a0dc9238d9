"""A learnt model of the dynamics that goes ahead of the walkers where states are looked for."""

from __future__ import annotations

from dataclasses import dataclass

from msgen.actors.orders.ahead import Structures
from msgen.models.base import ModelState
from msgen.systems.base import Array

VERSION = 10**6
"""Of the model among the orders of a search: no fit of the campaign's own comes so far."""


@dataclass(frozen=True, eq=False)
class Explorer:
    """What a finished run of learned dynamics has to offer to a search.

    Attributes
    ----------
    model : ModelState
        Frozen.
    frames : int
        Of a roll-out.
    snippet : int
        Frames of the longest snippet that it has learnt; of a model of steps without meaning.
    structures : Structures or None
        Where it is one of steps.
    conditions : Array, shape (1, k), or None
        What it is asked at.
    """

    model: ModelState
    frames: int
    snippet: int
    structures: Structures | None = None
    conditions: Array | None = None
