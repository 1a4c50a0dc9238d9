"""A campaign as data: all that a process needs to run its loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgen.actors.base import Tree
from msgen.actors.context import WorkerContext
from msgen.orchestrator.base import Cost, Executor, Reporter, Strategy
from msgen.orchestrator.executors.inline import InlineExecutor
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.controller import Controller, Outcome
from msgen.orchestrator.loop.extension import Section
from msgen.orchestrator.loop.replica_policy import Elastic
from msgen.orchestrator.loop.round_watch import Tell, say_nothing
from msgen.orchestrator.loop.stop import StopFlag
from msgen.orchestrator.run_directory.lock import RunLock

WRITER_PATIENCE_S = 60.0
"""How long to wait for the writer of a driver that was killed a moment ago to go."""


@dataclass(frozen=True)
class Resources:
    """What the executor may use.

    Attributes
    ----------
    workers : int or None
        None: one per `cpus_per_worker` CPUs found, now and as nodes join and leave.
    cpus_per_worker, threads : int
    trainer_gpus : float or None
        None: one where Ray sees one, half of it if the samplers run on GPUs too.
    gpu_workers : bool
        Whether the workers' OpenMM platform runs on a GPU; they then share what the trainer leaves.
    deadline_s : float or None
        See `msgen.orchestrator.loop.failure_policy.Pace`.
    """

    workers: int | None = None
    cpus_per_worker: int = 1
    threads: int = 1
    trainer_gpus: float | None = 0.0
    gpu_workers: bool = False
    deadline_s: float | None = None


@dataclass(frozen=True)
class Job:
    """One campaign.

    Attributes
    ----------
    run_dir : Path
    setup : Tree
        For the workers, see `msgen.actors.context.WorkerContext`.
    build : callable
        ``build(setup) -> Strategy``, a function of a module that every process can import.
    limits : Limits
    elastic : Elastic or None
        How many replicas there may be; None: as many as there are.
    lag : int
        See `Controller`.
    resources : Resources
    context : WorkerContext or None
        Where this process has one of `setup` already; only `run_inline` looks at it.
    spent, earlier_s, candidates
        See `Controller`.
    """

    run_dir: Path
    setup: Tree
    build: Callable[[Tree], Strategy[Any]]
    limits: Limits = field(default_factory=Limits)
    elastic: Elastic | None = None
    lag: int = 1
    resources: Resources = field(default_factory=Resources)
    context: WorkerContext | None = None
    spent: Cost = field(default_factory=Cost)
    earlier_s: float = 0.0
    candidates: Mapping[str, Section] = field(default_factory=dict)

    def run_with(
        self,
        executor: Executor,
        reporter: Reporter,
        stop: StopFlag,
        *,
        beside: bool = False,
        tell: Tell = say_nothing,
    ) -> Outcome:
        """Run the loop in this process; `beside` it the executor's workers, see `Controller`.

        Raises
        ------
        LockedError
            If another process still writes into the run directory.
        """
        with RunLock(self.run_dir, "writer.lock", WRITER_PATIENCE_S):
            controller = Controller(
                self.build(self.setup),
                executor,
                self.run_dir,
                reporter,
                limits=self.limits,
                elastic=self.elastic,
                lag=self.lag,
                stop=stop,
                beside=beside,
                spent=self.spent,
                earlier_s=self.earlier_s,
                candidates=self.candidates,
                tell=tell,
            )
            return controller.run()

    def run_inline(self, reporter: Reporter, stop: StopFlag, tell: Tell = say_nothing) -> Outcome:
        """Run everything in this process."""
        executor = InlineExecutor(self.setup, self.context)
        return self.run_with(executor, reporter, stop, tell=tell)
