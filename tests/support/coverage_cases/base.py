"""What a row of the coverage benchmark is, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.base import Estimate

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEVELS = ((0.6827, 1.0), (0.95, 1.959964))
"""Nominal share of intervals of so many σ that hold the truth."""
SLACK = 3.0
"""Binomial standard deviations that a share may be below its level."""
WIDEST = 0.80
"""Share of ±1 σ beyond which intervals are called too wide, where units are `MANY` or more."""
MANY = 4
"""Units from which on both levels are asked for; with fewer only `FEW` of ±1.96 σ."""
FEW = 0.90
NEVER = 0.05
"""Share of campaigns that may call themselves converged where they never should."""


@dataclass(frozen=True)
class Outcomes:
    """What repeats of one synthetic campaign came to; all shape (repeats,).

    Attributes
    ----------
    estimate, error : Array
        Value and standard error as they would be reported, NaN where null.
    truth : float
    converged : bool array
        Whether the campaign called itself so; all of them where the length is fixed.
    """

    estimate: Array
    error: Array
    truth: float
    converged: Flags

    @property
    def z(self) -> Array:
        """(estimate − truth)/error of what counts: converged, with an error; shape (n,)."""
        told = self.converged & np.isfinite(self.estimate) & np.isfinite(self.error)
        return np.asarray((self.estimate - self.truth)[told] / self.error[told])

    @classmethod
    def of(cls, found: list[tuple[float, float, bool]], truth: float) -> Outcomes:
        """From (estimate, error, converged) of each repeat."""
        table = np.array([(float(a), float(b)) for a, b, _ in found]).reshape(-1, 2)
        converged = np.array([c for _, _, c in found], dtype=bool)
        return cls(table[:, 0], table[:, 1], truth, converged)


def of_campaigns(
    campaign: Callable[[], Estimate], repeats: int, truth: float, stop: bool
) -> Outcomes:
    """F of 'rest' as each campaign reports it; one of fixed length counts whatever it says."""
    found = []
    for _ in range(repeats):
        estimate = campaign()
        rest = estimate.states["rest"]
        f = np.nan if rest.f_kT is None else rest.f_kT
        error = np.nan if rest.stderr_kT is None else rest.stderr_kT
        found.append((f, error, estimate.converged or not stop))
    return Outcomes.of(found, truth)


@dataclass(frozen=True)
class Case:
    """One row group: a way to sample, an estimator, and how it ends.

    Attributes
    ----------
    name : str
        'group: what, how', as 'umbrella: 4 ladders, at the stop'.
    units : int
        Independent units; they decide what is asked.
    run : callable
        (rng, repeats) → Outcomes.
    never : bool
        Whether a campaign must not call itself converged; that alone is asked then.
    """

    name: str
    units: int
    run: Callable[[np.random.Generator, int], Outcomes]
    never: bool = False

    def stream(self, seed: int) -> np.random.Generator:
        """The case's own random numbers, whatever other cases there are."""
        return np.random.default_rng([seed, *self.name.encode()])


def share(z: Array, limit: float) -> float:
    """Of intervals of ±`limit` σ that hold the truth; NaN of none."""
    return float(np.mean(np.abs(z) < limit)) if len(z) else float("nan")


def band(units: int, level: float, n: int) -> tuple[float, float]:
    """Least and largest share of n intervals that is accepted at this level."""
    narrow = level < 0.9
    if units < MANY:
        least = 0.0 if narrow else FEW - SLACK * float(np.sqrt(FEW * (1 - FEW) / n))
        return least, 1.0
    least = level - SLACK * float(np.sqrt(level * (1 - level) / n))
    most = WIDEST + SLACK * float(np.sqrt(WIDEST * (1 - WIDEST) / n)) if narrow else 1.0
    return least, most
