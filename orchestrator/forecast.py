"""What a campaign takes at the least before it can say anything, from its file and a measured step.

How long states take to mix nobody knows beforehand; what comes before the first estimate, and what
`converged` asks for at the least, is known: the search, the shortest adaptation, and the rounds of
production that every campaign holds. A budget below it is told before anything starts.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from msgen.orchestrator.reporting.words import count, duration

if TYPE_CHECKING:
    from msgen.orchestrator.schema import Campaign
    from msgen.orchestrator.validate import Checked

TRIALS = 3
"""Batches of configurations whose energies are timed."""
ENOUGH_S = 5.0
"""Seconds after which no further one is timed."""
LARGEST_BATCH = 64
"""Configurations in each, at most."""


@dataclass(frozen=True)
class Least:
    """Energy evaluations that a campaign takes at the least.

    Attributes
    ----------
    search : int
        Of the search for states, or of seeding windows.
    stretch : int
        Of a stretch of local moves of all walkers, which is a round of the adaptation.
    adaptation : int
        Rounds.
    stretches : int
        In a round of production.
    production, rounds : int
        Rounds of production, and of all, before `converged` can be said.
    """

    search: int
    stretch: int
    adaptation: int
    stretches: int
    production: int
    rounds: int

    @classmethod
    def of(cls, campaign: Campaign) -> Least:
        """By what the strategy's section says; of several, that of the one that takes the least."""
        strategy = campaign.strategy
        if nested := strategy.nested(campaign):
            return min((cls.of(one) for one in nested.values()), key=lambda least: least.converged)
        return cls(
            strategy.search_evaluations(campaign),
            strategy.stretch(campaign),
            strategy.least_adaptation(campaign),
            strategy.stretches,
            strategy.least_production(),
            strategy.least_rounds(campaign),
        )

    @property
    def first_estimate(self) -> int:
        """Before the first free energy."""
        return self._after(1)

    @property
    def converged(self) -> int:
        """Before `converged` can be said."""
        return self._after(self.production)

    def _after(self, production: int) -> int:
        """And so many rounds of production."""
        return self.search + self.stretch * (self.adaptation + production * self.stretches)


@dataclass(frozen=True)
class Forecast:
    """What a campaign takes at the least, here.

    Attributes
    ----------
    campaign : Campaign
    least : Least
    seconds : float
        Of an energy evaluation on one worker.
    workers : int
    """

    campaign: Campaign
    least: Least
    seconds: float
    workers: int

    @classmethod
    def of(cls, checked: Checked) -> Forecast:
        """Measured here and now."""
        campaign = checked.campaign
        return cls(campaign, Least.of(campaign), seconds_each(checked), _workers(campaign))

    @property
    def first_result(self) -> str:
        """When there can be one, in words."""
        seconds = self._takes(self.least.first_estimate)
        some = f"{seconds:.1g} s" if seconds < 1 else duration(seconds)
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return (
            f"not before {count(self.least.first_estimate)} energy evaluations, {some} of sampling "
            f"on {workers} at the least"
        )

    def warnings(self) -> list[str]:
        """Limits of the budget below what the plan takes at the least, each with a remedy."""
        budget, least, out = self.campaign.budget, self.least, []
        if budget.energy_evaluations < least.converged:
            out.append(
                f"budget.energy_evaluations {budget.energy_evaluations:,} is below the "
                f"{least.converged:,} that come before `converged` can be said at the earliest: "
                "give more, fewer replicas, or shorter stretches (strategy.local.steps)"
            )
        if budget.rounds is not None and budget.rounds < least.rounds:
            out.append(
                f"budget.rounds {budget.rounds} ends before `converged` can be said, after "
                f"{least.rounds} rounds at the earliest: give more"
            )
        takes = self._takes(least.converged)
        if budget.wall is not None and budget.wall < takes:
            out.append(
                f"budget.wall {duration(budget.wall)} is below the {duration(takes)} that this "
                "plan takes here at the least: give more, or more workers"
            )
        return out

    def _takes(self, evaluations: int) -> float:
        return self.seconds * evaluations / self.workers


def seconds_each(checked: Checked) -> float:
    """Of an energy evaluation on one worker, measured here and now."""
    campaign, system = checked.campaign, checked.system
    if campaign.through_openmm:
        from msgen.systems.openmm.system import OpenMMSystem  # which an analytic system needs not

        assert isinstance(system, OpenMMSystem)
        if str(campaign.spec_system().get("platform", "auto")) == "auto":
            choice = system.fastest_platform()
            return choice.us_per_step[choice.name] * 1e-6
        return system.speed(system.platform_name) * 1e-6
    number = min(LARGEST_BATCH, campaign.first_replicas)
    taken: list[float] = []
    if campaign.has_atoms:  # whose configurations are calculated one by one, and may be dear
        number = 1
    walkers = system.initial().take(np.zeros(number, dtype=np.int64))
    while len(taken) < TRIALS and sum(taken) < ENOUGH_S:
        began = time.perf_counter()
        system.energy_and_force(walkers)
        checked.cvs.value_and_gradient(walkers.positions)
        taken.append(time.perf_counter() - began)
    return min(taken) / number


def _workers(campaign: Campaign) -> int:
    resources = campaign.resources
    if campaign.executor == "inline":
        return 1
    if resources.workers == "auto":
        return max(1, (os.cpu_count() or 1) // resources.cpus_per_worker)
    return resources.workers
