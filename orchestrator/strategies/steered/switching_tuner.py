"""Tuning the switching paths during adaptation, against energy evaluations per crossing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from msgen.actors.codec import FLAT
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.strategies.steered.path_trials import (
    FEWEST,
    PathRound,
    PathTrials,
    evaluations_per_crossing,
)
from msgen.orchestrator.strategies.steered.pattern_search import WORTH, PatternSearch
from msgen.orchestrator.strategies.steered.tuning_price import TuningPrice

BLIND = 0.5
"""Relative error of the crossings beyond which they say nothing: fewer than four count."""
IN_SIGHT = 2.0
"""Crossings of all candidates together from which on more paths are waited for to tell them apart:
a path of a length that crosses now and then is not to be taken for one that never does."""
SURE = 2.0
"""Errors by which paths must be better that are not shorter as well."""
RARE, LIKELY = 0.05, 1.0
"""Chance of a crossing below which the second of `SURE` does: a path that is twice too long by luck
costs twice as much there at worst, and one that stays too short far more."""
SHORTER = 0.9
"""Of the present length, below which paths are shorter."""
UNSTABLE = 0.5
"""Share of broken paths above which, where nothing crosses, their time step is too long."""
VAGUE, PATIENCE = 0.1, 4
"""Error of what is saved that is waited for to become less, and rounds of waiting; twice as many
for what seems to save as much as is hoped for."""
HOPE = 0.5
"""Share that is hoped to be saved by what was not tried yet."""


@dataclass(frozen=True)
class PathTuner:
    """A pattern search over the path's settings, as long as it pays.

    The cost of a setting is in evaluations, not acceptance, which longer paths always raise. For a
    chain it is evaluations per crossing, n/a with n the evaluations of a path and a its chance to
    be an accepted crossing; a path that breaks has cost evaluations and crosses nothing. Where
    paths only bridge states it is what their error costs: with a = ⟨1/(1 + e^{w−ΔF})⟩, BAR's
    variance from m paths goes as (1/a − 2)/m (Bennett, J. Comput. Phys. 22, 245, 1976), so that
    n·(1/a − 2) is error² × evaluations; the two agree where crossings are rare. As long as nothing
    crosses the mean of ln(1 + w) over paths that tried to takes the place of the cost, and that of
    ln(1 + w) + ln n between time steps.

    n·(1/a − 2) does not change any more where paths are so long that their work goes as 1/n, and
    the shortest paths cross at the least cost where few do. What a campaign saves by paths depends
    on what else it has to sample with each, and where that is known candidates are compared by it
    (`TuningPrice.production`). What is longer must be better by
    `SURE` errors, what is shorter need only not be worse. A comparison goes on, and the next one
    begins, only while its price is paid from what it may save, and the adaptation stays within its
    share of the campaign.

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
    paid : bool
        Whether the search ended because more of it does not pay.
    """

    search: Annotated[PatternSearch, FLAT]
    turn: int = 0
    turns: int = 6
    cost: float = float("nan")
    bridging: bool = False
    seen: PathTrials | None = None
    held: int = 0
    paid: bool = False

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
        return self.search.at_rest or self.turn >= self.turns or self.paid

    @property
    def candidates(self) -> tuple[Schedule, ...]:
        """The settings to try next, the present one first; only that when done."""
        return (self.best,) if self.done else self.search.candidates

    def absorb(
        self, paths: PathRound, replicas: int, price: TuningPrice | None = None
    ) -> PathTuner:
        """After a round: the next turn, the same one where more paths are needed, or the end.

        Parameters
        ----------
        paths : PathRound
        replicas : int
            How many there are to have sent them.
        price : TuningPrice, optional
            Of another round; without one nothing but `turns` ends the search early.
        """
        if self.done:
            return self
        trials = PathTrials.of_round(len(self.candidates), replicas, paths)
        if self.seen is not None:
            trials = trials + self.seen
        now = replace(self, seen=trials, held=self.held + 1, turn=self.turn + 1)
        telling = trials.spread <= BLIND
        # paths that crossed before were out of luck
        crosses = trials.crossings.sum() >= IN_SIGHT or np.isfinite(self.cost)
        waits = bool(crosses and now.held < PATIENCE)
        if telling.any():
            # a lucky candidate beats what has had no luck yet
            return now if waits and not telling[0] else now._compared(trials, price)
        if paths.broken > UNSTABLE and "dt" in self.search.axes:
            # of their length and all else such paths say nothing
            return now._on(self.search.steadier())
        tried = paths.generalised_work is not None
        if tried and trials.total.tries.min() < FEWEST:
            # nobody tried: there is nothing to tune yet, or not to be told from so few
            return replace(now, turn=self.turn)
        return now if waits else now._step_without_crossings(trials)

    def again(self) -> PathTuner:
        """The search anew from what it has found: where paths go to a state not known before."""
        fresh = self._on(self.search.again())
        return replace(fresh, turn=0, cost=float("nan"), paid=False)

    def _compared(self, trials: PathTrials, price: TuningPrice | None) -> PathTuner:
        """On from what the candidates are worth, or to more paths of them."""
        measure = evaluations_per_crossing if price is None else price.production
        telling, lengths = trials.spread <= BLIND, trials.lengths
        saved, noise = trials.compared(self.bridging, measure)
        shorter = lengths < SHORTER * lengths[0]
        sure = SURE if trials.chance >= RARE else LIKELY
        better = np.where(shorter, saved >= 0.0, saved > sure * noise) & telling
        told = (noise <= VAGUE) | (np.abs(saved) > sure * noise) | ~telling
        better[0], told[0] = False, True
        patience = 2 * PATIENCE if saved[~told].max(initial=0.0) >= HOPE else PATIENCE
        if not told.all() and self.held < patience:
            at_best = float(np.max((saved + sure * noise)[~told]))
            if self._pays(self.search.candidates, trials, 0, price, min(at_best, 1.0)):
                return self
        costs = lengths * trials.per_crossing(self.bridging)
        k = int(np.argmax(np.where(better, saved, -np.inf))) if better.any() else 0
        if k > 0:
            next_ = self._moved(k, costs[k], saved[k])
        else:
            next_ = self._rested(costs[0], sure=bool(told.all() or sure == SURE))
        if next_.done or self._pays(next_.candidates, trials, k, price):
            return next_
        return replace(next_, paid=True)

    def _pays(
        self,
        tried: tuple[Schedule, ...],
        trials: PathTrials,
        k: int,
        price: TuningPrice | None,
        saved: float | None = None,
    ) -> bool:
        """Whether a round of `tried` is within the price, by what candidate `k` has shown.

        `saved`: share of production that may be saved, at best; where nothing is known, what is
        hoped for of all that paths can spare.
        """
        length, per_crossing = trials.lengths[k], trials.per_crossing(self.bridging)[k]
        if price is None or not np.isfinite(per_crossing):
            return True
        steps = np.array([s.steps_per_unit for s in tried])
        round_ = price.round(length * (steps / steps[0] if steps[0] > 0 else np.ones(len(steps))))
        production = float(price.production(length, per_crossing, float(trials.spread[k])))
        at_best = HOPE * (production - price.in_any_case) if saved is None else saved * production
        return price.allows(round_, production) and round_ < at_best

    def _on(self, search: PatternSearch) -> PathTuner:
        """The next turn."""
        return replace(self, search=search, seen=None, held=0)

    def _moved(self, k: int, cost: float, gain: float) -> PathTuner:
        cost, known = float(cost), bool(np.isfinite(cost))
        keeps = self.search.axis == "smooth" and not known
        on = self._on(self.search.moved(k, float(gain), known))
        return replace(on, cost=self.cost if keeps else cost)

    def _rested(self, cost: float, sure: bool = True) -> PathTuner:
        known = bool(np.isfinite(cost))
        cost = float(cost) if known else self.cost
        return replace(self._on(self.search.rested(known and sure)), cost=cost)

    def _step_without_crossings(self, trials: PathTrials) -> PathTuner:
        """On to where the work is less, and to longer paths."""
        if trials.total.tries.min() >= FEWEST:
            score, error = trials.scores(per_evaluation=self.search.axis == "dt")
            k = int(np.argmin(score))
            if score[0] - score[k] > max(WORTH, float(np.hypot(error[0], error[k]))):
                return self._moved(k, float("nan"), WORTH)
        rested = self._rested(float("nan"))
        if self.search.axis != "steps" and "steps" in self.search.axes:
            return rested
        return replace(rested, search=rested.search.lengthened())
