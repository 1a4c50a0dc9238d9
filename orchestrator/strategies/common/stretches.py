"""Production cut into stretches of time, so that its beginning can be left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Stretches:
    """Rounds of several ladders in stretches of time: one of a ladder is a unit of its own.

    The unit of a ladder's stretch is ladder + number of ladders · stretch.

    Attributes
    ----------
    stretches, readings : int array, shape (rounds,)
        Stretch that each round belongs to, and readings of each walker in it.
    """

    stretches: Ints
    readings: Ints

    @classmethod
    def empty(cls) -> Stretches:
        """No round yet."""
        none = np.zeros(0, dtype=np.int64)
        return cls(none, none)

    @property
    def number(self) -> int:
        """Stretches so far; a new round begins that of this number."""
        return int(self.stretches[-1]) + 1 if len(self.stretches) else 0

    def with_round(self, readings: int, most: int) -> tuple[Stretches, bool]:
        """And a round more; whether two stretches became one, so that they grow with the campaign.

        That is where twice as many as `most` have begun; see `halved`.
        """
        stretches = np.append(self.stretches, self.number)
        full = self.number + 1 >= 2 * most
        counted = np.append(self.readings, readings)
        return Stretches(stretches // 2 if full else stretches, counted), full

    def readings_before(self, stretch: int) -> int:
        """Readings of each walker before that stretch began."""
        return int(self.readings[self.stretches < stretch].sum())

    def rounds_before(self, stretch: int) -> int:
        """Rounds before that stretch began."""
        return int(np.count_nonzero(self.stretches < stretch))


def halved(ladders: int, stretches: int) -> Ints:
    """The new number of each unit where two of so many stretches became one."""
    units = np.arange(ladders * stretches)
    return units % ladders + ladders * (units // ladders // 2)
