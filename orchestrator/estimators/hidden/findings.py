"""What was looked at for hidden slowness, and what the looks say, with one chance of error for all.

A family of tests is met together: each is held to CHANCE over their number (Bonferroni), so that
where nothing is hidden at most one look in twenty doubts a campaign, however much is watched. The
number counts what is tested: each scalar (an angle is two, its cos and its sin) in each state, the
slow directions, descents, and works of each direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.hidden.slow_directions import direction_name, slow_directions
from msgen.orchestrator.estimators.hidden.units import Units
from msgen.orchestrator.estimators.hidden.variance_components import (
    Components,
    between_groups,
    components,
)

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

CHANCE = 0.05
"""That anything at all is called different where nothing differs."""
DIRECTIONS = 2
"""Slow directions that are tried in each state."""

Among = Literal["replicas", "descents"]


@dataclass(frozen=True)
class Finding:
    """One scalar in one state, between replicas or between groups of common descent.

    Attributes
    ----------
    what, state : str
    among : {'replicas', 'descents'}
    share, lower, upper : float
        Of the variance that lies between them, and one-sided 95 % bounds.
    p : float
    effective : float
        Readings over the inefficiency that the noise of blocks implies.
    sure : bool
        Whether p is beyond the chance that all tests share.
    """

    what: str
    state: str
    among: Among
    share: float
    lower: float
    upper: float
    p: float
    effective: float
    sure: bool = False


@dataclass(frozen=True)
class WorkFinding:
    """Works from one state to another, between replicas or descents.

    Attributes
    ----------
    source, target : str
    among : {'replicas', 'descents'}
    spread : float
        Standard deviation between them of ln of the mean chance to cross, kT.
    p : float
    sure : bool
    """

    source: str
    target: str
    among: Among
    spread: float
    p: float
    sure: bool = False


@dataclass(frozen=True)
class Findings:
    """All that was looked at.

    Attributes
    ----------
    watched : tuple of Finding
    works : tuple of WorkFinding
    few : tuple of str
        States with too few readings to say anything.
    """

    watched: tuple[Finding, ...] = ()
    works: tuple[WorkFinding, ...] = ()
    few: tuple[str, ...] = ()

    @property
    def tests(self) -> int:
        """How many share one chance of error."""
        return len(self.watched) + len(self.works)


@dataclass(frozen=True)
class StateSeries:
    """What was watched of the replicas in one state.

    Attributes
    ----------
    state : str
    chains : sequence of Array, shape (n_r, H)
        Of each replica, in the order of time; angles as they are.
    descent : Ints, shape (R,), or None
        The start that each replica comes from; None where that is not known.
    """

    state: str
    chains: Sequence[Array]
    descent: Ints | None


@dataclass(frozen=True)
class DirectedWorks:
    """Paths from one state to another.

    Attributes
    ----------
    source, target : str
    crossing : Array, shape (n,)
        Chance 1/(1 + e^{w − ΔF}) of each, in the order of time for every replica.
    replica : Ints, shape (n,)
    descent : Ints, shape (R,), or None
    """

    source: str
    target: str
    crossing: Array
    replica: Ints
    descent: Ints | None


def look(
    names: Sequence[str],
    periodic: NDArray[np.bool_],
    states: Sequence[StateSeries],
    works: Sequence[DirectedWorks] = (),
) -> Findings:
    """Hold replicas, and groups of common descent, against one another.

    Parameters
    ----------
    names, periodic
        Of the columns.
    states : sequence of StateSeries
    works : sequence of DirectedWorks
    """
    watched: list[Finding] = []
    few: list[str] = []
    titles = scalar_names(names, periodic)
    for one in states:
        units = Units.cut([scalars(c, periodic) for c in one.chains])
        if units is None:
            few.append(one.state)
            continue
        watched += _of_units(titles, one.state, units)
        watched += _of_descents(titles, one.state, units, one.descent)
        watched += _of_directions(titles, one.state, units)
    about = [f for direction in works for f in _of_works(direction)]
    return _with_chance(watched, about, few)


def scalars(values: Array, periodic: NDArray[np.bool_]) -> Array:
    """Columns as they are tested: (n, H) → plain ones, then cos and sin of the angles.

    What is not finite, as an energy in a clash, counts as the median of its column.
    """
    x = np.asarray(values, dtype=np.float64)
    out = np.column_stack([x[:, ~periodic], np.cos(x[:, periodic]), np.sin(x[:, periodic])])
    bad = ~np.isfinite(out)
    if bad.any():
        with np.errstate(invalid="ignore"):
            middle = np.nanmedian(np.where(bad, np.nan, out), axis=0)
        out = np.where(bad, np.nan_to_num(middle), out)
    return np.asarray(out)


def scalar_names(names: Sequence[str], periodic: NDArray[np.bool_]) -> tuple[str, ...]:
    """Of the columns of `scalars`."""
    plain = [n for n, p in zip(names, periodic, strict=True) if not p]
    angles = [n for n, p in zip(names, periodic, strict=True) if p]
    return (*plain, *angles, *angles)


def _of_units(titles: Sequence[str], state: str, units: Units) -> list[Finding]:
    means, within = units.block_means(), units.variance_within()
    return _found(titles, state, "replicas", components(means, within), _effective(units))


def _effective(units: Units) -> Array:
    """Effective readings of each column: all readings, by what blocks say of the noise."""
    means, within = units.block_means(), units.variance_within()
    noise = ((means - means.mean(axis=1, keepdims=True)) ** 2).mean(axis=(0, 1))
    noise = noise * means.shape[1] / (means.shape[1] - 1)
    total = sum(len(s) for s in units.series)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = within / noise
    blocks = means.shape[0] * means.shape[1]
    return np.minimum(np.where(np.isfinite(each), each * blocks, 0.0), total)


def _of_descents(
    titles: Sequence[str], state: str, units: Units, descent: Ints | None
) -> list[Finding]:
    if descent is None:
        return []
    group = descent[units.replica]
    # of a descent with a single replica nothing can be said apart from that replica
    if not 2 <= len(np.unique(group)) <= len(np.unique(units.replica)) // 2:
        return []
    means = units.block_means().mean(axis=1)
    found = between_groups(means, group, units.variance_within())
    return _found(titles, state, "descents", found, _effective(units))


def _of_directions(titles: Sequence[str], state: str, units: Units) -> list[Finding]:
    """Slow directions of the first half of the time, tested on the second, which knows none."""
    first, second = units.halves()
    if min(len(s) for s in second.series) < 2 * len(titles) or len(titles) < 2:
        return []
    directions = slow_directions(first, DIRECTIONS)
    if not directions.shape[1]:
        return []
    spread = np.concatenate(first.series).std(axis=0)
    names = [direction_name(d, spread, titles) for d in directions.T]
    along = second.with_columns(directions)
    found = components(along.block_means(), along.variance_within())
    return _found(names, state, "replicas", found, _effective(along))


def _found(
    titles: Sequence[str], state: str, among: Among, c: Components, effective: Array
) -> list[Finding]:
    """Of every column that varies."""
    return [
        Finding(
            title,
            state,
            among,
            float(c.share[h]),
            float(c.lower[h]),
            float(c.upper[h]),
            float(c.p[h]),
            float(effective[h]),
        )
        for h, title in enumerate(titles)
        if np.isfinite(c.share[h])
    ]


def _of_works(works: DirectedWorks) -> list[WorkFinding]:
    """Between replicas, and between descents where several replicas have one."""
    total = int(works.replica.max(initial=-1)) + 1
    chains = [works.crossing[works.replica == r][:, None] for r in range(total)]
    units = Units.cut(chains)
    mean = float(works.crossing.mean()) if len(works.crossing) else 0.0
    if units is None or not mean > 0:
        return []
    means, within = units.block_means(), units.variance_within()
    found: list[tuple[Among, Components]] = [("replicas", components(means, within))]
    if works.descent is not None:
        group = works.descent[units.replica]
        if 2 <= len(np.unique(group)) <= len(np.unique(units.replica)) // 2:
            found.append(("descents", between_groups(means.mean(axis=1), group, within)))
    return [
        WorkFinding(
            works.source,
            works.target,
            among,
            float(np.sqrt(c.between[0])) / mean,
            float(c.p[0]),
        )
        for among, c in found
    ]


def _with_chance(
    watched: Sequence[Finding], works: Sequence[WorkFinding], few: Sequence[str]
) -> Findings:
    """Which of them are sure, all tests sharing `CHANCE`."""
    level = CHANCE / max(1, len(watched) + len(works))
    return Findings(
        tuple(Finding(**{**vars(f), "sure": f.p < level}) for f in watched),
        tuple(WorkFinding(**{**vars(f), "sure": f.p < level}) for f in works),
        tuple(few),
    )
