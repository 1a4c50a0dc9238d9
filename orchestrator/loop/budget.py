"""What a campaign may spend."""

from __future__ import annotations

from dataclasses import dataclass

from msgen.orchestrator.base import Cost


@dataclass(frozen=True)
class Limits:
    """Caps; None is no limit. Wall time counts from the start of this process."""

    energy_evaluations: float | None = None
    wall_s: float | None = None
    rounds: int | None = None

    def fractions(self, cost: Cost, wall_s: float) -> dict[str, float]:
        """Share spent of each cap that is set: 'energy_evaluations', 'wall', 'rounds'."""
        return {name: used / cap for name, used, cap in self._caps(cost, wall_s)}

    def spent(self, cost: Cost, wall_s: float, next_round: int = 0) -> str | None:
        """Why no further round may begin, or None.

        Parameters
        ----------
        next_round : int
            Energy evaluations that the next round is expected to take, 0 if that is not known: a
            round that would pass the cap is not begun.
        """
        for name, used, cap in self._caps(cost, wall_s):
            if used >= cap:
                return f"budget.{name} is spent ({cap:g})"
            if name == "energy_evaluations" and used + next_round > cap:
                return f"budget.{name} is spent ({used:g} of {cap:g}, a round takes {next_round:g})"
        return None

    def _caps(self, cost: Cost, wall_s: float) -> list[tuple[str, float, float]]:
        pairs = (
            ("energy_evaluations", cost.energy_evaluations, self.energy_evaluations),
            ("wall", wall_s, self.wall_s),
            ("rounds", cost.rounds, self.rounds),
        )
        return [(name, float(used), float(cap)) for name, used, cap in pairs if cap is not None]
