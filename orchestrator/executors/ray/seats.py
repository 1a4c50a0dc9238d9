"""Places for Ray actors: how many a cluster has, where they are, and who is in them.

The nodes are looked at again and again: one that joins gets workers, one that leaves loses its own.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from msgen.actors.base import FIT_DEVICE, WorkOrder
from msgen.actors.worker import Worker
from msgen.orchestrator.executors.ray.trainer import Trainer

_NO_GPU = {"CUDA_VISIBLE_DEVICES": "", FIT_DEVICE: "cpu"}


ASIDE = "aside"
"""The thread of a worker that answers while another is at an order."""


class Tell(Protocol):
    """Writes an event; returns once it is on disk."""

    def __call__(self, event: str, **fields: Any) -> None: ...


def environment(threads: int, *, gpu: bool) -> dict[str, Any]:
    """The runtime environment of an actor: threads pinned, and no GPU unless it was given one."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENMM_CPU_THREADS")
    pinned = dict.fromkeys(names, str(threads))
    # num_gpus=0 alone leaves every GPU visible
    return {"env_vars": {**pinned, FIT_DEVICE: "auto"} if gpu else {**pinned, **_NO_GPU}}


def options(threads: int, cpus: int, gpus: float, node: str = "", **more: Any) -> dict[str, Any]:
    """Options of an actor that Ray neither restarts nor retries, on a node if one is given."""
    if node:
        more["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    return {
        "num_cpus": cpus,
        "num_gpus": gpus,
        "max_restarts": 0,
        "max_task_retries": 0,
        "runtime_env": environment(threads, gpu=gpus > 0),
        **more,
    }


@dataclass(frozen=True)
class Needs:
    """What the workers and the trainer need.

    Attributes
    ----------
    workers : int or None
        None: as many as there is room for.
    cpus, threads : int
        Reserved CPUs, and threads of torch, OpenMM and BLAS, of each worker.
    worker_gpus, trainer_gpus : float
        0: no GPU is seen.
    """

    workers: int | None = None
    cpus: int = 1
    threads: int = 1
    worker_gpus: float = 0.0
    trainer_gpus: float = 0.0


@dataclass(eq=False)
class Seat:
    """An actor, where it is, and what it was sent."""

    actor: Any
    node: str
    starting: Any
    """Reference that resolves once it is up; None from then on."""
    since: float
    """When it began to start, or what it does now, or to idle."""
    role: type[Worker | Trainer] = Worker
    flying: dict[Any, WorkOrder] = field(default_factory=dict)
    """By object reference, in the order of submission; it does the first."""
    pace: float = 1.0
    """Its time for an order, in units of what is typical."""
    so_far: int = 0
    """Energy evaluations of what it does now, when it was asked last."""
    asked: Any = None
    """Reference to what it answers."""

    @property
    def ready(self) -> bool:
        return self.starting is None


def hire(role: type[Worker | Trainer], how: Mapping[str, Any], node: str, setup: Any) -> Seat:
    """Start an actor; it says when it is up."""
    # a worker is asked how far it is, and told to stop, while it is at an order
    remote: Any = ray.remote  # its types do not know of the groups
    made = remote(concurrency_groups={ASIDE: 1})(role) if role is Worker else remote(role)
    actor: Any = made.options(**how).remote(setup)
    return Seat(actor, node, actor.ready.remote(), time.monotonic(), role)


def alive() -> dict[str, dict[str, float]]:
    """What each node of the cluster has, by node id."""
    nodes: Any = ray.nodes  # it carries no types
    return {n["NodeID"]: dict(n["Resources"]) for n in nodes() if n["Alive"]}


def trainers_node(nodes: Mapping[str, Mapping[str, float]], gpus: float) -> str:
    """The node whose GPU is kept for the trainer; '' where it needs none or nobody has one."""
    fitting = [name for name in sorted(nodes) if nodes[name].get("GPU", 0.0) >= gpus]
    return fitting[0] if gpus > 0 and fitting else ""


def room(
    nodes: Mapping[str, Mapping[str, float]], needs: Needs, trainer: str = ""
) -> dict[str, int]:
    """How many workers each node has room for, once the trainer has its GPU on node `trainer`."""
    found = {}
    for name, has in nodes.items():
        places = int(has.get("CPU", 0.0)) // needs.cpus
        if needs.worker_gpus > 0:
            left = has.get("GPU", 0.0) - (needs.trainer_gpus if name == trainer else 0.0)
            # shares of a GPU add up with rounding errors
            places = min(places, int(left / needs.worker_gpus + 1e-6))
        found[name] = max(0, places)
    return found


def vacant(places: Mapping[str, int], taken: Sequence[str], most: int | None) -> list[str]:
    """A node for every worker that is to be hired: spread, and no more than `most` in all."""
    left = Counter(places)
    left.subtract(taken)
    wanted = sum(places.values()) if most is None else most
    chosen: list[str] = []
    while len(taken) + len(chosen) < wanted:
        free = {name: n for name, n in left.items() if n > 0 and name in places}
        if not free:
            break
        name = max(sorted(free), key=lambda node: free[node])
        left[name] -= 1
        chosen.append(name)
    return chosen
