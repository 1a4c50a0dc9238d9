"""Lets the number of replicas follow what the cluster has and what convergence still needs.

Time decides here, so the decision is in ``events.jsonl`` before it acts, and a resumed campaign
follows what it finds there: the same replicas from the same round on, whatever the cluster is now.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from msgen.orchestrator.base import Executor, RoundInfo, Strategy
from msgen.orchestrator.loop.ledger import Ledger
from msgen.orchestrator.loop.replica_policy import Elastic
from msgen.orchestrator.reporting.history import HistoryPoint, read_history, time_to_convergence
from msgen.orchestrator.run_directory.events import EventLog

S = TypeVar("S")


class Resizer:
    """What the controller asks before every round.

    Parameters
    ----------
    elastic : Elastic
    executor : Executor
        Which knows how many workers there are, and may ask for more.
    run_dir : Path
    """

    def __init__(self, elastic: Elastic, executor: Executor, run_dir: Path) -> None:
        self._elastic, self._executor = elastic, executor
        self._events = EventLog(run_dir / "events.jsonl")
        found = self._events.since_begun()
        self._decided = {e["round"]: int(e["replicas"]) for e in found if e["event"] == "resize"}
        self._been = max((e["round"] for e in found if e["event"] == "round"), default=-1)
        self._history = read_history(run_dir)
        self._asked = 0

    def round(self, info: RoundInfo) -> None:
        """A round was committed."""
        self._history.append(HistoryPoint.of(info))

    def apply(self, strategy: Strategy[S], state: S, ledger: Ledger) -> S:
        """The state with the replicas of the round that comes next."""
        now, rnd = strategy.replicas(state), ledger.round + 1
        if ledger.last.phase != "produce":
            return state
        if rnd in self._decided or rnd <= self._been:
            wanted = self._decided.get(rnd, now)
        else:
            wanted = self._decide(now, rnd, max(1, ledger.last.orders))
        return state if wanted == now else strategy.resize(state, wanted)

    def _decide(self, now: int, rnd: int, orders: int) -> int:
        remaining = time_to_convergence(self._history, self._elastic.target_kT)
        per_order, workers = now / orders, self._executor.workers()
        ask = self._elastic.workers(per_order, remaining)
        if ask > self._asked or ask == 0 != self._asked:
            self._events.write("ask", workers=ask, have=workers)
            self._executor.ask(ask)
            self._asked = ask
        wanted = self._elastic.replicas(now, per_order, workers, remaining)
        if wanted != now:
            seconds = None if remaining is None else round(remaining, 1)
            self._events.write(
                "resize", round=rnd, replicas=wanted, was=now, workers=workers, remaining_s=seconds
            )
            self._decided[rnd] = wanted
        return wanted
