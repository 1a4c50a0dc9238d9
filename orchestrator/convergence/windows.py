"""Umbrella windows: that they overlap, and that their walkers forget where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgen.orchestrator.convergence.base import Criteria

MOST_STUCK = 3
"""Windows that are named one by one where their walkers differ."""


@dataclass(frozen=True)
class WindowGaps:
    """Neighbours without overlap, in words."""

    gaps: Sequence[str]

    def unmet(self, asked: Criteria) -> list[str]:
        """One reason for each."""
        return list(self.gaps)

    def ungrounded(self, asked: Criteria) -> list[str]:
        """The same: an error does not reach across a gap."""
        return self.unmet(asked)


@dataclass(frozen=True)
class StuckWindows:
    """Windows whose walkers differ, in words."""

    windows: Sequence[str]

    def unmet(self, asked: Criteria) -> list[str]:
        """One reason for each of the first, and how many more there are."""
        out = list(self.windows[:MOST_STUCK])
        if len(self.windows) > MOST_STUCK:
            more = len(self.windows) - MOST_STUCK
            out.append(f"and {more} more windows or observables like this")
        return out

    def ungrounded(self, asked: Criteria) -> list[str]:
        """The same: walkers that differ are no draws from one density."""
        return self.unmet(asked)


@dataclass(frozen=True)
class WalkerTravel:
    """Whether walkers must travel between the ends of the windows, and whether they have.

    Attributes
    ----------
    independent : bool
        Whether the walkers of a window have seeds of their own. Where all descend from one start
        they may agree in what is wrong; then they must travel.
    round_trips : int or None
        Of walkers between the ends; None where windows do not exchange.
    along : str or None
        The CV whose ends these are, where windows have more than one.
    """

    independent: bool
    round_trips: int | None
    along: str | None = None

    def unmet(self, asked: Criteria) -> list[str]:
        """Too few round trips of walkers that descend from one start."""
        if self.independent:
            return []
        if self.round_trips is None:
            return [
                (
                    "all walkers descend from one start and windows do not exchange, so that their "
                    "agreement proves nothing: take seeds: model, or exchange: on"
                )
            ]
        if self.round_trips >= asked.round_trips:
            return []
        where = "" if self.along is None else f" along {self.along}"
        what = f"{self.round_trips} round trips of walkers between the ends of the windows{where}"
        return [f"{what}, asked {asked.round_trips} where they descend from one start"]

    def ungrounded(self, asked: Criteria) -> list[str]:
        """The same: walkers that share a start may agree in what is wrong."""
        return self.unmet(asked)
