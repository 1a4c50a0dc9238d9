"""The workers and the trainer of a campaign on Ray: hired, replaced, and told of models."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayActorError, RayError

from msgen.actors.base import Tree
from msgen.actors.worker import Worker
from msgen.orchestrator.executors.ray.seats import (
    Needs,
    Seat,
    Tell,
    alive,
    hire,
    options,
    room,
    trainers_node,
    vacant,
)
from msgen.orchestrator.executors.ray.trainer import Trainer

FULL = (ObjectStoreFullError, OutOfDiskError)
_LOOK_S = 1.0
_STARTS = 3
"""Workers in a row that may fail to start on a node before it is left out."""

PLACE_S = 600.0
"""How long a campaign waits for a place where a worker can be."""


class NobodyLeftError(RuntimeError):
    """No worker can be had; one line says why."""


class Staff:
    """Actors by seat; the nodes' room is looked at once a second.

    Parameters
    ----------
    setup : Tree
        See `msgen.actors.context.WorkerContext`.
    needs : Needs
    tell : Tell

    Raises
    ------
    RuntimeError
        If the cluster has not the CPUs or GPUs for it.
    """

    def __init__(self, setup: Tree, needs: Needs, tell: Tell) -> None:
        self._needs, self._tell = needs, tell
        nodes = alive()
        self._home = trainers_node(nodes, needs.trainer_gpus)
        _refuse_too_little(nodes, needs, self._home)
        self._setup = _patiently(lambda: ray.put(setup))
        self._models: dict[int, Any] = {}
        self._failed: Counter[str] = Counter()
        self._why = ""
        self._looked = self._served = time.monotonic()
        self._count = 0
        # first, so that its place is taken before the workers come
        self.trainer = self._hire(Trainer, self._home)
        self.seats: list[Seat] = []
        self._fill(nodes)
        self._count = len(self.seats)

    def everyone(self) -> Iterator[Seat]:
        """The workers' seats, then the trainer's."""
        yield from self.seats
        yield self.trainer

    def publish(self, version: int, model: Tree) -> None:
        """Put the model into the object store once, and tell every actor."""
        self._models[version] = ref = _patiently(lambda: ray.put(model))
        for seat in self.everyone():
            seat.actor.publish.remote(version, ref)

    def retire(self, version: int) -> None:
        """Let every actor forget a version, after the orders it was sent before."""
        self._models.pop(version, None)
        for seat in self.everyone():
            seat.actor.retire.remote(version)

    def begun(self, seat: Seat) -> None:
        """Its actor has answered, or never will.

        Raises
        ------
        NobodyLeftError
            If no node is left on which workers start, or the trainer does not.
        """
        try:
            ray.get(seat.starting)
        except RayError as error:
            self._not_begun(seat, error)
        else:
            seat.starting, seat.since = None, time.monotonic()
            self._failed.pop(_place(seat), None)

    def let_go(self, seat: Seat) -> None:
        """End a seat's actor; another is hired where there is room."""
        ray.kill(seat.actor)  # it may be out of reach rather than dead, and come back
        if seat is self.trainer:
            nodes = alive()
            if self._home not in nodes:
                self._home = trainers_node(nodes, self._needs.trainer_gpus)
            self.trainer = self._hire(Trainer, self._home)
        elif seat in self.seats:
            self.seats.remove(seat)
            self._looked = 0.0

    def look(self, *, workers: bool, trainer: bool) -> None:
        """Follow the nodes that there are; orders wait for `workers`, fits for the `trainer`.

        Raises
        ------
        NobodyLeftError
            If for `PLACE_S` there was no place for a worker, or for the trainer.
        """
        now = time.monotonic()
        if trainer and not self.trainer.ready and now - self.trainer.since > PLACE_S:
            raise NobodyLeftError(f"for {PLACE_S:.0f} s no node had room for the trainer")
        if not workers or any(seat.ready for seat in self.seats):
            self._served = now
        elif now - self._served > PLACE_S:
            raise NobodyLeftError(f"for {PLACE_S:.0f} s no node had room for a worker")
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        nodes = alive()
        # who still owes an order is dealt with when Ray says that it will not come
        gone = [seat for seat in self.seats if seat.node not in nodes and not seat.flying]
        for seat in gone:
            self.seats.remove(seat)
        self._fill(nodes)
        if len(self.seats) != self._count:
            self._tell("workers", now=len(self.seats), was=self._count, nodes=len(nodes))
            self._count = len(self.seats)

    def close(self) -> None:
        """End all actors, whatever they are doing."""
        for seat in self.everyone():
            seat.flying.clear()
            ray.kill(seat.actor)

    def _fill(self, nodes: dict[str, dict[str, float]]) -> None:
        good = {name: has for name, has in nodes.items() if self._failed[name] < _STARTS}
        places = room(good, self._needs, self._home)
        taken = [seat.node for seat in self.seats]
        self.seats += [
            self._hire(Worker, node) for node in vacant(places, taken, self._needs.workers)
        ]

    def _hire(self, role: type[Worker | Trainer], node: str) -> Seat:
        needs = self._needs
        cpus, gpus = (needs.cpus, needs.worker_gpus)
        if role is Trainer:  # it needs its CPU for moments only, and takes it from the workers
            cpus, gpus = 0, needs.trainer_gpus
        seat = hire(role, options(needs.threads, cpus, gpus, node), node, self._setup)
        for version, model in self._models.items():
            seat.actor.publish.remote(version, model)
        return seat

    def _not_begun(self, seat: Seat, error: RayError) -> None:
        gone = seat.node and seat.node not in alive()
        broken = isinstance(error, RayActorError) and error.actor_init_failed
        self._why = last_line(error) if broken else " ".join(str(error).split())[:500]
        if not gone:
            self._failed[_place(seat)] += 1
        self._tell("not_started", node=seat.node, cause=self._why)
        self.let_go(seat)
        if self._failed["trainer"] >= _STARTS:
            raise NobodyLeftError(f"the trainer does not start: {self._why}")
        nodes = alive()
        if not self.seats and nodes and all(self._failed[name] >= _STARTS for name in nodes):
            raise NobodyLeftError(f"no worker starts: {self._why}")


def _place(seat: Seat) -> str:
    return "trainer" if seat.role is Trainer else seat.node


def last_line(error: RayError) -> str:
    """What a constructor raised: its traceback ends with it."""
    return str(error).strip().splitlines()[-1].strip()


def _refuse_too_little(nodes: dict[str, dict[str, float]], needs: Needs, trainer: str) -> None:
    places = sum(room(nodes, needs, trainer).values())
    asked = needs.workers or 1
    has = {what: sum(n.get(what, 0.0) for n in nodes.values()) for what in ("CPU", "GPU")}
    if places < asked:
        kind = f"{needs.cpus} CPUs" + (f" and {needs.worker_gpus:g} GPUs" * (needs.worker_gpus > 0))
        raise RuntimeError(
            f"the cluster has {has['CPU']:g} CPUs and {has['GPU']:g} GPUs, with room for {places} "
            f"workers of {kind} where `resources:` asks for {asked}: lower resources.workers, "
            "resources.cpus_per_worker or resources.trainer_gpus"
        )
    if needs.trainer_gpus > 0 and not trainer:
        raise RuntimeError(
            f"no node has the {needs.trainer_gpus:g} GPUs that `resources:` asks for the trainer: "
            "lower resources.trainer_gpus"
        )


def _patiently(put: Callable[[], Any]) -> Any:
    for wait_s in (1.0, 2.0, 4.0, 8.0, 16.0):
        try:
            return put()
        except FULL:
            time.sleep(wait_s)  # results are taken out of the store all the time
    try:
        return put()
    except FULL as error:
        raise RuntimeError(
            "Ray's object store is full: give `ray start` a larger --object-store-memory, or end "
            "what else fills it"
        ) from error
