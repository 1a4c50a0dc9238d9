"""A strategy and roles with the structure of a campaign and none of its physics, for loop tests.

Replicas walk at random; a fit every round gives a 'model' (a mean) whose version steers the walk,
so that an order in the wrong place, a stream used twice or a fit absorbed early changes samples.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.context import WorkerContext
from msgen.orchestrator.base import Estimate, Extent, RoundInfo, StateEstimate, StepPlan

REPLICAS = 4
ROLES = {
    "walk": "toy_campaign:walk",
    "push": "toy_campaign:push",
    "fit": "toy_campaign:fit",
}


def long_production(rounds: int) -> Extent:
    """Long enough to end at any look: what the toys say of convergence is not about its length."""
    return Extent(100 + rounds, float("inf"))


def setup(**options: Any) -> Tree:
    base = str(Path(__file__).parent)
    return {"seed": 11, "base_dir": base, "roles": ROLES, "toy": options}


def walk(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    toy = context.setup["toy"]
    _misbehave(toy, order)
    x = order.payload["x"]
    x += 0.0  # a payload is the role's own to write to
    pull = 0.0
    if order.model_version >= 0:
        pull = float(context.models.state(order.model_version).arrays["mean"].sum())
    steps = rng.normal(size=(20, 2)) + 0.1 * pull
    path = x + np.cumsum(steps, axis=0)
    if toy.get("nan") and order.replica == 2:
        path[3:5] = np.nan
    time.sleep(toy.get("seconds", 0.0) * (1 + order.replica))
    samples = {"cvs": path, "big": np.tile(path, (200, 4)) if toy.get("big") else path[:2]}
    return Segment(
        order.key,
        samples=samples,
        carry={"x": np.nan_to_num(path[-1])},
        counts={"accepted": int((steps > 0).sum()), "proposed": 40},
        evaluations=20,
    )


def push(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    return Segment(order.key, samples={"work": rng.normal(size=3)}, evaluations=3)


def fit(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    time.sleep(context.setup["toy"].get("fit_seconds", 0.0))
    mean = order.payload["data"].mean(axis=0) + 0.01 * rng.normal(size=2)
    if order.model_version >= 0:  # a warm start: the fit needs the version before
        mean = mean + 0.5 * context.models.state(order.model_version).arrays["mean"]
    model = {"config": {"kind": "mean"}, "arrays": {"mean": mean}}
    return Segment(order.key, carry={"model": model}, counts={"held_out_loss": float(mean.sum())})


def _misbehave(toy: Tree, order: WorkOrder) -> None:
    """Die or raise, once, where the options say so; a file remembers that it was done."""
    if list(order.key) == toy.get("raise_at"):
        raise RuntimeError("the toy was told to")
    if list(order.key) in toy.get("die_at", []):
        marker = Path(toy["marker"]) / "-".join(map(str, order.key))
        times = len(marker.read_bytes()) if marker.exists() else 0
        if times < toy.get("deaths", 1):
            marker.write_bytes(b"x" * (times + 1))
            os.kill(os.getpid(), signal.SIGKILL)


class ToyStrategy:
    """`rounds` rounds, then converged."""

    name = "toy"

    def __init__(self, rounds: int = 6) -> None:
        self._rounds = rounds

    def start(self) -> Tree:
        return {
            "round": 0,
            "x": np.zeros((REPLICAS, 2)).T,  # not C-contiguous, on purpose
            "version": -1,
            "model": None,
            "sums": [],
        }

    def read(self, tree: Tree) -> Tree:
        return tree

    def decide(self, state: Tree) -> StepPlan:
        rnd, version = state["round"], state["version"]
        orders = [
            WorkOrder(rnd, "walk", i, {"x": state["x"].T[i]}, version, cost_hint=float(i))
            for i in range(self.replicas(state))
        ]
        if rnd % 2:
            orders.append(WorkOrder(rnd, "push", 0))
        fits = (WorkOrder(rnd, "fit", 0, {"data": state["x"].T.copy()}, version),)
        models = {} if version < 0 else {version: state["model"]}
        return StepPlan("explore" if rnd < 2 else "produce", tuple(orders), fits, models)

    def absorb(self, state: Tree, segments: list[Segment]) -> Tree:
        x = np.array(state["x"])
        new = {**state, "round": state["round"] + 1, "sums": list(state["sums"])}
        for segment in segments:
            if segment.key[1] == "walk":
                x[:, segment.key[2]] = segment.carry["x"]
            if segment.key[1] == "fit":
                new["version"], new["model"] = segment.key[0], segment.carry["model"]
        new["x"] = x
        new["sums"].append(float(x.sum()))
        return new

    def replicas(self, state: Tree) -> int:
        return int(np.shape(state["x"])[1])

    def resize(self, state: Tree, replicas: int) -> Tree:
        x = np.asarray(state["x"])
        return {**state, "x": np.array(x[:, np.arange(replicas) % x.shape[1]])}

    def estimate(self, state: Tree) -> Estimate:
        done = state["round"] >= self._rounds
        return Estimate(
            axes={"x": np.arange(2.0)},
            f_kT=np.zeros(2),
            stderr_kT=np.ones(2),
            states={"A": StateEstimate(0.0, 0.0)},
            diagnostics={},
            converged=done,
            unmet=() if done else ("too few rounds",),
            standing=True,
            extent=long_production(state["round"]),
        )


def build(job_setup: Tree) -> ToyStrategy:
    return ToyStrategy(job_setup["toy"].get("rounds", 6))


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.infos: list[RoundInfo] = []
        self.closed: list[tuple[str, str]] = []

    def round(self, info: RoundInfo) -> None:
        self.infos.append(info)

    def close(self, status: str, reason: str) -> None:
        self.closed.append((status, reason))
