"""Tuning the switching paths during adaptation, against evaluations per crossing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from msgen.actors.base import Tree
from msgen.actors.engine import Schedule
from msgen.systems.base import Array

AXES = ("steps", "kappa", "smooth", "friction", "dt")
"""What can be tuned."""
FEWEST = 8
"""Paths a candidate must have sent before it can win."""


@dataclass(frozen=True)
class PathTuner:
    """Coordinate search over the path's settings, one axis a round, three candidates each.

    The cost of a setting is in evaluations, not acceptance, which longer paths always raise. For a
    chain it is evaluations per crossing, steps/a with a the chance of a path to be an accepted
    crossing. Where paths only bridge states it is what their error costs: with
    a = ⟨1/(1 + e^{w−ΔF})⟩, BAR's variance from n paths goes as (1/a − 2)/n (Bennett, J. Comput.
    Phys. 22, 245, 1976), so that steps·(1/a − 2) is error² × evaluations; the two agree where
    crossings are rare.

    Attributes
    ----------
    best : Schedule
        The setting found so far.
    axes : tuple of str
        What is tuned; what the campaign fixes is not.
    turn : int
        Rounds of tuning done.
    turns : int
        Rounds of tuning wanted.
    bridging : bool
        Whether paths only bridge states.
    cost : float
        Evaluations per crossing of `best` when last measured.
    factor : float
        Between neighbouring candidates; its root in the last sweep over the axes.
    """

    best: Schedule
    axes: tuple[str, ...]
    turn: int = 0
    turns: int = 6
    cost: float = float("nan")
    factor: float = 2.0
    bridging: bool = False

    @property
    def done(self) -> bool:
        return not self.axes or self.turn >= self.turns

    @property
    def candidates(self) -> tuple[Schedule, ...]:
        """The settings to try next; only `best` when done."""
        if self.done:
            return (self.best,)
        axis = self.axes[self.turn % len(self.axes)]
        last_sweep = self.turn >= self.turns - len(self.axes)
        factor = self.factor**0.5 if last_sweep else self.factor
        return tuple(_varied(self.best, axis, f) for f in (1.0, 1.0 / factor, factor))

    def absorb(self, schedule: Array, steps: Array, acceptance: Array) -> PathTuner:
        """The next turn, from paths of each candidate.

        Parameters
        ----------
        schedule : Array, shape (n,)
            Number of the candidate.
        steps : Array, shape (n,)
        acceptance : Array, shape (n,)
            Chance of each path to be a crossing, in [0, 1].
        """
        if self.done:
            return self
        tried = self.candidates
        costs, spread = np.full(len(tried), np.inf), np.full(len(tried), np.inf)
        for k in range(len(tried)):
            mine = schedule == k
            if mine.sum() >= FEWEST and acceptance[mine].sum() > 0:
                spread[k] = acceptance[mine].std() / acceptance[mine].mean() / np.sqrt(mine.sum())
                per_crossing = 1.0 / acceptance[mine].mean() - (2.0 if self.bridging else 0.0)
                costs[k] = steps[mine].mean() * max(per_crossing, 0.05)
        if not np.isfinite(costs).any():
            # nothing crosses yet: longer paths or a smaller time step, whichever may be tuned
            remedies = [a for a in ("steps", "dt") if a in self.axes]
            if not remedies:
                return replace(self, turn=self.turn + 1)
            axis = remedies[self.turn % len(remedies)]
            factor = self.factor if axis == "steps" else 1.0 / self.factor
            return replace(self, best=_varied(self.best, axis, factor), turn=self.turn + 1)
        k = int(np.argmin(costs))
        if np.isfinite(costs[0]) and np.log(costs[0] / costs[k]) < np.hypot(spread[0], spread[k]):
            k = 0  # no better than the present setting beyond the noise
        return replace(self, best=tried[k], turn=self.turn + 1, cost=float(costs[k]))

    def tree(self) -> Tree:
        return {
            "best": self.best.tree(),
            "axes": list(self.axes),
            "turn": self.turn,
            "turns": self.turns,
            "cost": self.cost,
            "factor": self.factor,
            "bridging": self.bridging,
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> PathTuner:
        return cls(
            Schedule.from_tree(tree["best"]),
            tuple(tree["axes"]),
            int(tree["turn"]),
            int(tree["turns"]),
            float(tree["cost"]),
            float(tree["factor"]),
            bool(tree["bridging"]),
        )


def _varied(s: Schedule, axis: str, factor: float) -> Schedule:
    if axis == "steps":
        return replace(s, steps_per_unit=s.steps_per_unit * factor)
    if axis == "kappa":
        return replace(s, g=replace(s.g, kappa=s.g.kappa * factor**2))
    if axis == "smooth":
        # towards either end of [0, 1]
        return replace(s, smooth={1.0: s.smooth}.get(factor, float(factor > 1.0)))
    if axis == "dt":
        # the same distance in the same time: only the integration changes
        return replace(s, dt=s.dt * factor, steps_per_unit=s.steps_per_unit / factor)
    if factor < 1.0:
        return replace(s, friction=s.friction / 4.0)
    return replace(s, friction=s.friction * 4.0) if factor > 1.0 else s
