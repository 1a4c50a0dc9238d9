"""Production cut into stretches of time: its beginning is left out, and they may be units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.units import Units, stretches

Ints = NDArray[np.int64]

LEAST_STRETCHES = 4
"""With fewer, none is left out."""
LEFT_OUT = 0.25
"""Share of production that is left out at its beginning, as the ladders' way into equilibrium."""


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

    @property
    def beginning(self) -> int:
        """Stretches that are left out as the walkers' way into equilibrium.

        A share of the time, whatever was seen in it: a rule that looks for the most effective
        samples leaves out rare visits.
        """
        if self.number < LEAST_STRETCHES:
            return 0
        most = LEFT_OUT * self.readings.sum()
        return sum(self.readings_before(d + 1) <= most for d in range(self.number))

    @property
    def left_out(self) -> float:
        """Share of the time that is left out as the beginning."""
        return self.readings_before(self.beginning) / max(int(self.readings.sum()), 1)

    def units(self, ladders: int, effective: float) -> tuple[Units, Ints]:
        """What errors rest on without the beginning, and the new number of each unit.

        Parameters
        ----------
        ladders : int
        effective : float
            Samples of all of them since then; see `estimators.units.stretches`.
        """
        begin = self.beginning
        each = np.bincount(self.stretches, self.readings).astype(np.int64)[begin:]
        joined, shares = stretches(ladders, effective, each)
        old = np.arange(ladders * self.number)
        # those of the beginning are gone from the counts
        new = old % ladders + ladders * joined[np.maximum(old // ladders - begin, 0)]
        return Units.stretched(ladders, shares, effective), new

    def rounds_before(self, stretch: int) -> int:
        """Rounds before that stretch began."""
        return int(np.count_nonzero(self.stretches < stretch))


def halved(ladders: int, stretches: int) -> Ints:
    """The new number of each unit where two of so many stretches became one."""
    units = np.arange(ladders * stretches)
    return units % ladders + ladders * (units // ladders // 2)
