"""Learned dynamics of the double well stepped by hand: what is made is what a test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from double_well_paths import potential
from driving import same
from numpy.typing import NDArray
from places import CONFIGS
from worker_setup import setup_of_dynamics

from msgen.actors.base import Segment, WorkOrder, copy_tree, encode
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.trajectories import (
    GeneratePayload,
    GenerateRecord,
)
from msgen.actors.worker import Worker
from msgen.models.base import ModelState
from msgen.orchestrator import strategies
from msgen.orchestrator.base import Estimate, StateEstimate
from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.dynamics.state import DynamicsState
from msgen.orchestrator.strategies.dynamics.strategy import Dynamics, loop_of
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system

Array = NDArray[np.float64]
QUICK = (
    "replicas=48",
    "strategy.frames=32",
    "strategy.generate.free=128",
    "strategy.local.steps=80",
    "model.length=16",
)
STATES = ("left", "right", "rest")


def exact_of(problem: Problem) -> Exact:
    """Samples of the density itself, as many in each state."""
    rng = np.random.default_rng(3)
    x = np.linspace(-2, 2, 4001)
    p = np.exp(-(potential(x) - potential(x).min()))
    states = Partition.from_boxes(problem.boxes or {}, problem.names, problem.periodic)
    label = states.assign(np.column_stack([x, np.zeros_like(x)]))
    share = np.array([p[label == k].sum() for k in range(3)]) / p.sum()
    picks = np.concatenate([rng.choice(x[label == k], 400, p=p[label == k] / p[label == k].sum())
                            for k in range(3)])  # fmt: skip
    positions = np.column_stack([picks, rng.normal(0, np.sqrt(1 / 6), 1200)])
    f = -np.log(share / share[0])
    told = {n: StateEstimate(float(v), 0.01 if k else 0.0) for k, (n, v) in
            enumerate(zip(STATES, f, strict=True))}  # fmt: skip
    axes = dict(zip(problem.names, problem.grid.centres, strict=True))
    flat = np.zeros(problem.grid.shape)
    estimate = Estimate(axes, flat, flat, told, {"ess": 1e3}, True, ())
    region = np.repeat(np.arange(3), 400)
    return Exact(states, share, positions, positions, region, np.ones(1200), estimate, ())


@dataclass
class ByHand:
    """A worker follows replicas; fits are none, and what is made is what a test says."""

    strategy: Dynamics
    worker: Worker
    made: Array
    state: DynamicsState = field(init=False)

    def __post_init__(self) -> None:
        self.state = self.stored(self.strategy.start())

    @classmethod
    def of(cls, made: Array, *overrides: str) -> ByHand:
        file = CONFIGS / "papers" / "dynamics_diffusion_double_well.yaml"
        campaign = load_campaign(file, [*QUICK, *overrides])
        system = build_system(campaign.spec_system(), CONFIGS)
        cvs = build_cvs(campaign.spec_cvs(), system, CONFIGS)
        problem = strategies.problem_of(campaign, system, cvs)
        exact = exact_of(problem)
        setup = setup_of_dynamics(campaign, seed=campaign.seed)
        strategy = loop_of(problem, system, campaign, exact)
        return cls(strategy, Worker(setup), made)

    def stored(self, state: DynamicsState) -> DynamicsState:
        """As it comes back from a checkpoint."""
        tree = copy_tree(encode(state))
        back = self.strategy.read(tree)
        assert same(back, state)
        return back

    def step(self) -> tuple[WorkOrder, ...]:
        orders = self.strategy.decide(self.state).orders
        assert orders
        assert all(order.round == self.state.round for order in orders)
        segments = [self.answer(order) for order in orders]
        self.state = self.stored(self.strategy.absorb(self.state, segments))
        return orders

    def answer(self, order: WorkOrder) -> Segment:
        record: Any
        if order.kind == "trajectory":
            return self.worker.execute(order)
        if order.kind == "fit_trajectories":
            record = FitRecord(True, ModelState({"kind": "none"}, {"w": np.ones(1)}))
        else:
            p = order.read(GeneratePayload)
            paths = self.paths(p)
            whole = np.isfinite(paths).all(axis=(1, 2))
            record = GenerateRecord(paths, whole, p.task, p.near)
        return Segment(order.key, carry=encode(record))

    def paths(self, p: GeneratePayload) -> Array:
        """Those of a test; and of what is asked for beside free ones a straight way."""
        if p.given is not None:
            part = np.linspace(0, 1, p.given.shape[1])[:, None]
            return np.asarray(p.given[:, :1] + part * (p.given[:, -1:] - p.given[:, :1]))
        if p.near is not None:
            return np.repeat(p.near[None], p.number, axis=0)
        rows = np.arange(p.first, p.first + p.number) % len(self.made)
        return np.resize(self.made[rows], (p.number, p.length or self.made.shape[1], 2))

    def cycle(self) -> DynamicsState:
        before = len(self.state.verdicts)
        while len(self.state.verdicts) == before:
            self.step()
        return self.state
