"""Round trips of exchanged walkers between the ends of their ladder of windows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.strategies.umbrella.windows import Windows

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class RoundTrips:
    """Who was last at which end, looked at after every exchange.

    Attributes
    ----------
    ends : int array, shape (2,)
        The two windows farthest apart.
    windows : int
    last : int array, shape (walkers,)
        End that each walker was at last; −1 for none.
    turns : int array, shape (walkers,)
        Times it came from one end to the other.
    """

    ends: Ints
    windows: int
    last: Ints
    turns: Ints

    @classmethod
    def start(cls, windows: Windows, ladders: int) -> RoundTrips:
        """Nobody has been anywhere yet."""
        far = windows.distances(windows.centres, windows.centres)
        ends = np.array(np.unravel_index(int(np.argmax(far)), far.shape), dtype=np.int64)
        walkers = ladders * len(windows)
        none = np.full(walkers, -1, dtype=np.int64)
        return cls(ends, len(windows), none, np.zeros(walkers, dtype=np.int64))

    def with_stood(self, stood: Ints, slot: Ints) -> RoundTrips:
        """When walkers `stood`, shape (blocks, n), in each `slot` (ladder · windows + window)."""
        last, turns = self.last.copy(), self.turns.copy()
        at = [slot % self.windows == end for end in self.ends.tolist()]
        for who in stood:
            for side, there in enumerate(at):
                here = who[there]
                turns[here] += last[here] == 1 - side
                last[here] = side
        return replace(self, last=last, turns=turns)

    @property
    def number(self) -> int:
        """Round trips of all walkers."""
        return int((self.turns // 2).sum())
