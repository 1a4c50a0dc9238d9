"""Tuning the switching paths during adaptation, against energy evaluations per crossing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from msgen.actors.base import Tree
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.systems.base import Array

AXES = ("steps", "kappa", "smooth", "friction", "dt")
"""What can be tuned."""
FACTORS = {"steps": 2.0, "kappa": 2.0, "friction": 8.0, "dt": 2.0}
"""Between neighbouring candidates; friction reaches from inertial to overdamped in few turns."""
SMOOTH = (0.0, 0.5, 1.0)
"""Candidates of `Schedule.smooth`."""
FEWEST = 8
"""Paths a candidate must have sent before it can win."""
PASSES = 2
"""Times that every axis must be found at rest, the second time with the root of its factor."""
BLIND = 0.5
"""Relative error of the crossings beyond which they say nothing: fewer than four count."""
IN_SIGHT = 2.0
"""Crossings of all candidates together from which on more paths are waited for to tell them apart:
a path of a length that crosses now and then is not to be taken for one that never does."""
VAGUE, PATIENCE = 0.2, 4
"""Relative error of a comparison that is waited for to become less, and rounds of waiting."""
MOST_WORK = 1e6
"""kT; what a path that broke is taken for."""
WORTH = 0.1
"""Gain in ln cost along one axis, late in the search, after which the others are tried again."""
_NOTHING = np.zeros((0, 7))


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
        Of this turn: paths, evaluations, crossings and their squares, tries and their ln(1 + w) and
        the squares of that; empty before its first round.
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
        self, schedule: Array, evaluations: Array, chance: Array, work: Array | None = None
    ) -> PathTuner:
        """After a round: the next turn, or the same one where more paths are needed.

        Parameters
        ----------
        schedule : Array, shape (n,)
            Number of the candidate.
        evaluations : Array, shape (n,)
        chance : Array, shape (n,)
            Of each path to be a crossing, in [0, 1].
        work : Array, shape (n,), optional
            w of the paths that tried to cross, kT; NaN for the others.
        """
        if self.done:
            return self
        tried = self.candidates
        ones, none = np.ones_like(chance), np.full_like(chance, np.nan)
        hard = np.log1p(np.clip(none if work is None else work, 0.0, MOST_WORK))
        tries, hard = np.where(np.isnan(hard), 0.0, ones), np.nan_to_num(hard)
        columns = (ones, evaluations, chance, chance**2, tries, hard, hard**2)
        number = schedule.astype(np.int64)
        sums = np.stack([np.bincount(number, c, len(tried)) for c in columns], axis=1)
        new = np.asarray(sums, dtype=np.float64)
        now = replace(
            self,
            seen=new + self.seen if len(self.seen) else new,
            held=self.held + 1,
            turn=self.turn + 1,
        )
        costs, spread = now._costs()
        telling = spread <= BLIND
        waits = now.seen[:, 2].sum() >= IN_SIGHT and now.held < PATIENCE
        if not telling.any():
            if work is not None and now.seen[:, 4].min() < FEWEST:
                # nobody tried: there is nothing to tune yet, or not to be told from so few
                return replace(now, turn=self.turn)
            return now if waits else now._groped(tried)
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

    def _costs(self) -> tuple[Array, Array]:
        """Cost of each candidate and its relative error; infinite where unknown."""
        n, evaluations, hits, squares = self.seen.T[:4]
        known = (n >= FEWEST) & (hits > 0)
        a = np.where(known, hits, 1.0) / np.maximum(n, 1.0)
        per_crossing = 1.0 / a - (2.0 if self.bridging else 0.0)
        costs = evaluations / np.maximum(n, 1.0) * np.maximum(per_crossing, 0.05)
        variance = np.maximum(squares / np.maximum(n, 1.0) - a**2, 0.0)
        spread = np.sqrt(variance / np.maximum(n, 1.0)) / a
        return np.where(known, costs, np.inf), np.where(known, spread, np.inf)

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

    def _groped(self, tried: tuple[Schedule, ...]) -> PathTuner:
        """Nothing crosses: on to where the work is less, and to longer paths."""
        n, evaluations = self.seen.T[:2]
        tries, hard, squares = self.seen.T[4:]
        if tries.min() >= FEWEST:
            score = hard / tries
            error = np.sqrt(np.maximum(squares / tries - score**2, 0.0) / tries)
            if self.axes[self.at] == "dt":
                # what a shorter step spares has to be worth its evaluations: w goes as 1/length
                score = score + np.log(evaluations / n)
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

    def tree(self) -> Tree:
        return {
            "best": self.best.tree(),
            "axes": list(self.axes),
            "turn": self.turn,
            "turns": self.turns,
            "cost": self.cost,
            "bridging": self.bridging,
            "at": self.at,
            "heading": self.heading,
            "settled": np.array(self.settled, dtype=np.int64),
            "gained": self.gained,
            "seen": self.seen,
            "held": self.held,
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> PathTuner:
        return cls(
            Schedule.from_tree(tree["best"]),
            tuple(tree["axes"]),
            int(tree["turn"]),
            int(tree["turns"]),
            float(tree["cost"]),
            bool(tree["bridging"]),
            # a checkpoint of another version knows nothing of the search: it begins anew
            int(tree.get("at", 0)),
            int(tree.get("heading", 0)),
            tuple(int(n) for n in tree.get("settled", ())),
            float(tree.get("gained", 0.0)),
            np.asarray(tree.get("seen", ()), dtype=np.float64).reshape(-1, 7),
            int(tree.get("held", 0)),
        )


def _varied(s: Schedule, axis: str, factor: float) -> Schedule:
    if axis == "steps":
        return replace(s, steps_per_unit=s.steps_per_unit * factor)
    if axis == "kappa":
        return replace(s, g=replace(s.g, kappa=s.g.kappa * factor**2))
    if axis == "dt":
        # the same distance in the same time: only the integration changes
        return replace(s, dt=s.dt * factor, steps_per_unit=s.steps_per_unit / factor)
    return replace(s, friction=s.friction * factor)
