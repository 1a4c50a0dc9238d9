"""Learned steps of butane's carbons, by hand: roll-outs are what a test says, fits are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from driving import same
from places import CONFIGS
from worker_setup import setup_of_dynamics

from msgen.actors.base import Segment, WorkOrder, copy_tree, encode
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.steps import RollOutPayload, RollOutRecord
from msgen.actors.worker import Worker
from msgen.models.base import Array, ModelState
from msgen.orchestrator import strategies
from msgen.orchestrator.base import Estimate, StateEstimate
from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.dynamics.state import DynamicsState
from msgen.orchestrator.strategies.dynamics.strategy import Dynamics, loop_of
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system
from msgen.systems.base import CVSet, System
from msgen.systems.topology.torsion_turns import turns

BUTANE = CONFIGS / "papers" / "score_dynamics_butane.yaml"
QUICK = (
    "model={kind: step_diffusion, atoms: heavy, width: 8, layers: 1, epochs: 3, steps: 2}",
    "system.platform=Reference",
    "strategy.frames=8",
    "strategy.local.steps=20",
    "strategy.generate.free=64",
    "replicas=16",
    "output.stride=5",
)
TORSIONS = (3.0, 1.1, -1.1, 2.0)
"""rad, one in each state: trans, gauche to either side, and the rest."""


def exact_of(problem: Problem, system: System, cvs: CVSet) -> Exact:
    """Butane with its torsion at each of `TORSIONS`, sixty of each; what they weigh is made up."""
    bond = next(t for t in turns(system.topology) if {t.begin, t.end} == {4, 7})
    start = system.initial().positions[0]
    now = float(cvs(start[None])[0, 0])
    places = np.repeat(TORSIONS, 60) + np.tile(np.linspace(-0.1, 0.1, 60), 4)
    turned = [[bond.apply(start, s * (t - now)) for s in (1, -1)] for t in places.tolist()]
    x = np.array([min(two, key=lambda one, t=t: _off(cvs, one, t)) for two, t in
                  zip(turned, places.tolist(), strict=True)])  # fmt: skip
    states = Partition.from_boxes(problem.boxes or {}, problem.names, problem.periodic)
    region, share = states.assign(cvs(x)), np.array([0.6, 0.18, 0.18, 0.04])
    told = {
        name: StateEstimate(float(-np.log(p / share[0])), 0.01 if k else 0.0)
        for k, (name, p) in enumerate(zip(states.names, share, strict=True))
    }
    axes = dict(zip(problem.names, problem.grid.centres, strict=True))
    flat = np.zeros(problem.grid.shape)
    estimate = Estimate(axes, flat, flat, told, {"ess": 1e3}, True, ())
    return Exact(states, share, x, cvs(x), region, np.ones(len(x)), estimate, ())


def _off(cvs: CVSet, x: Array, torsion: float) -> float:
    return float(1 - np.cos(cvs(x[None])[0, 0] - torsion))


@dataclass
class StepsByHand:
    """A worker follows replicas and hot runs; what is rolled out is what a test says."""

    strategy: Dynamics
    worker: Worker
    cvs: CVSet
    made: Array
    """Shape (n, frames, C)."""
    state: DynamicsState = field(init=False)
    answered: list[Segment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = self.stored(self.strategy.start())

    @classmethod
    def of(cls, made: Array, *overrides: str) -> StepsByHand:
        campaign = load_campaign(BUTANE, [*QUICK, *overrides])
        system = build_system(campaign.spec_system(), CONFIGS)
        cvs = build_cvs(campaign.spec_cvs(), system, CONFIGS)
        problem = strategies.problem_of(campaign, system, cvs)
        setup = setup_of_dynamics(campaign, base_dir=str(CONFIGS / "papers"), seed=campaign.seed)
        exact = exact_of(problem, system, cvs)
        return cls(loop_of(problem, system, campaign, exact), Worker(setup), cvs, made)

    def stored(self, state: DynamicsState) -> DynamicsState:
        """As it comes back from a checkpoint."""
        back = self.strategy.read(copy_tree(encode(state)))
        assert same(back, state)
        return back

    def step(self) -> tuple[WorkOrder, ...]:
        orders = self.strategy.decide(self.state).orders
        assert len({order.key for order in orders}) == len(orders) > 0
        self.answered = [self.answer(order) for order in orders]
        found = sorted(self.answered, key=lambda s: s.key)
        self.state = self.stored(self.strategy.absorb(self.state, found))
        return orders

    def answer(self, order: WorkOrder) -> Segment:
        record: Any
        if order.is_fit:
            record = FitRecord(True, ModelState({"kind": "none"}, {"w": np.ones(1)}))
        elif order.kind == RollOutPayload.kind:
            p = order.read(RollOutPayload)
            paths = self.made[np.arange(p.first, p.first + len(p.begin)) % len(self.made)]
            record = RollOutRecord(paths, np.ones(len(paths), dtype=bool), 0, p.task)
        else:
            return self.worker.execute(order)
        return Segment(order.key, carry=encode(record))

    def cycle(self) -> DynamicsState:
        before = len(self.state.verdicts)
        while len(self.state.verdicts) == before:
            self.step()
        return self.state
