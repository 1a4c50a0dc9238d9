"""Orders of a learnt dynamics that goes ahead of the walkers: its fits, and its roll-outs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array
from msgen.systems.topology.modelled_atoms import Types, Which

Bools = NDArray[np.bool_]

VERSIONS = 10**6
"""From here on model versions are of what goes ahead: no fit of a campaign's own comes so far."""


@dataclass(frozen=True)
class Structures:
    """What a model of steps sees of a walker, and what its steps may look like.

    Attributes
    ----------
    atoms, types : str
        See `msgen.systems.topology.modelled_atoms`.
    low, high : Array, shape (B,)
        Lengths that the bonds between these atoms may have, nm.
    """

    atoms: Which
    types: Types
    low: Array
    high: Array


@dataclass(frozen=True)
class FitAheadPayload:
    """A new version of what goes ahead; it goes on from the order's version, −1 for none.

    Attributes
    ----------
    model : Mapping
        Its section.
    frames : Array, shape (n, length, C)
        CVs, stride after stride.
    periodic : bool array, shape (C,)
    structures : Array, shape (n, length, M, 3), or None
        What a model of steps learns instead, nm.
    """

    kind: ClassVar[str] = "fit_ahead"

    model: Mapping[str, Any]
    frames: Array
    periodic: Bools
    structures: Array | None = None


@dataclass(frozen=True)
class AheadPayload:
    """Roll-outs of the order's model, one from each walker, as a batch of its network.

    Attributes
    ----------
    walkers : WalkerRows
        n of them.
    first : int
        The paths first, first + 1, … of their round, each drawn by its own number.
    frames : int
        Of each, the walker's own left out.
    snippet : int
        Frames of a snippet, its first among them; of steps without meaning.
    structures : Structures or None
        Where the model is one of steps; None: of whole snippets.
    conditions : Array, shape (1, k), or None
    """

    kind: ClassVar[str] = "ahead"

    walkers: WalkerRows
    first: int
    frames: int
    snippet: int
    structures: Structures | None = None
    conditions: Array | None = None


@dataclass(frozen=True)
class AheadRecord:
    """Where the model went.

    Attributes
    ----------
    paths : Array, shape (n, frames, C)
        CVs.
    sound : bool array, shape (n, frames)
        Up to where a path breaks: by a jump beyond the largest of what was learnt, or a step that
        was drawn in vain too often.
    """

    paths: Array
    sound: Bools
