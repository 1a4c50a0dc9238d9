"""What the next fit of the proposals sees of a stratum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.systems.base import Array

FIT_SIZE = 4000
"""Most samples of one stratum that a fit sees."""


@dataclass(frozen=True)
class FitData:
    """Samples of one stratum, weighted back to its plain ensemble.

    Attributes
    ----------
    xi : Array, shape (n, C)
    log_weight : Array, shape (n,)
    seen : int
        Samples that there have been, kept or not.
    """

    xi: Array
    log_weight: Array
    seen: int

    @classmethod
    def of_round(cls, xi: Array, log_bias: Array) -> FitData:
        """Of one round, thinned where there is far more than a fit sees."""
        every = max(1, len(xi) // (2 * FIT_SIZE))
        return cls(xi[::every], -log_bias[::every], len(xi))

    def with_round(self, now: FitData) -> FitData:
        """The later half of all rounds: one round of a few walkers weighs no states.

        For plain sampling alone, whose rounds have one density.
        """
        total = self.seen + now.seen
        keep = max(now.seen, min(FIT_SIZE, total // 2))
        return FitData(
            np.concatenate([self.xi, now.xi])[-keep:],
            np.concatenate([self.log_weight, now.log_weight])[-keep:],
            total,
        )
