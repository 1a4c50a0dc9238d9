r"""Rates, committors and passages from shots of stationary paths whose weights are known.

Shooting points are drawn from a density q that lives between two states A and B, and paths grown
both ways from them; w weighs a path among all stationary ones and u = ρ*/q its shooting point, in
one unit (`msgen.actors.kernels.shooting`). Every passage of d frames lies in F − d of the windows
of F frames of an endless trajectory, so that with c = Σ 1/(F − d) over the passages inside a path
(ν: passages there a frame, as many as back)

.. math:: \frac{ν}{P(\text{between})} = \frac{\sum w\, c}{\sum u\, 1_{between}}, \quad
    k_{A→B} = \frac{ν}{P(A) + P(\text{between})\,(1 - \bar q_B)}

the reactive flux over the time that A was visited last (Vanden-Eijnden, Lect. Notes Phys. 703, 453,
2006; by reversibility the chance to have come from A is that to go there). The committor's mean
between the states follows from which end the longer leg of each shot comes to first; P(A) and P(B)
against P(between) are those of an exact run. 1/k is the mean time from entering A to entering B, as
`passages` tells it of trajectories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.shooting import ShotRows
from msgen.orchestrator.estimators.dynamics.path_rates import Rates
from msgen.orchestrator.estimators.dynamics.path_shots import (
    Populations,
    log_points,
    sums_of,
    weights,
)
from msgen.orchestrator.estimators.dynamics.readings import Curve, Reading

Array = NDArray[np.float64]

FEWEST = 5.0
"""Effective shooting points in a bin of a committor."""
MOST_UNDECIDED = 0.05
"""Weight of shots that came to neither end with which paths are long enough."""


@dataclass(frozen=True)
class Committor:
    """The chance to come to the end first, against one CV between the states."""

    cv: str
    curve: Curve


@dataclass(frozen=True)
class TransitionPaths:
    """What is told of transition paths.

    Attributes
    ----------
    start, end, unit : str
        States, and the unit of times.
    length, stride : float
        Of a path and between its frames.
    shots, accepted : int
    effective : float or None
        Reactive paths that the weights are worth; None of aimless shooting.
    rate, rate_back : Reading
        From `start` to `end`, and back, in 1/`unit`.
    flux : Reading
        Passages there in a time of equilibrium, in 1/`unit`.
    duration : Reading
        Mean length of a passage.
    undecided : float
        Share of shooting points whose longer leg came to neither end.
    committor : tuple of Committor
    notes : tuple of str
        What is to be known of it.
    """

    start: str
    end: str
    unit: str
    length: float
    stride: float
    shots: int
    accepted: int
    effective: float | None
    rate: Reading
    rate_back: Reading
    flux: Reading
    duration: Reading
    undecided: float
    committor: tuple[Committor, ...]
    notes: tuple[str, ...]

    @property
    def relative_error(self) -> float:
        """The larger of the two rates'; inf where one is not known."""
        out = 0.0
        for one in (self.rate, self.rate_back):
            if one.value is None or one.stderr is None or not one.value > 0:
                return float("inf")
            out = max(out, one.stderr / one.value)
        return out


def transition_paths(
    shots: ShotRows,
    populations: Populations,
    ends: tuple[str, str],
    frames: int,
    spacing: tuple[float, str],
    cvs: Sequence[str],
    edges: Sequence[Array],
) -> TransitionPaths:
    """All that shots tell.

    Parameters
    ----------
    shots : ShotRows
        Of one version of the density.
    populations : Populations
    ends : tuple of str
        Where paths begin and end.
    frames : int
        F.
    spacing : tuple of float and str
        Time between two frames, and its unit.
    cvs, edges
        Names and edges of the bins of each CV, for the committor.
    """
    stride, unit = spacing
    log_u = log_points(shots)
    notes: list[str] = []
    u = weights(log_u, np.nanmax(log_u, initial=-np.inf))
    decided = shots.ahead >= 0
    total = float(u.sum())
    undecided = float(u[~decided].sum() / total) if total > 0 else float("nan")
    if undecided > MOST_UNDECIDED:
        notes.append(
            f"{undecided:.0%} of the shooting points came to neither end: paths are too short, or "
            "something else holds them"
        )
    rates = Rates.of(shots, populations) if shots.weighted else None
    why = "aimless shooting tells no rates" if rates is None else "; ".join((*notes, *rates.open))
    there, back, flux = (
        Reading.unknown(why) if rates is None else rates.reading(k, stride, why) for k in range(3)
    )
    return TransitionPaths(
        *ends,
        unit,
        (frames - 1) * stride,
        stride,
        len(shots),
        int(shots.accepted.sum()),
        None if rates is None else rates.effective,
        there,
        back,
        flux,
        _duration(shots, stride),
        undecided,
        tuple(
            Committor(name, _committor(shots, u, c, np.asarray(edge)))
            for c, (name, edge) in enumerate(zip(cvs, edges, strict=True))
        ),
        (*notes, *(() if rates is None else (*rates.open, *rates.limits()))),
    )


def _duration(shots: ShotRows, stride: float) -> Reading:
    """Mean length of a passage."""
    log_w = np.where(np.isnan(shots.log_weight), 0.0, shots.log_weight)
    if not shots.weighted:
        return Reading.unknown("aimless shots are no independent paths")
    w = weights(log_w, np.max(log_w, initial=-np.inf))
    columns = np.stack([w * shots.passage, w * shots.crossings.sum(axis=1)], axis=1)

    def mean(s: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(s[:, :1] / s[:, 1:])

    found = sums_of(columns).estimate(mean)
    return Reading.of(stride * float(found.value[0]), stride * float(found.stderr[0]), found.why)


def _committor(shots: ShotRows, u: Array, cv: int, edges: Array) -> Curve:
    """Of the shooting points between the states, in the bins of one CV."""
    bins = len(edges) - 1
    at = np.searchsorted(edges, shots.xi[:, cv], side="right") - 1
    known = (u > 0) & (shots.ahead >= 0) & (at >= 0) & (at < bins)
    rows, k = np.flatnonzero(known), at[known]
    values = np.zeros((len(u), 2 * bins))
    values[rows, k] = u[rows]
    values[rows, bins + k] = u[rows] * (shots.ahead[rows] == 1)

    def share(s: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(s[:, bins:] / s[:, :bins])

    found = sums_of(values).estimate(share)
    weight = np.bincount(k, u[rows], bins)
    square = np.bincount(k, u[rows] ** 2, bins)
    enough = weight**2 >= FEWEST * square
    enough &= weight > 0
    value = np.where(enough, found.value, np.nan)
    error = np.where(enough, found.stderr, np.nan)
    return Curve.of(0.5 * (edges[1:] + edges[:-1]), value, error, "too few shots there")
