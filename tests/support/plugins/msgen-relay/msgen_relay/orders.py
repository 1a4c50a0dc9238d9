"""What an order of the relay says, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from msgen.systems.base import Array


@dataclass(frozen=True)
class RelayPayload:
    """One replica's part of a round; jumps are proposed by the order's model, if it has one.

    Attributes
    ----------
    positions : Array, shape (1, D)
    blocks, jumps : int
    """

    kind: ClassVar[str] = "relay"

    positions: Array
    blocks: int
    jumps: int


@dataclass(frozen=True)
class RelayRecord:
    """Where the replica ended, and where it was after each block.

    Attributes
    ----------
    positions : Array, shape (1, D)
    visited : Array, shape (blocks, D)
    cvs : Array, shape (blocks, C)
    """

    positions: Array
    visited: Array
    cvs: Array
