"""The campaign loop as a Ray actor, and the driver's end of it."""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from msgen.orchestrator.base import Activity, Reporter, RoundInfo
from msgen.orchestrator.causes import MachineError
from msgen.orchestrator.executors.ray.executor import RayExecutor
from msgen.orchestrator.executors.ray.mailbox import Mailbox
from msgen.orchestrator.executors.ray.metrics import Metered, Meters
from msgen.orchestrator.executors.ray.seats import Needs, alive, options, room, trainers_node
from msgen.orchestrator.executors.ray.staff import FULL
from msgen.orchestrator.loop.controller import Outcome
from msgen.orchestrator.loop.job import Job, Resources
from msgen.orchestrator.loop.round_watch import Tell, say_nothing
from msgen.orchestrator.loop.stop import StopFlag
from msgen.orchestrator.run_directory.events import EventLog

_NEWS_S = 0.5
_LAST_NEWS_S = 60.0
"""How long the last rounds may wait for room in a full object store; they are on disk anyway."""


def needs(asked: Resources) -> Needs:
    """What a campaign takes of the cluster that this process is connected to.

    Raises
    ------
    MachineError
        If the samplers need GPUs and there is none for them.
    """
    nodes = alive()
    gpus = sum(has.get("GPU", 0.0) for has in nodes.values())
    trainer = asked.trainer_gpus
    if trainer is None:
        trainer = min(1.0, gpus) * (0.5 if asked.gpu_workers else 1.0)
    found = Needs(asked.workers, asked.cpus_per_worker, asked.threads, 0.0, trainer)
    if not asked.gpu_workers:
        return found
    home = trainers_node(nodes, trainer)
    # without a GPU a node has no worker
    on_gpus = {name: has for name, has in nodes.items() if has.get("GPU", 0.0) > 0}
    workers = asked.workers or max(1, sum(room(on_gpus, found, home).values()))
    # Ray counts GPUs in steps of 1e-4
    share = min(1.0, int(1e4 * max(0.0, gpus - trainer) / workers) / 1e4)
    if share == 0.0:
        raise MachineError(
            "the OpenMM platform needs a GPU, and none is left for the workers: write "
            "platform: CPU, or take a machine with more GPUs"
        )
    return Needs(asked.workers, asked.cpus_per_worker, asked.threads, share, trainer)


class _ControllerActor:
    """The campaign loop; `run` occupies one thread, the others answer the driver."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._stop = StopFlag()
        self._mailbox = Mailbox()

    def run(self) -> Outcome:
        meters = Meters(self._job.run_dir.name)
        executor = RayExecutor(
            self._job.setup,
            needs(self._job.resources),
            deadline_s=self._job.resources.deadline_s,
            # opened when there is something to tell: by then the loop holds the run directory
            tell=lambda event, **fields: self._events.write(event, **fields),
            meters=meters,
        )
        try:
            reporter, tell = Metered(self._mailbox, meters), self._mailbox.tell
            return self._job.run_with(executor, reporter, self._stop, beside=True, tell=tell)
        finally:
            executor.close()

    def news(self, arrived: int, timeout_s: float) -> tuple[list[RoundInfo], Activity | None]:
        """See `Mailbox.fetch`."""
        return self._mailbox.fetch(arrived, timeout_s)

    def stop(self) -> None:
        self._stop.request()

    @cached_property
    def _events(self) -> EventLog:
        return EventLog(self._job.run_dir / "events.jsonl")


def run(job: Job, reporter: Reporter, stop: StopFlag, tell: Tell = say_nothing) -> Outcome:
    """Run a job on the cluster this process is connected to; `reporter` lives in this process.

    Raises
    ------
    RuntimeError
        With what the loop raised, or if its process was lost.
    """
    # on this node: the run directory may be on its disk only
    node = str(ray.get_runtime_context().get_node_id())
    how = options(1, 0, 0.0, node, max_concurrency=4)
    actor: Any = ray.remote(_ControllerActor).options(**how).remote(job)
    running = actor.run.remote()
    arrived = sent = 0

    def told(timeout_s: float) -> bool:
        """Pass on what is new; False if Ray's object store has no room for it now."""
        nonlocal arrived
        try:
            fresh, now = ray.get(actor.news.remote(arrived, timeout_s))
        except FULL:
            return False
        except RayTaskError as error:
            if isinstance(error.cause, FULL):
                return False
            raise
        for info in fresh:
            arrived += 1
            reporter.round(info)
        if now is not None:
            tell(now)
        return True

    try:
        while True:
            if not told(_NEWS_S):
                time.sleep(_NEWS_S)
            while sent < stop.requests:
                actor.stop.remote()
                sent += 1
            if ray.wait([running], timeout=0)[0]:
                break
        outcome: Outcome = ray.get(running)
        patience = time.monotonic() + _LAST_NEWS_S
        while not told(0.0) and time.monotonic() < patience:
            time.sleep(_NEWS_S)
    except RayTaskError as error:
        said = f"{type(error.cause).__name__}: {error.cause}"
        reporter.close("failed", said)
        raise RuntimeError(said) from error
    except RayActorError as error:
        said = (
            "the controller's process was lost; the same command goes on after the last committed "
            f"round ({' '.join(str(error).split())[:300]})"
        )
        reporter.close("failed", said)
        raise RuntimeError(said) from error
    finally:
        ray.kill(actor)
    reporter.close(outcome.status, outcome.reason)
    return outcome
