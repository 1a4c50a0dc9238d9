"""Tuning the switching paths during adaptation, against energy evaluations per crossing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from msgen.actors.codec import FLAT
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.strategies.steered.path_trials import FEWEST, PathTrials
from msgen.orchestrator.strategies.steered.pattern_search import WORTH, PatternSearch
from msgen.systems.base import Array

BLIND = 0.5
"""Relative error of the crossings beyond which they say nothing: fewer than four count."""
IN_SIGHT = 2.0
"""Crossings of all candidates together from which on more paths are waited for to tell them apart:
a path of a length that crosses now and then is not to be taken for one that never does."""
VAGUE, PATIENCE = 0.2, 4
"""Relative error of a comparison that is waited for to become less, and rounds of waiting."""


@dataclass(frozen=True)
class PathTuner:
    """A pattern search over the path's settings; a turn takes more than one round where the
    candidates cannot be told apart yet.

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
    search : PatternSearch
        The setting found so far, and what is tried next.
    turn : int
        Rounds of tuning done.
    turns : int
        Most rounds of tuning.
    bridging : bool
        Whether paths only bridge states.
    cost : float
        Evaluations per crossing of `best` when last measured.
    seen : PathTrials or None
        Of this turn; None before its first round.
    held : int
        Rounds of this turn.
    """

    search: Annotated[PatternSearch, FLAT]
    turn: int = 0
    turns: int = 6
    cost: float = float("nan")
    bridging: bool = False
    seen: PathTrials | None = None
    held: int = 0

    @classmethod
    def begin(
        cls, first: Schedule, axes: Iterable[str], *, turns: int = 6, bridging: bool = False
    ) -> PathTuner:
        """Of which nothing was tried yet."""
        return cls(PatternSearch(first, tuple(axes)), turns=turns, bridging=bridging)

    @property
    def best(self) -> Schedule:
        """The setting found so far."""
        return self.search.best

    @property
    def done(self) -> bool:
        """Whether nothing is tried any more."""
        return self.search.at_rest or self.turn >= self.turns

    @property
    def candidates(self) -> tuple[Schedule, ...]:
        """The settings to try next, the present one first; only that when done."""
        return (self.best,) if self.done else self.search.candidates

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
        n = len(self.candidates)
        seen = PathTrials.of_paths(n, schedule, evaluations, chance, generalised_work)
        trials = seen if self.seen is None else seen + self.seen
        now = replace(self, seen=trials, held=self.held + 1, turn=self.turn + 1)
        costs, spread = trials.costs(self.bridging)
        telling = spread <= BLIND
        waits = trials.crossings.sum() >= IN_SIGHT and now.held < PATIENCE
        if not telling.any():
            if generalised_work is not None and trials.tries.min() < FEWEST:
                # nobody tried: there is nothing to tune yet, or not to be told from so few
                return replace(now, turn=self.turn)
            return now if waits else now._step_without_crossings(trials)
        if not telling[0] and waits:
            # a lucky candidate beats what has had no luck yet
            return now
        # the best of the others, and by how much it is better in ln cost
        k = 1 + int(np.argmin(np.where(telling, costs, np.inf)[1:]))
        if not telling[k]:
            return now._rested(float(costs[0]))
        if not np.isfinite(costs[0]):
            return now._moved(k, float(costs[k]), WORTH)
        gain, noise = float(np.log(costs[0] / costs[k])), float(np.hypot(spread[0], spread[k]))
        if noise > max(VAGUE, abs(gain)) and now.held < PATIENCE:
            return now
        if gain > noise:
            return now._moved(k, float(costs[k]), gain)
        return now._rested(float(costs[0]))

    def again(self) -> PathTuner:
        """The search anew from what it has found: where paths go to a state not known before."""
        return replace(self._on(self.search.again()), turn=0, cost=float("nan"))

    def _on(self, search: PatternSearch) -> PathTuner:
        """The next turn."""
        return replace(self, search=search, seen=None, held=0)

    def _moved(self, k: int, cost: float, gain: float) -> PathTuner:
        known = bool(np.isfinite(cost))
        keeps = self.search.axis == "smooth" and not known
        on = self._on(self.search.moved(k, gain, known))
        return replace(on, cost=self.cost if keeps else cost)

    def _rested(self, cost: float) -> PathTuner:
        known = bool(np.isfinite(cost))
        return replace(self._on(self.search.rested(known)), cost=cost if known else self.cost)

    def _step_without_crossings(self, trials: PathTrials) -> PathTuner:
        """On to where the work is less, and to longer paths."""
        if trials.tries.min() >= FEWEST:
            score, error = trials.scores(per_evaluation=self.search.axis == "dt")
            k = int(np.argmin(score))
            if score[0] - score[k] > max(WORTH, float(np.hypot(error[0], error[k]))):
                return self._moved(k, float("nan"), WORTH)
        rested = self._rested(float("nan"))
        if self.search.axis != "steps" and "steps" in self.search.axes:
            return rested
        return replace(rested, search=rested.search.lengthened())
