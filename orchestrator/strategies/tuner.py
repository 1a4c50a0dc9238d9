"""Tuning the switching paths during adaptation, against energy evaluations per crossing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from msgen.actors.base import Tree
from msgen.actors.engine import Schedule
from msgen.systems.base import Array

AXES = ("steps", "kappa", "smooth", "friction", "dt")
"""What can be tuned."""
FACTORS = {"steps": 2.0, "kappa": 2.0, "friction": 8.0, "dt": 2.0**0.5}
"""Between neighbouring candidates; friction reaches from inertial to overdamped in few turns."""
SMOOTH = (0.0, 0.5, 1.0)
"""Candidates of `Schedule.smooth`."""
FEWEST = 8
"""Paths a candidate must have sent before it can win."""
PASSES = 2
"""Times that every axis must be found at rest, the second time with the root of its factor."""
BLIND = 0.5
"""Relative error of the crossings beyond which they say nothing: fewer than four count."""
VAGUE, PATIENCE = 0.2, 4
"""Relative error of a comparison that is waited for to become less, and rounds of waiting."""
HOPELESS = 1e-3
"""Crossings of all candidates together below which waiting for more is vain."""
WORTH = 0.1
"""Gain in ln cost along one axis, late in the search, after which the others are tried again."""


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
    n·(1/a − 2) is error² × evaluations; the two agree where crossings are rare.

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
    seen : Array, shape (candidates, 4)
        Of this turn: paths, evaluations, crossings and their squares; empty before its first round.
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
    seen: Array = field(default_factory=lambda: np.zeros((0, 4)))
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
        return (self.best, *(_varied(self.best, axis, s) for s in strides))

    @property
    def _rest(self) -> tuple[int, ...]:
        return self.settled or (0,) * len(self.axes)

    def absorb(self, schedule: Array, evaluations: Array, chance: Array) -> PathTuner:
        """After a round: the next turn, or the same one where more paths are needed.

        Parameters
        ----------
        schedule : Array, shape (n,)
            Number of the candidate.
        evaluations : Array, shape (n,)
        chance : Array, shape (n,)
            Of each path to be a crossing, in [0, 1].
        """
        if self.done:
            return self
        tried = self.candidates
        columns = (np.ones_like(chance), evaluations, chance, chance**2)
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
        if not telling.any():
            wait = now.held < PATIENCE and now.seen[:, 2].sum() > HOPELESS
            return now if wait else now._lengthened()
        if not telling[0]:
            k = int(np.argmin(np.where(telling, costs, np.inf)))
            return now._moved(tried[k], k, float(costs[k]), WORTH)
        # the best of the others, and by how much it is better in ln cost
        k = 1 + int(np.argmin(np.where(telling, costs, np.inf)[1:]))
        if not telling[k]:
            return now._at_rest(float(costs[0]))
        gain, noise = float(np.log(costs[0] / costs[k])), float(np.hypot(spread[0], spread[k]))
        if noise > max(VAGUE, abs(gain)) and now.held < PATIENCE:
            return now
        if gain > noise:
            return now._moved(tried[k], k, float(costs[k]), gain)
        return now._at_rest(float(costs[0]))

    def _costs(self) -> tuple[Array, Array]:
        """Cost of each candidate and its relative error; infinite where unknown."""
        n, evaluations, hits, squares = self.seen.T
        known = (n >= FEWEST) & (hits > 0)
        a = np.where(known, hits, 1.0) / np.maximum(n, 1.0)
        per_crossing = 1.0 / a - (2.0 if self.bridging else 0.0)
        costs = evaluations / np.maximum(n, 1.0) * np.maximum(per_crossing, 0.05)
        variance = np.maximum(squares / np.maximum(n, 1.0) - a**2, 0.0)
        spread = np.sqrt(variance / np.maximum(n, 1.0)) / a
        return np.where(known, costs, np.inf), np.where(known, spread, np.inf)

    def _next_turn(self) -> PathTuner:
        return replace(self, seen=np.zeros((0, 4)), held=0)

    def _moved(self, best: Schedule, k: int, cost: float, gain: float) -> PathTuner:
        gained = self.gained + gain
        if self.axes[self.at] == "smooth":
            return replace(self, best=best, gained=gained)._at_rest(cost)
        heading = self.heading or (-1 if k == 1 else 1)
        return replace(self._next_turn(), best=best, cost=cost, heading=heading, gained=gained)

    def _at_rest(self, cost: float) -> PathTuner:
        rest = list(self._rest)
        rest[self.at] += 1
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

    def _lengthened(self) -> PathTuner:
        """Nothing crosses: longer paths and a smaller time step in turn, whichever may be tuned."""
        remedies = [a for a in ("steps", "dt") if a in self.axes]
        if not remedies:
            return self._at_rest(float("nan"))
        axis = remedies[self.turn % len(remedies)]
        factor = FACTORS[axis] ** 2 if axis == "steps" else 1.0 / FACTORS[axis]
        best = _varied(self.best, axis, factor)
        if axis == "steps" and "friction" in self.axes:
            # as many relaxations on the way as before
            best = replace(best, friction=best.friction / factor)
        return replace(self._next_turn(), best=best, heading=0)

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
            np.asarray(tree.get("seen", ()), dtype=np.float64).reshape(-1, 4),
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
