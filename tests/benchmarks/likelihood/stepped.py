"""A campaign stepped in this process without a disk: its strategy, its worker, and its cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from msgen.actors.base import Segment, Tree, copy_tree, encode
from msgen.actors.worker import Worker
from msgen.orchestrator import strategies
from msgen.orchestrator.base import Estimate, Strategy
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system
from msgen.systems.base import System

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


@dataclass
class Stepped:
    """See the module.

    Attributes
    ----------
    training, evaluations : int
        Energy evaluations before and in production.
    """

    strategy: Strategy
    system: System
    setup: Tree
    state: Tree
    rounds: int = 0
    training: int = 0
    evaluations: int = 0
    last: int = 0
    _waiting: list[Segment] = field(default_factory=list)

    @classmethod
    def of(cls, config: str, *settings: str) -> Stepped:
        """A campaign of `configs/`, with some settings changed."""
        path = CONFIGS / f"{config}.yaml"
        campaign = load_campaign(path, settings)
        system = build_system(campaign.spec_system(), path.parent)
        cvs = build_cvs(campaign.spec_cvs(), system, path.parent)
        setup: Tree = {
            "system": campaign.spec_system(),
            "cvs": campaign.spec_cvs(),
            "strategy": campaign.spec_strategy(),
            "model": campaign.spec_model(),
            "base_dir": str(path.parent),
            "platform": None,
            "seed": campaign.seed,
            "threads": 1,
        }
        strategy = strategies.build(campaign, system, cvs)
        made = cls(strategy, system, setup, strategy.start())
        made._worker = Worker(setup)
        return made

    def reseed(self, seed: int) -> None:
        """Go on with random streams of their own, from a state like this one."""
        self.setup = {**self.setup, "seed": seed}
        self._worker = Worker(self.setup)

    def step(self) -> None:
        """One round; fits are absorbed in the next."""
        plan = self.strategy.decide(self.state)
        for version, model in plan.models.items():
            self._worker.publish(version, encode(model))
        done = [self._worker.execute(order) for order in plan.orders]
        fits = [self._worker.execute(order) for order in plan.fits]
        absorbed = sorted([*done, *self._waiting], key=lambda s: s.key)
        self._waiting = fits
        state = self.strategy.absorb(self.state, absorbed)
        self.state = self.strategy.read(copy_tree(encode(state)))
        self.rounds += 1
        self.last = sum(s.evaluations for s in done)
        if plan.phase == "produce":
            self.evaluations += self.last
        else:
            self.training += self.last

    def train(self, most: int = 80) -> Stepped:
        """Until everything is frozen."""
        while self.state.phase != "produce":
            if self.rounds >= most:
                raise RuntimeError(f"no production after {most} rounds")
            self.step()
        return self

    def spend(self, evaluations: int) -> Estimate:
        """Produce as long as another round like the last stays within `evaluations`."""
        self.step()
        while self.evaluations + self.last <= evaluations:
            self.step()
        return self.strategy.estimate(self.state)

    _worker: Worker = field(init=False, repr=False)
