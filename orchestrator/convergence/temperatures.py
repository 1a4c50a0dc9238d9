"""Ladders of temperatures: that neighbours exchange, and that walkers run up and down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgen.orchestrator.convergence.base import Criteria, shown


@dataclass(frozen=True)
class ExchangeAcceptance:
    """Share of accepted exchanges, by pair of neighbouring temperatures."""

    accepted: Mapping[str, float]

    def unmet(self, asked: Criteria) -> list[str]:
        """Neighbours that exchange too seldom."""
        return [
            f"{name}: {shown(value)} of the exchanges accepted, asked {asked.overlap:g}"
            for name, value in self.accepted.items()
            if not value >= asked.overlap
        ]

    def ungrounded(self, asked: Criteria) -> list[str]:
        """The same: neighbours that never exchange do not overlap."""
        return self.unmet(asked)


@dataclass(frozen=True)
class TemperatureTrips:
    """Round trips of walkers between the lowest and the highest temperature."""

    number: int

    def unmet(self, asked: Criteria) -> list[str]:
        """Too few of them."""
        if self.number >= asked.round_trips:
            return []
        what = f"{self.number} round trips of walkers between the lowest and highest temperature"
        return [f"{what}, asked {asked.round_trips}"]
