r"""Passages between two core sets: mean first-passage times, and how many trajectories cross.

Frames belong to the core A, to the core B, or to neither (the milestones of Faradjian and Elber,
J. Chem. Phys. 120, 10880, 2004, and the core sets of Schütte et al., J. Chem. Phys. 134, 204105,
2011). From each frame in A a walk leads to the next frame that is in a core, after a time d, which
is A again or B. With E(d) its mean and p its chance to end in B, the mean time from entering A to
entering B is

.. math:: τ_{A→B} = E(d) / p

which over one endless trajectory is the time since A was visited last over the number of passages.
A walk that the end of its trajectory cuts off has no end that is known, and dropping it would keep
the short ones: its time counts where it was at risk and no further. So E(d) and p follow from the
hazards of either end at each age (Kaplan and Meier, J. Am. Stat. Assoc. 53, 457, 1958; for two ends
Aalen and Johansen, Scand. J. Stat. 5, 141, 1978),

.. math:: S(a) = \prod_{a' \le a} (1 - h_A(a') - h_B(a')), \quad
          E(d) = \sum_{a \ge 0} S(a), \quad p = \sum_{a \ge 1} S(a-1)\, h_B(a)

constant within intervals of age that widen, and after the last that enough walks reach. That asks
of a trajectory to be as long as the walks between cores, not as the passages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.readings import Reading
from msgen.orchestrator.estimators.dynamics.sums import ALONE
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_PASSAGES = 8
"""Passages that an error rests on."""
ENOUGH_WALKS = 20
"""That end at the ages that are taken as one, the last."""


@dataclass(frozen=True)
class Passages:
    """First passages from one core to another.

    Attributes
    ----------
    start, end : str
    mean_time : Reading
        Mean first-passage time, in the unit of the trajectories.
    finished, unfinished : int
        Passages seen, and trajectories that ended on their way.
    """

    start: str
    end: str
    mean_time: Reading
    finished: int
    unfinished: int


def passages(
    data: Trajectories, core: Ints, names: tuple[str, str], pair: tuple[int, int] = (0, 1)
) -> tuple[Passages, Passages]:
    """Passages from the first core to the second, and back; other cores are no cores here.

    Parameters
    ----------
    core : int array, shape (N,)
        Core of each frame, −1 in none.
    names : tuple of str
        Of the two.
    pair : tuple of int
        Which cores they are.
    """
    both = np.where(core == pair[0], 0, np.where(core == pair[1], 1, -1))
    walks = _Walks.of(data, both)
    there, back = (_passages(data, walks, both, k, names) for k in (0, 1))
    return there, back


@dataclass(frozen=True, eq=False)
class _Walks:
    """From each frame in a core to the next frame in one.

    Attributes
    ----------
    start : int array, shape (n,)
        Frames.
    steps : int array, shape (n,)
        To the next, or to the end of the trajectory.
    end : int array, shape (n,)
        The core there, −1 where the trajectory ended before.
    """

    start: Ints
    steps: Ints
    end: Ints

    @classmethod
    def of(cls, data: Trajectories, core: Ints) -> _Walks:
        n = len(core)
        last = (np.cumsum(data.lengths) - 1)[data.owner]
        ahead = np.minimum.accumulate(np.where(core >= 0, np.arange(n), n)[::-1])[::-1]
        following = np.append(ahead[1:], n)
        start = np.flatnonzero((core >= 0) & (np.arange(n) < last) & (data.weight > 0))
        ends = following[start] <= last[start]
        stop = np.where(ends, following[start], last[start])
        return cls(start, stop - start, np.where(ends, core[stop], -1))

    def take(self, rows: NDArray[np.bool_]) -> _Walks:
        return _Walks(self.start[rows], self.steps[rows], self.end[rows])


def _passages(
    data: Trajectories, walks: _Walks, core: Ints, here: int, names: tuple[str, str]
) -> Passages:
    """From core `here` to the other."""
    mine = walks.take(core[walks.start] == here)
    across = mine.end == 1 - here
    finished = int(across.sum())
    unfinished = _ended_on_the_way(data, core, here)
    labels = (names[here], names[1 - here])
    if not finished:
        why = "no passage was seen" if len(mine.start) else "the core was never visited"
        return Passages(*labels, Reading.unknown(why), 0, unfinished)
    ages = _ages(mine)
    age = np.searchsorted(ages, mine.steps, side="right") - 1
    w, one = data.weight[mine.start], data.blocks
    reached = one.count(age, len(ages), mine.start, w)
    sums = reached.joined(one.count(age, len(ages), mine.start, w * (mine.steps - ages[age] + 1)))
    for end in (here, 1 - here):
        sums = sums.joined(one.count(age, len(ages), mine.start, w * (mine.end == end)))
    told = sums.estimate(lambda s: _log_time(s, ages)[:, None])
    value = data.stride * float(np.exp(told.value[0]))
    time = Reading.of(value, value * float(told.stderr[0]), told.why)
    if finished < LEAST_PASSAGES and told.why != ALONE:
        time = time.without_error(f"too few passages for an error: {finished}")
    return Passages(*labels, time, finished, unfinished)


def _ended_on_the_way(data: Trajectories, core: Ints, here: int) -> int:
    """How many trajectories had visited this core last when they ended."""
    visited = np.maximum.accumulate(np.where(core >= 0, np.arange(len(core)), -1))
    last = np.cumsum(data.lengths) - 1
    at = visited[last]
    return int(np.count_nonzero((at > last - data.lengths) & (core[at] == here)))


def _ages(walks: _Walks) -> Ints:
    """Where intervals of age begin; after the last, enough walks still end."""
    longest = int(walks.steps.max())
    wide = np.geomspace(16, max(longest, 17), 40).astype(np.int64)
    begins = np.unique(np.concatenate([np.arange(1, 17), wide]))
    ended = np.sort(walks.steps[walks.end >= 0])
    behind = len(ended) - np.searchsorted(ended, begins, side="left")
    kept: Ints = begins[(behind >= ENOUGH_WALKS) | (begins == 1)]
    return kept


def _log_time(sums: Array, ages: Ints) -> Array:
    """ln of the mean time in strides, from sums by interval of age, rows (n, 4 · intervals)."""
    count, into, back, across = sums.reshape(len(sums), 4, len(ages)).swapaxes(0, 1)
    width = np.append(np.diff(ages), np.inf)
    beyond = count[:, ::-1].cumsum(axis=1)[:, ::-1] - count
    time = into + beyond * np.where(np.isfinite(width), width, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(time > 0, (back + across) / time, 0.0)
        ratio = np.where(rate > 0, across / (back + across), 0.0)
        stays = np.where(rate < 1, (1.0 - rate) ** width, 0.0)
        alive = np.cumprod(np.concatenate([np.ones((len(sums), 1)), stays[:, :-1]], axis=1), axis=1)
        # Σ over an interval of (1 − h)^a
        spent = np.where(rate > 0, (1.0 - stays) / rate, np.minimum(width, 1e300))
        mean = np.where(alive > 0, alive * spent, 0.0).sum(axis=1)
        chance = (alive * (1.0 - stays) * ratio).sum(axis=1)
        return np.asarray(np.log(mean / chance))


@dataclass(frozen=True)
class Crossing:
    """Share of windows of one length that visit two cores or more.

    Attributes
    ----------
    share : Reading
    length : float
        Of a window, in the unit of the trajectories.
    windows, crossed : int
    """

    share: Reading
    length: float
    windows: int
    crossed: int


def crossing(data: Trajectories, core: Ints, frames: int) -> Crossing:
    """How many windows of `frames` frames cross from one core to another.

    Trajectories are cut into windows one after the other, what is left at the end is left out; so
    trajectories of different lengths are compared at one.
    """
    begin = np.concatenate([[0], np.cumsum(data.lengths)[:-1]])
    starts = np.concatenate(
        [b + frames * np.arange(n // frames) for b, n in zip(begin, data.lengths, strict=True)]
    ).astype(np.int64)
    length = (frames - 1) * data.stride
    if not len(starts):
        why = f"no trajectory has {frames} frames"
        return Crossing(Reading.unknown(why), length, 0, 0)
    inside = core[starts[:, None] + np.arange(frames)]
    largest = inside.max(axis=1)
    smallest = np.where(inside >= 0, inside, np.iinfo(np.int64).max).min(axis=1)
    crosses = (largest >= 0) & (smallest < largest)
    w = data.weight[starts]
    sums = data.blocks.sum(np.stack([w, w * crosses], axis=1), starts)

    def share(s: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(s[:, 1:] / s[:, :1])

    told = sums.estimate(share)
    crossed, windows = int((crosses & (w > 0)).sum()), int((w > 0).sum())
    reading = Reading.of(float(told.value[0]), float(told.stderr[0]), told.why)
    if min(crossed, windows - crossed) < LEAST_PASSAGES and reading.value is not None:
        # of 0 in n the 95 % bound is 3/n
        few = f"{crossed} of {windows} windows cross: no error without both kinds"
        bound = f"; below {3.0 / windows:.2g} with 95 %" if not crossed and windows else ""
        reading = reading.without_error(few + bound)
    return Crossing(reading, length, windows, crossed)
