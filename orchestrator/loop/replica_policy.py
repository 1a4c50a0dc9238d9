"""How many replicas the next round should have."""

from __future__ import annotations

import math
from dataclasses import dataclass

ORDERS_PER_WORKER = 2
"""One at work and one waiting: fewer leave workers idle, more only make the round longer."""


@dataclass(frozen=True)
class Elastic:
    """The replicas a campaign may have.

    Attributes
    ----------
    least, most : int
    target_kT : float
        ``converge.state_error``.
    within_s : float or None
        Convergence is wanted in that time; None: as soon as can be.
    """

    least: int
    most: int
    target_kT: float
    within_s: float | None = None

    def late(self, remaining_s: float | None) -> bool:
        """Whether convergence, at the present rate, is further off than wanted."""
        if remaining_s is None or remaining_s <= 0.0:
            return False
        return self.within_s is None or remaining_s > self.within_s

    def replicas(self, now: int, per_order: float, workers: int, remaining_s: float | None) -> int:
        """Replicas of the next round.

        They at most double from one round to the next, up to what keeps the workers busy, while
        convergence is late; they shrink to that where over twice as many are left on too few
        workers.

        Parameters
        ----------
        now : int
            Replicas at work.
        per_order : float
            Replicas that one order advances.
        workers : int
            That there are now.
        remaining_s : float or None
            Projected time to convergence; None if unknown.
        """
        busy = max(self.least, int(ORDERS_PER_WORKER * workers * per_order))
        if now > 2 * busy:
            return busy
        if self.late(remaining_s) and now < busy:
            return min(self.most, busy, 2 * now)
        return now

    def workers(self, per_order: float, remaining_s: float | None) -> int:
        """Workers to ask for: enough for `most` replicas while convergence is late, else none."""
        if not self.late(remaining_s):
            return 0
        return math.ceil(self.most / (ORDERS_PER_WORKER * per_order))
