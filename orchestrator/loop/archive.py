"""What lies on disk of the rounds of a campaign: their samples and the last states.

A round is committed in this order: samples, checkpoint, commit record. Cut anywhere, the next run
goes on from the last record and draws the same samples.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree
from msgen.actors.walker_files import Shelf
from msgen.orchestrator.loop.ledger import Ledger
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store


@dataclass(frozen=True)
class Absorbed:
    """A round that is over but not yet committed."""

    round: int
    segments: Sequence[Segment]
    tree: Tree
    event: Mapping[str, Any]


class Archive:
    """The committed rounds of one run directory; its caller holds the lock.

    Parameters
    ----------
    run_dir : Path
        Gets ``store.zarr``, ``commits.jsonl`` and ``checkpoints``.
    events : EventLog
        Told of what was found and of every round.
    """

    def __init__(self, run_dir: Path, events: EventLog) -> None:
        self._events = events
        self._checkpoints = Checkpoints(run_dir / "checkpoints")
        self._store_path = run_dir / "store.zarr"
        self._shelf = Shelf(run_dir / "walkers")
        self._kept: Tree = {}

    def restore(self, started: Ledger) -> Ledger:
        """Where the campaign goes on: as it was committed last, or `started` where there is none.

        What was never committed is cut off.
        """
        store, ledger = Store(self._store_path, "w"), started
        if store.last_round >= 0:
            rnd, tree, damaged = self._checkpoints.load(store.last_round)
            ledger = Ledger.from_tree(tree)
            # the next run may have to fall back on this checkpoint, and so needs its walkers
            self._kept = tree
            for line in damaged:
                self._events.write("damaged", what=line, back_to=rnd)
            store.truncate(rnd)
            self._events.write("resume", after=rnd)
        else:
            self._events.write("start")
        self._store = store
        return ledger

    def commit(self, done: Absorbed) -> dict[str, NDArray[Any]]:
        """Samples, checkpoint, commit record; returns what the round added to the store.

        The next round's orders are out by now. Killed before the record is written, they are sent
        again by the next run, since they follow from the round before.
        """
        began = time.perf_counter()
        added = self._store.append(done.round, done.segments)
        self._checkpoints.save(done.round, done.tree)
        self._store.commit()
        self._checkpoints.prune(done.round)
        self._shelf.prune(done.round, (done.tree, self._kept))
        self._kept = done.tree
        committed = round(time.perf_counter() - began, 4)
        self._events.write("round", **done.event, committed_s=committed)
        return added

    def prune(self, rnd: int) -> None:
        """Let go of checkpoints that nobody needs, once that of round `rnd` was read."""
        self._checkpoints.prune(rnd)

    def samples(self, rnd: int) -> dict[str, NDArray[Any]]:
        """What a committed round added to the store."""
        held = {name: self._store.read(name, rnd, rnd) for name in self._store.names()}
        return {name: data for name, data in held.items() if len(data)}
