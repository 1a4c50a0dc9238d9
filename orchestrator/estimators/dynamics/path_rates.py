r"""Rates of passages between two states from weighted stationary paths, see `path_sampling`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.shooting import ShotRows
from msgen.orchestrator.estimators.dynamics.path_shots import (
    Populations,
    effective,
    log_points,
    sums_of,
    weights,
)
from msgen.orchestrator.estimators.dynamics.readings import Reading
from msgen.orchestrator.estimators.pareto import USABLE
from msgen.orchestrator.estimators.tail_index import TailIndex

Array = NDArray[np.float64]

MOST_LATE = 0.05
"""Weight of passages longer than half a path with which paths are long enough."""


@dataclass(frozen=True)
class Rates:
    """ln of both rates and of the flux a frame, with errors.

    Attributes
    ----------
    value, stderr : Array, shape (3,)
    effective : float
    open : tuple of str
        Why errors have no ground.
    borrowed : float
        Share of the larger rate's variance that is the exact run's.
    """

    value: Array
    stderr: Array
    effective: float
    open: tuple[str, ...]
    borrowed: float

    @classmethod
    def of(cls, shots: ShotRows, populations: Populations) -> Rates:
        log_u = log_points(shots)
        crosses = 0.5 * shots.crossings.sum(axis=1)
        # both are in the unit of ρ*/q: one constant for both
        most = max(np.max(log_u, initial=-np.inf), np.max(shots.log_weight, initial=-np.inf))
        u, w = weights(log_u, most), weights(shots.log_weight, most)
        first = [u * (shots.ahead == end) for end in (0, 1)]
        columns = np.stack([w * crosses, u, *first, w * shots.late], axis=1)
        ratio = np.exp(np.array(populations.log_ratio))

        def rates(s: Array) -> Array:
            with np.errstate(divide="ignore", invalid="ignore"):
                flux, goes = s[:, :1] / s[:, 1:2], s[:, 2:4] / s[:, 2:4].sum(axis=1, keepdims=True)
                inside = ratio + goes
                told = np.concatenate([flux / inside, flux / (1.0 + ratio.sum())], axis=1)
                return np.asarray(np.log(told))

        found = sums_of(columns).estimate(rates)
        goes = columns[:, 2:4].sum(axis=0)
        share = ratio / (ratio + goes / goes.sum()) if goes.sum() > 0 else np.ones(2)
        whole = ratio / (1.0 + ratio.sum())
        errors = np.array(populations.stderr)
        outside = np.array([*(share * errors), np.hypot(*(whole * errors))])
        with np.errstate(divide="ignore"):
            each = np.where(crosses > 0, shots.log_weight + np.log(crosses), -np.inf)
        stderr = np.hypot(found.stderr, outside)
        with np.errstate(divide="ignore", invalid="ignore"):
            borrowed = float(np.max((outside / stderr)[:2] ** 2))
        return cls(
            found.value,
            stderr,
            effective(each),
            tuple(_open(shots, columns, each, log_u, populations)),
            borrowed,
        )

    def limits(self) -> tuple[str, ...]:
        """What more shots would not better."""
        if not self.borrowed > 0.5:
            return ()
        what = (
            f"{self.borrowed:.0%} of the variance of a rate is that of the exact run's populations"
        )
        return (f"{what}: more shots will hardly lower it",)

    def reading(self, k: int, stride: float, why: str) -> Reading:
        """Of one of the three, in 1/time."""
        value = float(np.exp(self.value[k]) / stride)
        if not value > 0:
            return Reading.unknown(why or "no passage was seen")
        told = Reading.of(value, value * float(self.stderr[k]), why)
        return told.without_error(why) if why else told


def _open(
    shots: ShotRows, columns: Array, each: Array, log_u: Array, populations: Populations
) -> list[str]:
    """Why errors of the rates mean nothing, in words."""
    out = []
    if not np.isfinite(populations.log_ratio).all():
        return ["the exact run tells no population of one of the states or of what is between"]
    if not np.isfinite(populations.stderr).all():
        out.append("the exact run tells no error of its populations")
    late = float(columns[:, 4].sum() / (2.0 * columns[:, 0].sum())) if columns[:, 0].any() else 0.0
    if late > MOST_LATE:
        out.append(f"{late:.0%} of the passages take longer than half a path: paths are too short")
    for what, log_w in (("passages", each), ("shooting points", log_u)):
        tail = TailIndex.empty(1).with_batch(log_w, [np.ones(len(log_w), dtype=bool)])
        if not tail.upper[0] <= USABLE:
            known = np.isfinite(tail.exponent[0])
            told = f"k̂ {tail.exponent[0]:.2f} ± {tail.stderr[0]:.2f}" if known else "too few"
            out.append(
                f"the tail of the weights of {what} may be led by what was not drawn: {told}"
            )
    return out
