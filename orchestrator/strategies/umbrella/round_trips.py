"""Round trips of exchanged walkers between the ends of their ladder of windows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.strategies.umbrella.windows import Windows

Ints = NDArray[np.int64]

SAME = 0.5
"""σ of the widest window within which windows stand at one end of a CV."""


@dataclass(frozen=True)
class RoundTrips:
    """Who was last at which end of every CV with windows, looked at after every exchange.

    Over more CVs than one a walker need not come from corner to corner, of which there are many,
    but from end to end along each CV.

    Attributes
    ----------
    ends : int array, shape (A, windows)
        Of A CVs: 0 and 1 for windows at its two ends, −1 for those between. (2,), as runs of before
        have it, are the two windows farthest apart, and `last` and `turns` have no A.
    windows : int
    last : int array, shape (A, walkers)
        End that each walker was at last; −1 for none.
    turns : int array, shape (A, walkers)
        Times it came from one end to the other.
    names : tuple of str, length A
        The CVs.
    """

    ends: Ints
    windows: int
    last: Ints
    turns: Ints
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.ends.ndim == 1:
            sides = np.full((1, self.windows), -1, dtype=np.int64)
            sides[0, self.ends] = [0, 1]
            for field, value in (("ends", sides), ("last", self.last), ("turns", self.turns)):
                object.__setattr__(self, field, np.atleast_2d(value))

    @classmethod
    def start(cls, windows: Windows, ladders: int) -> RoundTrips:
        """Nobody has been anywhere yet."""
        biased = windows.biased
        ends = [_ends(windows, c) for c in biased.tolist()]
        none = np.full((len(biased), ladders * len(windows)), -1, dtype=np.int64)
        return cls(
            np.array(ends, dtype=np.int64).reshape(len(biased), len(windows)),
            len(windows),
            none,
            np.zeros_like(none),
            tuple(windows.names[c] for c in biased.tolist()),
        )

    def with_stood(self, stood: Ints, slot: Ints) -> RoundTrips:
        """When walkers `stood`, shape (blocks, n), in each `slot` (ladder · windows + window)."""
        last, turns = self.last.copy(), self.turns.copy()
        for axis, of_window in enumerate(self.ends):
            at = [of_window[slot % self.windows] == side for side in (0, 1)]
            for who in stood:
                for side, there in enumerate(at):
                    here = who[there]
                    turns[axis, here] += last[axis, here] == 1 - side
                    last[axis, here] = side
        return replace(self, last=last, turns=turns)

    @property
    def number(self) -> int:
        """Round trips of all walkers, along the CV that has fewest."""
        return int((self.turns // 2).sum(axis=1).min(initial=np.iinfo(np.int64).max))

    @property
    def along(self) -> str | None:
        """The CV that has fewest, where there are more than one."""
        if len(self.names) < 2:
            return None
        return self.names[int(np.argmin((self.turns // 2).sum(axis=1)))]


def _ends(windows: Windows, c: int) -> Ints:
    """0 and 1 for windows at the two ends of CV c, −1 for the others, shape (K,)."""
    only = np.zeros(len(windows.names))
    only[c] = 1.0
    at = windows.centres * only
    first = int(np.argmin(at[:, c]))
    # round a ring, the other end is where it is farthest
    off = windows.distances(at[first : first + 1], at)[0]
    far = int(np.argmax(off))
    back = windows.distances(at[far : far + 1], at)[0]
    return np.where(off <= SAME, 0, np.where(back <= SAME, 1, -1))
