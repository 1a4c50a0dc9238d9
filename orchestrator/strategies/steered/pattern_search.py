"""The pattern search over the settings of a path: where it stands and what it tries next."""

from __future__ import annotations

from dataclasses import dataclass, replace

from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.strategies.steered.path_settings import FACTORS, SMOOTH, varied

PASSES = 2
"""Times that every axis must be found at rest, the second time with the root of its factor."""
WORTH = 0.1
"""Share of the cost saved along one axis, late in the search, after which all are tried again."""


@dataclass(frozen=True)
class PatternSearch:
    """One axis a turn, three candidates each.

    An axis is gone along as long as that pays, the stride doubled, so that a start ten times too
    short or too long is left behind in three turns; then comes the next axis, and all of them
    again with finer strides (R. Hooke and T. A. Jeeves, J. ACM 8, 212, 1961).

    Attributes
    ----------
    best : Schedule
        The setting found so far.
    axes : tuple of str
        What is tuned; what the campaign fixes is not.
    at, heading : int
        The axis of this turn, and which way it is being followed: −1, 1, or 0 for neither yet.
    settled : tuple of int
        How often each axis was found at rest; none yet where empty.
    gained : float
        Shares of the cost saved along the axis of this turn.
    """

    best: Schedule
    axes: tuple[str, ...]
    at: int = 0
    heading: int = 0
    settled: tuple[int, ...] = ()
    gained: float = 0.0

    @property
    def at_rest(self) -> bool:
        """Whether every axis was found at rest often enough, or there is none."""
        rest = len(self.settled) == len(self.axes) and min(self.settled, default=PASSES) >= PASSES
        return not self.axes or rest

    @property
    def axis(self) -> str:
        """The axis of this turn."""
        return self.axes[self.at]

    @property
    def candidates(self) -> tuple[Schedule, ...]:
        """The settings to try next, the present one first."""
        axis = self.axis
        if axis == "smooth":
            others = [replace(self.best, smooth=w) for w in SMOOTH if w != self.best.smooth]
            return (self.best, *others)
        f = FACTORS[axis] if self._rest[self.at] == 0 else FACTORS[axis] ** 0.5
        strides = (1.0 / f, f) if not self.heading else (f**self.heading, f ** (2 * self.heading))
        return (self.best, *(self._varied(axis, s) for s in strides))

    def moved(self, k: int, gain: float, sure: bool) -> PatternSearch:
        """On from candidate `k`, which saved the share `gain`; `sure` as in `rested`."""
        best, gained = self.candidates[k], self.gained + gain
        if self.axis == "smooth":
            return replace(self, best=best, gained=gained).rested(sure)
        heading = self.heading or (-1 if k == 1 else 1)
        return replace(self, best=best, heading=heading, gained=gained)

    def rested(self, sure: bool) -> PatternSearch:
        """On to the next axis; `sure`: whether its neighbours are known not to be better.

        An axis of which nothing could be told is looked at again with strides that are no finer.
        """
        rest = list(self._rest)
        rest[self.at] += int(sure)
        if self.gained >= WORTH and rest[self.at] >= PASSES:
            rest = [n if i == self.at else min(n, PASSES - 1) for i, n in enumerate(rest)]
        order = [(self.at + i) % len(rest) for i in range(1, len(rest) + 1)]
        return replace(
            self,
            heading=0,
            gained=0.0,
            settled=tuple(rest),
            at=min(order, key=lambda i: (rest[i], order.index(i))),
        )

    def lengthened(self) -> PatternSearch:
        """The same of paths two strides longer, where their length is tuned."""
        if "steps" not in self.axes:
            return self
        return replace(self, best=self._varied("steps", FACTORS["steps"] ** 2))

    def steadier(self) -> PatternSearch:
        """The same of paths with a time step one stride shorter."""
        return replace(self, best=self._varied("dt", 1.0 / FACTORS["dt"]), heading=0, gained=0.0)

    def again(self) -> PatternSearch:
        """The search anew from what it has found."""
        return PatternSearch(self.best, self.axes)

    @property
    def _rest(self) -> tuple[int, ...]:
        return self.settled or (0,) * len(self.axes)

    def _varied(self, axis: str, factor: float) -> Schedule:
        """`best` with one setting changed; a path of other length has as many relaxations."""
        new = varied(self.best, axis, factor)
        if axis == "steps" and "friction" in self.axes:
            return replace(new, friction=new.friction / factor)
        return new
