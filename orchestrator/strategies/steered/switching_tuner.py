"""Tuning the switching paths during adaptation, against energy evaluations per crossing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.strategies.steered.tally import COLUMNS, FEWEST, Tally
from msgen.systems.base import Array

AXES = ("steps", "kappa", "smooth", "friction", "dt")
"""What can be tuned."""
FACTORS = {"steps": 2.0, "kappa": 2.0, "friction": 8.0, "dt": 2.0}
"""Between neighbouring candidates; friction reaches from inertial to overdamped in few turns."""
SMOOTH = (0.0, 0.5, 1.0)
"""Candidates of `Schedule.smooth`."""
PASSES = 2
"""Times that every axis must be found at rest, the second time with the root of its factor."""
BLIND = 0.5
"""Relative error of the crossings beyond which they say nothing: fewer than four count."""
IN_SIGHT = 2.0
"""Crossings of all candidates together from which on more paths are waited for to tell them apart:
a path of a length that crosses now and then is not to be taken for one that never does."""
VAGUE, PATIENCE = 0.2, 4
"""Relative error of a comparison that is waited for to become less, and rounds of waiting."""
WORTH = 0.1
"""Gain in ln cost along one axis, late in the search, after which the others are tried again."""
_NOTHING = np.zeros((0, COLUMNS))


@dataclass(frozen=True)
class PathTuner:
    """Pattern search over the path's settings, one axis a turn, three candidates each.

    An axis is gone along as long as that pays, the stride doubled, so that a start ten times too
    short or too long is left behind in three turns; then comes the next axis, and all of them
    again with finer strides (R. Hooke and T. A. Jeeves, J. ACM 8, 212, 1961). A turn takes more
    than one round where the candidates cannot be told apart yet.

    The cost of a setting is in evaluations, not acceptance, which longer paths always raise. For a
    chain it is evaluations per crossing, n/a with n the evaluations of a path and a its chance to
    be an accepted crossing; a path that breaks has cost evaluations and crosses nothing. Where
    paths only bridge states it is what their error costs: with a = ⟨1/(1 + e^{w−ΔF})⟩, BAR's
    variance from m paths goes as (1/a − 2)/m (Bennett, J. Comput. Phys. 22, 245, 1976), so that
    n·(1/a − 2) is error² × evaluations; the two agree where crossings are rare. As long as nothing
    crosses the mean of ln(1 + w) over paths that tried to takes the place of the cost, and that of
    ln(1 + w) + ln n between time steps.

    Attributes
    ----------
    best : Schedule
        The setting found so far.
    axes : tuple of str
        What is tuned; what the campaign fixes is not.
    turn : int
        Rounds of tuning done.
    turns : int
        Most rounds of tuning.
    bridging : bool
        Whether paths only bridge states.
    cost : float
        Evaluations per crossing of `best` when last measured.
    at, heading : int
        The axis of this turn, and which way it is being followed: −1, 1, or 0 for neither yet.
    settled : tuple of int
        How often each axis was found at rest; none yet where empty.
    gained : float
        ln cost gained along the axis of this turn.
    seen : Array, shape (candidates, 7)
        Of this turn, see `Tally.table`; empty before its first round.
    held : int
        Rounds of this turn.
    """

    best: Schedule
    axes: tuple[str, ...]
    turn: int = 0
    turns: int = 6
    cost: float = float("nan")
    bridging: bool = False
    at: int = 0
    heading: int = 0
    settled: tuple[int, ...] = ()
    gained: float = 0.0
    seen: Array = field(default_factory=lambda: _NOTHING)
    held: int = 0

    @property
    def done(self) -> bool:
        rest = len(self.settled) == len(self.axes) and min(self.settled, default=PASSES) >= PASSES
        return not self.axes or self.turn >= self.turns or rest

    @property
    def candidates(self) -> tuple[Schedule, ...]:
        """The settings to try next, the present one first; only that when done."""
        if self.done:
            return (self.best,)
        axis = self.axes[self.at]
        if axis == "smooth":
            others = [replace(self.best, smooth=w) for w in SMOOTH if w != self.best.smooth]
            return (self.best, *others)
        f = FACTORS[axis] if self._rest[self.at] == 0 else FACTORS[axis] ** 0.5
        strides = (1.0 / f, f) if not self.heading else (f**self.heading, f ** (2 * self.heading))
        return (self.best, *(self._varied(axis, s) for s in strides))

    def _varied(self, axis: str, factor: float) -> Schedule:
        """`best` with one setting changed; a path of other length has as many relaxations."""
        new = _varied(self.best, axis, factor)
        if axis == "steps" and "friction" in self.axes:
            return replace(new, friction=new.friction / factor)
        return new

    @property
    def _rest(self) -> tuple[int, ...]:
        return self.settled or (0,) * len(self.axes)

    def absorb(
        self,
        schedule: Array,
        evaluations: Array,
        chance: Array,
        generalised_work: Array | None = None,
    ) -> PathTuner:
        """After a round: the next turn, or the same one where more paths are needed.

        Parameters
        ----------
        schedule : Array, shape (n,)
            Number of the candidate.
        evaluations : Array, shape (n,)
        chance : Array, shape (n,)
            Of each path to be a crossing, in [0, 1].
        generalised_work : Array, shape (n,), optional
            w of the paths that tried to cross, kT; NaN for the others.
        """
        if self.done:
            return self
        tried = self.candidates
        seen = Tally.of_paths(len(tried), schedule, evaluations, chance, generalised_work).table
        now = replace(
            self,
            seen=seen + self.seen if len(self.seen) else seen,
            held=self.held + 1,
            turn=self.turn + 1,
        )
        tally = Tally.of_table(now.seen)
        costs, spread = tally.costs(self.bridging)
        telling = spread <= BLIND
        waits = tally.crossings.sum() >= IN_SIGHT and now.held < PATIENCE
        if not telling.any():
            if generalised_work is not None and tally.tries.min() < FEWEST:
                # nobody tried: there is nothing to tune yet, or not to be told from so few
                return replace(now, turn=self.turn)
            return now if waits else now._step_without_crossings(tried, tally)
        if not telling[0] and waits:
            # a lucky candidate beats what has had no luck yet
            return now
        # the best of the others, and by how much it is better in ln cost
        k = 1 + int(np.argmin(np.where(telling, costs, np.inf)[1:]))
        if not telling[k]:
            return now._at_rest(float(costs[0]))
        if not np.isfinite(costs[0]):
            return now._moved(tried[k], k, float(costs[k]), WORTH)
        gain, noise = float(np.log(costs[0] / costs[k])), float(np.hypot(spread[0], spread[k]))
        if noise > max(VAGUE, abs(gain)) and now.held < PATIENCE:
            return now
        if gain > noise:
            return now._moved(tried[k], k, float(costs[k]), gain)
        return now._at_rest(float(costs[0]))

    def _next_turn(self) -> PathTuner:
        return replace(self, seen=_NOTHING, held=0)

    def _moved(self, best: Schedule, k: int, cost: float, gain: float) -> PathTuner:
        gained = self.gained + gain
        if self.axes[self.at] == "smooth":
            return replace(self, best=best, gained=gained)._at_rest(cost)
        heading = self.heading or (-1 if k == 1 else 1)
        return replace(self._next_turn(), best=best, cost=cost, heading=heading, gained=gained)

    def _at_rest(self, cost: float) -> PathTuner:
        rest = list(self._rest)
        # what rests where nothing crosses has to be looked at again
        rest[self.at] = rest[self.at] + 1 if np.isfinite(cost) else min(1, rest[self.at] + 1)
        if self.gained >= WORTH and rest[self.at] >= PASSES:
            rest = [n if i == self.at else min(n, PASSES - 1) for i, n in enumerate(rest)]
        order = [(self.at + i) % len(rest) for i in range(1, len(rest) + 1)]
        return replace(
            self._next_turn(),
            cost=cost if np.isfinite(cost) else self.cost,
            heading=0,
            gained=0.0,
            settled=tuple(rest),
            at=min(order, key=lambda i: (rest[i], order.index(i))),
        )

    def _step_without_crossings(self, tried: tuple[Schedule, ...], tally: Tally) -> PathTuner:
        """On to where the work is less, and to longer paths."""
        if tally.tries.min() >= FEWEST:
            score, error = tally.scores(per_evaluation=self.axes[self.at] == "dt")
            k = int(np.argmin(score))
            if score[0] - score[k] > max(WORTH, float(np.hypot(error[0], error[k]))):
                return self._moved(tried[k], k, float("nan"), WORTH)
        if self.axes[self.at] != "steps" and "steps" in self.axes:
            return self._at_rest(float("nan"))
        longer = self._at_rest(float("nan"))
        if "steps" not in self.axes:
            return longer
        return replace(longer, best=self._varied("steps", FACTORS["steps"] ** 2))

    def again(self) -> PathTuner:
        """The search anew from what it has found: where paths go to a state not known before."""
        fresh = self._next_turn()
        return replace(fresh, turn=0, at=0, heading=0, settled=(), gained=0.0, cost=float("nan"))


def _varied(s: Schedule, axis: str, factor: float) -> Schedule:
    if axis == "steps":
        return replace(s, steps_per_unit=s.steps_per_unit * factor)
    if axis == "kappa":
        return replace(s, g=replace(s.g, kappa=s.g.kappa * factor**2))
    if axis == "dt":
        # the same distance in the same time: only the integration changes
        return replace(s, dt=s.dt * factor, steps_per_unit=s.steps_per_unit / factor)
    return replace(s, friction=s.friction * factor)
