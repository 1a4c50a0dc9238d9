"""Workers, a trainer and the controller as Ray actors. The one module that imports ray.

No call is retried by Ray itself: a lost worker is replaced and its order handed back as a retryable
`Failure`. Every order draws from its own stream, so where and how often it ran shows in no sample.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.autoscaler.sdk import request_resources
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from msgen.actors.base import FIT_DEVICE, Segment, Tree, WorkOrder, copy_tree
from msgen.actors.worker import Worker
from msgen.orchestrator.base import Failure, Reporter, RoundInfo
from msgen.orchestrator.controller import Outcome
from msgen.orchestrator.executors.mailbox import Mailbox
from msgen.orchestrator.job import Job
from msgen.orchestrator.stop import StopFlag

_NEWS_S = 0.5
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "", FIT_DEVICE: "cpu"}


def environment(threads: int, *, gpu: bool) -> dict[str, Any]:
    """The runtime environment of an actor: threads pinned, and no GPU unless it was given one."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENMM_CPU_THREADS")
    pinned = dict.fromkeys(names, str(threads))
    # num_gpus=0 alone leaves every GPU visible
    return {"env_vars": {**pinned, FIT_DEVICE: "auto"} if gpu else {**pinned, **_NO_GPU}}


def _options(threads: int, cpus: int, gpus: float) -> dict[str, Any]:
    return {
        "num_cpus": cpus,
        "num_gpus": gpus,
        "max_restarts": 0,
        "max_task_retries": 0,
        "runtime_env": environment(threads, gpu=gpus > 0),
    }


class Trainer(Worker):
    """A worker that gets the fits; Ray shows it by this name."""


@dataclass
class _Seat:
    """A place for an actor; the actor in it may be replaced."""

    options: dict[str, Any]
    role: type[Worker] = Worker
    actor: Any = None
    flying: dict[Any, WorkOrder] = field(default_factory=dict)
    """By object reference, in the order of submission."""


class RayExecutor:
    """Hands orders to Ray actors, dear ones first, fits to a trainer of their own.

    Parameters
    ----------
    setup : Tree
        See `msgen.actors.context.WorkerContext`.
    workers : int
    cpus_per_worker, threads : int
        Reserved CPUs, and threads of torch, OpenMM and BLAS, of each worker.
    trainer_gpus : float
        0: the trainer runs on a CPU, beside the workers.
    worker_gpus : float
        0: the workers see no GPU.

    Raises
    ------
    RuntimeError
        If the cluster has not the CPUs or GPUs for it.
    """

    def __init__(
        self,
        setup: Tree,
        workers: int,
        *,
        cpus_per_worker: int = 1,
        threads: int = 1,
        trainer_gpus: float = 0.0,
        worker_gpus: float = 0.0,
    ) -> None:
        has = _resources()
        gpus = trainer_gpus + workers * worker_gpus
        for what, needed in (("CPU", workers * cpus_per_worker), ("GPU", gpus)):
            if has.get(what, 0) < needed:
                raise RuntimeError(
                    f"the cluster has {has.get(what, 0):g} {what}s where `resources:` asks for "
                    f"{needed:g}: lower resources.workers or resources.trainer_gpus"
                )
        self._setup = ray.put(setup)
        self._asked = 0
        self._models: dict[int, Any] = {}
        self._waiting: list[WorkOrder] = []
        self._fits: list[WorkOrder] = []
        self._seats = [
            _Seat(_options(threads, cpus_per_worker, worker_gpus)) for _ in range(workers)
        ]
        self._trainer = _Seat(_options(threads, 0, trainer_gpus), Trainer)
        for seat in (*self._seats, self._trainer):
            self._hire(seat)

    def publish(self, version: int, model: Tree) -> None:
        """Put the model into the object store once, and tell every actor."""
        self._models[version] = ray.put(model)
        for seat in (*self._seats, self._trainer):
            seat.actor.publish.remote(version, self._models[version])

    def retire(self, version: int) -> None:
        """Let every actor forget a version, after the orders it was sent before."""
        self._models.pop(version, None)
        for seat in (*self._seats, self._trainer):
            seat.actor.retire.remote(version)

    def submit(self, orders: Sequence[WorkOrder]) -> None:
        """Hand out what fits, queue the rest."""
        self._fits.extend(order for order in orders if order.is_fit)
        self._waiting.extend(order for order in orders if not order.is_fit)
        self._fits.sort(key=lambda order: order.key)
        self._waiting.sort(key=lambda order: (order.round, -order.cost_hint, order.key))
        self._hand_out()

    def completed(self, timeout_s: float | None = None) -> Iterator[Segment | Failure]:
        """Yield all that has come back; a worker gets its next order before its result is taken."""
        flying = [ref for seat in (*self._seats, self._trainer) for ref in seat.flying]
        if not flying:
            return
        ready, _ = ray.wait(flying, num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = ray.wait(flying, num_returns=len(flying), timeout=0)
        results = [result for ref in ready for result in self._land(ref)]
        self._hand_out()
        yield from results

    def workers(self) -> int:
        """Seats that there are now."""
        return len(self._seats)

    def ask(self, workers: int) -> None:
        """Ask Ray's autoscaler for the CPUs and GPUs of so many workers; 0 takes it back.

        Without an autoscaler nothing comes of it.
        """
        options = self._trainer.options if not self._seats else self._seats[0].options
        each = {"CPU": options["num_cpus"], "GPU": options["num_gpus"]}
        bundle = {what: amount for what, amount in each.items() if amount}
        request_resources(bundles=[bundle] * workers)
        self._asked = workers

    def close(self) -> None:
        """End all actors, whatever they are doing."""
        if self._asked:
            self.ask(0)
        self._waiting.clear()
        self._fits.clear()
        for seat in (*self._seats, self._trainer):
            seat.flying.clear()
            ray.kill(seat.actor)

    def _hire(self, seat: _Seat) -> None:
        seat.actor = ray.remote(seat.role).options(**seat.options).remote(self._setup)
        for version, model in self._models.items():
            seat.actor.publish.remote(version, model)

    def _hand_out(self) -> None:
        while self._fits and not self._trainer.flying:
            self._send(self._trainer, self._fits.pop(0))
        # a second order spares a worker the wait for the controller, but near the end of a round it
        # would sit behind a long one while others idle
        for depth in (1, 2):
            for seat in self._seats:
                left = len(self._waiting)
                if len(seat.flying) < depth and (left > len(self._seats) if depth == 2 else left):
                    self._send(seat, self._waiting.pop(0))

    def _send(self, seat: _Seat, order: WorkOrder) -> None:
        seat.flying[seat.actor.execute.remote(order)] = order

    def _land(self, ref: Any) -> list[Segment | Failure]:
        seat = next((s for s in (*self._seats, self._trainer) if ref in s.flying), None)
        if seat is None:  # its worker was lost a moment ago, and it was dealt with then
            return []
        try:
            segment = ray.get(ref)
        except RayTaskError as error:
            order = seat.flying.pop(ref)
            return [Failure(order.key, f"{_cause(error)}\n{error}", retryable=False)]
        except RayError as error:
            return self._lose(seat, error)
        del seat.flying[ref]
        return [_own(segment)]

    def _lose(self, seat: _Seat, error: RayError) -> list[Segment | Failure]:
        """Replace the actor of a seat: only the order it was busy with counts as lost."""
        broken = isinstance(error, RayActorError) and error.actor_init_failed
        flying, seat.flying = seat.flying, {}
        results: list[Segment | Failure] = []
        lost: list[WorkOrder] = []
        for ref, order in flying.items():
            try:
                segment = ray.get(ref, timeout=0)
            except (RayError, TimeoutError):
                lost.append(order)
            else:
                results.append(_own(segment))
        ray.kill(seat.actor)  # it may be out of reach rather than dead, and come back
        self._hire(seat)
        said = _last(error) if broken else f"worker lost: {_first(error)}"
        results.append(Failure(lost[0].key, said, retryable=not broken))
        queue = self._fits if seat is self._trainer else self._waiting
        queue[:0] = lost[1:]
        return results


def _own(segment: Segment) -> Segment:
    # what comes from the object store is read-only, and would keep its memory there
    samples = {name: data.copy() for name, data in segment.samples.items()}
    return replace(segment, samples=samples, carry=copy_tree(segment.carry))


def _cause(error: RayTaskError) -> str:
    return f"{type(error.cause).__name__}: {error.cause}"


def _last(error: RayError) -> str:
    # the traceback of a constructor ends with what it raised
    return str(error).strip().splitlines()[-1].strip()


def _first(error: RayError) -> str:
    return " ".join(str(error).split())[:500]


class _ControllerActor:
    """The campaign loop; `run` occupies one thread, the others answer the driver."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._stop = StopFlag()
        self._mailbox = Mailbox()

    def run(self) -> Outcome:
        asked = self._job.resources
        has = _resources()
        workers = asked.workers or max(1, int(has.get("CPU", 1)) // asked.cpus_per_worker)
        trainer = asked.trainer_gpus
        if trainer is None:
            trainer = min(1.0, has.get("GPU", 0.0)) * (0.5 if asked.gpu_workers else 1.0)
        share = 0.0
        if asked.gpu_workers:
            # Ray counts GPUs in steps of 1e-4
            share = int(1e4 * max(0.0, has.get("GPU", 0.0) - trainer) / workers) / 1e4
            if share == 0.0:
                raise RuntimeError("the OpenMM platform needs a GPU: none is left for the workers")
        executor = RayExecutor(
            self._job.setup,
            workers,
            cpus_per_worker=asked.cpus_per_worker,
            threads=asked.threads,
            trainer_gpus=trainer,
            worker_gpus=min(share, 1.0),
        )
        try:
            return self._job.run_with(executor, self._mailbox, self._stop, beside=True)
        finally:
            executor.close()

    def news(self, timeout_s: float) -> list[RoundInfo]:
        """Rounds since the last call; waits up to `timeout_s` for the first."""
        return self._mailbox.fetch(timeout_s)

    def stop(self) -> None:
        self._stop.request()


def _resources() -> dict[str, float]:
    found: Any = ray.cluster_resources  # it carries no types
    return dict(found())


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Connect to a Ray cluster; 'local' starts one here and ends it afterwards."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    here: dict[str, Any] = {}
    if address == "local":
        here = {"num_cpus": len(os.sched_getaffinity(0)), "include_dashboard": False}
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **here)
    try:
        yield
    finally:
        ray.shutdown()


def run(job: Job, reporter: Reporter, stop: StopFlag) -> Outcome:
    """Run a job on the cluster this process is connected to; `reporter` lives in this process.

    Raises
    ------
    RuntimeError
        With what the loop raised, or if its process was lost.
    """
    node = ray.get_runtime_context().get_node_id()
    # on this node: the run directory may be on its disk only
    beside = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    options = {**_options(1, 0, 0.0), "max_concurrency": 4, "scheduling_strategy": beside}
    actor: Any = ray.remote(_ControllerActor).options(**options).remote(job)
    running = actor.run.remote()
    sent = 0
    try:
        while True:
            for info in ray.get(actor.news.remote(_NEWS_S)):
                reporter.round(info)
            while sent < stop.requests:
                actor.stop.remote()
                sent += 1
            if ray.wait([running], timeout=0)[0]:
                break
        outcome: Outcome = ray.get(running)
        for info in ray.get(actor.news.remote(0.0)):
            reporter.round(info)
    except RayTaskError as error:
        reporter.close("failed", _cause(error))
        raise RuntimeError(_cause(error)) from error
    except RayActorError as error:
        reporter.close("failed", f"the controller's process was lost: {_first(error)}")
        raise RuntimeError(f"the controller's process was lost: {_first(error)}") from error
    finally:
        ray.kill(actor)
    reporter.close(outcome.status, outcome.reason)
    return outcome
