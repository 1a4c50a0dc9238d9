"""Transition paths of the double well stepped by hand, on what an exact run would have told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from driving import same
from dynamics_by_hand import exact_of
from places import CONFIGS

from msgen.actors.base import Segment, copy_tree, encode
from msgen.actors.worker import Worker
from msgen.orchestrator import strategies
from msgen.orchestrator.strategies.transition_paths.state import PathState
from msgen.orchestrator.strategies.transition_paths.strategy import Paths, strategy_of
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system

STEP = 0.004
FILE = CONFIGS / "examples" / "transition_paths_double_well.yaml"
QUICK = (
    f"strategy.local.step_size={STEP}",
    "strategy.local.steps=200",
    "strategy.shots=8",
    "model={kind: realnvp, transforms: 3, hidden: [16], epochs: 8}",
    "output.stride=10",
)


@dataclass
class ByHand:
    """A worker does what is decided; every state goes by way of a checkpoint."""

    strategy: Paths
    worker: Worker
    state: PathState = field(init=False)
    kinds: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = self.stored(self.strategy.start())

    @classmethod
    def of(cls, *overrides: str) -> ByHand:
        campaign = load_campaign(FILE, [*QUICK, *overrides])
        system = build_system(campaign.spec_system(), CONFIGS)
        cvs = build_cvs(campaign.spec_cvs(), system, CONFIGS)
        problem = strategies.problem_of(campaign, system, cvs)
        setup: dict[str, Any] = {
            "system": campaign.spec_system(),
            "cvs": campaign.spec_cvs(),
            "strategy": campaign.spec_strategy(),
            "model": campaign.spec_model(),
            "seed": campaign.seed,
            "threads": 1,
        }
        return cls(strategy_of(problem, system, campaign, exact_of(problem)), Worker(setup))

    def stored(self, state: PathState) -> PathState:
        """As it comes back from a checkpoint."""
        back = self.strategy.read(copy_tree(encode(state)))
        assert same(back, state)
        return back

    def step(self) -> list[Segment]:
        plan = self.strategy.decide(self.state)
        assert plan.orders
        for version, model in plan.models.items():
            self.worker.publish(version, encode(model))
        segments = [self.worker.execute(order) for order in plan.orders]
        self.kinds.append(plan.orders[0].kind)
        self.state = self.stored(self.strategy.absorb(self.state, segments))
        return segments

    def finish(self, most: int = 40) -> PathState:
        while self.state.phase in ("adapt", "produce"):
            assert len(self.kinds) < most
            self.step()
        return self.state
