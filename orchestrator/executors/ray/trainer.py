"""The trainer: a worker that gets the fits, and comes up without getting in the workers' way."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from msgen.actors.base import Begun, Segment, Tree, WorkOrder

if TYPE_CHECKING:
    from msgen.actors.worker import Worker


class Trainer:
    """A worker that is built when it is first needed; Ray shows it by this name.

    Everything a worker needs takes a second of processor time to import, which at the beginning the
    others need: the first fit comes when there are samples.

    Parameters
    ----------
    setup : Tree
        See `msgen.actors.worker.Worker`.
    """

    def __init__(self, setup: Tree) -> None:
        self._setup = setup

    @cached_property
    def _worker(self) -> Worker:
        from msgen.actors.worker import Worker

        return Worker(self._setup)

    def publish(self, version: int, model: Tree) -> None:
        """See `Worker`."""
        self._worker.publish(version, model)

    def retire(self, version: int) -> None:
        """See `Worker`."""
        self._worker.retire(version)

    def ready(self) -> int:
        """Process id; answers once the process is up."""
        return os.getpid()

    def execute(self, order: WorkOrder) -> Segment | Begun:
        """See `Worker`."""
        return self._worker.execute(order)
