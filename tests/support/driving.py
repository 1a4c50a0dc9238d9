"""A strategy stepped by hand: no ray, no disk and no clock, only one worker and the rule of lag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from places import CONFIGS

from msgen.actors.base import Segment, Tree, WorkOrder, copy_tree, encode
from msgen.actors.worker import Worker
from msgen.orchestrator import strategies
from msgen.orchestrator.base import Estimate, StepPlan, Strategy
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system
from msgen.systems.base import CVSet, System


def setup_of(
    config: str, *overrides: str, probed: bool = False
) -> tuple[Strategy[Any], Tree, System, CVSet]:
    """The strategy of a shipped campaign, its workers' setup, its system and its CVs.

    `probed`: with the probes that a campaign makes beside its strategy.
    """
    return begun(load_campaign(CONFIGS / f"{config}.yaml", overrides), probed=probed)


def begun(campaign: Campaign, *, probed: bool = False) -> tuple[Strategy[Any], Tree, System, CVSet]:
    """The same of a campaign whose files lie where the shipped ones do."""
    system = build_system(campaign.spec_system(), CONFIGS)
    cvs = build_cvs(campaign.spec_cvs(), system, CONFIGS)
    campaign = campaign.strategy.settled(campaign, CONFIGS, system, cvs)
    setup: Tree = {
        "system": campaign.spec_system(),
        "cvs": campaign.spec_cvs(),
        "base_dir": str(CONFIGS),
        "platform": None,
        "threads": 1,
        **strategies.workers_settings(campaign),
    }
    build = strategies.build_probed if probed else strategies.build
    return build(campaign, system, cvs, base_dir=CONFIGS), setup, system, cvs


@dataclass
class Step:
    """What happened in one round: the plan, what came back, what was absorbed, what followed."""

    before: Any
    plan: StepPlan
    segments: list[Segment]
    absorbed: list[Segment]
    after: Any


@dataclass
class Drive:
    """Executes whatever the strategy decides; fits are absorbed `lag` rounds after they began."""

    strategy: Strategy[Any]
    worker: Worker
    system: System
    cvs: CVSet
    lag: int = 1
    state: Any = None
    steps: list[Step] = field(default_factory=list)
    waiting: list[tuple[int, Segment]] = field(default_factory=list)

    @classmethod
    def of(cls, config: str, *overrides: str, lag: int = 1, probed: bool = False) -> Drive:
        strategy, setup, system, cvs = setup_of(config, *overrides, probed=probed)
        return cls(strategy, Worker(setup), system, cvs, lag).started()

    @classmethod
    def along(cls, campaign: Campaign) -> Drive:
        """Of a campaign that is not shipped."""
        strategy, setup, system, cvs = begun(campaign)
        return cls(strategy, Worker(setup), system, cvs).started()

    def started(self) -> Drive:
        self.state = self.stored(self.strategy.start())
        return self

    def stored(self, state: Any) -> Any:
        """A state as it comes back from a checkpoint."""
        return self.strategy.read(copy_tree(encode(state)))

    @property
    def problem(self) -> Any:
        return vars(self.strategy)["problem"]

    def run(self, plan: StepPlan, orders: Sequence[WorkOrder]) -> list[Segment]:
        for version, model in plan.models.items():
            self.worker.publish(version, encode(model))
        return [self.worker.execute(order) for order in orders]

    def step(self) -> Step:
        rnd = len(self.steps)
        before = self.stored(self.state)
        plan = self.strategy.decide(self.state)
        assert all(order.round == rnd for order in (*plan.orders, *plan.fits))
        segments = self.run(plan, plan.orders)
        self.waiting += [(rnd + self.lag, fit) for fit in self.run(plan, plan.fits)]
        due = [fit for when, fit in self.waiting if when <= rnd]
        self.waiting = [(when, fit) for when, fit in self.waiting if when > rnd]
        absorbed = sorted([*segments, *due], key=lambda s: s.key)
        self.state = self.stored(self.strategy.absorb(self.state, absorbed))
        self.steps.append(Step(before, plan, segments, absorbed, self.stored(self.state)))
        return self.steps[-1]

    def until(self, phase: str, most: int = 60) -> Drive:
        """Step until the state is in `phase`."""
        while self.state.phase != phase:
            assert len(self.steps) < most, f"{phase} not reached in {most} rounds"
            self.step()
        return self

    def produce(self, rounds: int) -> Drive:
        """Reach production and stay for `rounds` rounds of it."""
        self.until("produce")
        for _ in range(rounds):
            self.step()
        return self

    def converge(self, most: int = 80) -> Estimate:
        """Step until the strategy calls itself converged."""
        while len(self.steps) < most:
            self.step()
            if self.state.phase == "produce":
                estimate = self.strategy.estimate(self.state)
                if estimate.converged:
                    return estimate
        raise AssertionError(f"not converged after {most} rounds: {estimate.unmet}")


def same(a: Any, b: Any) -> bool:
    """Whether two trees (or states, or orders' payloads) are equal bit for bit."""
    a, b = encode(a), encode(b)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b or (a != a and b != b))
