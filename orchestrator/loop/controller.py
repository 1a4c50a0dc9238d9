"""The campaign loop: ask the strategy, send the orders out, absorb, commit, report, repeat.

Everything that decides a sample is in `Ledger` and the strategy; the clock decides only when to
show something, to save and to stop. The `Archive` holds what was committed, `Unfinished` what
orders of later rounds have done.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, copy_tree, encode
from msgen.orchestrator.base import (
    NOTHING_LEFT,
    Activity,
    Cost,
    Executor,
    Reporter,
    RoundInfo,
    Status,
    StepPlan,
    Strategy,
)
from msgen.orchestrator.loop.archive import Absorbed, Archive
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.cost_account import Account
from msgen.orchestrator.loop.extension import Section, wanted
from msgen.orchestrator.loop.ledger import Ledger
from msgen.orchestrator.loop.order_tracker import (
    CampaignFailedError,
    Gatherer,
    HaltedRoundError,
)
from msgen.orchestrator.loop.replica_policy import Elastic
from msgen.orchestrator.loop.replica_resizer import Resizer
from msgen.orchestrator.loop.round_watch import RoundWatch, Tell, say_nothing
from msgen.orchestrator.loop.stop import StopFlag
from msgen.orchestrator.run_directory.disk_errors import trouble
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.unfinished import Unfinished


@dataclass(frozen=True)
class Outcome:
    """How a campaign ended, and why, in one line."""

    status: Status
    reason: str
    cost: Cost
    extend: str | None = None
    """What it is to begin anew with, see `loop.extension`."""


class Controller:
    """Runs one campaign in one run directory.

    Parameters
    ----------
    strategy : Strategy
    executor : Executor
        Not closed here.
    run_dir : Path
        Gets ``store.zarr``, ``commits.jsonl``, ``checkpoints`` and ``events.jsonl``; a campaign
        that is there already is resumed. The caller holds its lock.
    reporter : Reporter
        Told of every committed round; on a resume first of the last one again.
    limits : Limits
    elastic : Elastic, optional
        Lets the number of replicas follow the workers.
    lag : int
        Fits of round r are absorbed with round r + lag, however early they are ready.
    stop : StopFlag, optional
    beside : bool
        Whether the executor's workers sample beside the loop rather than in this process.
    spent : Cost, optional
        Before the campaign began anew.
    earlier_s : float
        Seconds of this call before it did.
    candidates : Mapping, optional
        What it may begin anew with, where replicas disagree in it.
    tell : Tell, optional
    """

    def __init__(
        self,
        strategy: Strategy[Any],
        executor: Executor,
        run_dir: Path,
        reporter: Reporter,
        *,
        limits: Limits | None = None,
        elastic: Elastic | None = None,
        lag: int = 1,
        stop: StopFlag | None = None,
        beside: bool = False,
        spent: Cost | None = None,
        earlier_s: float = 0.0,
        candidates: Mapping[str, Section] | None = None,
        tell: Tell = say_nothing,
    ) -> None:
        if lag < 0:
            raise ValueError(f"lag is {lag}; a fit cannot be absorbed before it begins")
        self._strategy = strategy
        self._reporter = reporter
        self._limits = limits or Limits()
        self._resizer = None if elastic is None else Resizer(elastic, executor, run_dir)
        self._lag = lag
        self._stop = stop or StopFlag()
        self._run_dir = run_dir
        self._spent_before = spent or Cost()
        self._candidates = candidates or {}
        self._events = EventLog(run_dir / "events.jsonl")
        self._archive = Archive(run_dir, self._events)
        self._state: Any = None
        self._tell = tell
        self._gatherer = Gatherer(executor, self._events, Unfinished(run_dir / "unfinished"))
        self._account = Account(self._gatherer, executor.workers if beside else None, earlier_s)

    def run(self) -> Outcome:
        """Run until converged, exhausted, failed or interrupted; `Reporter.close` is called last.

        A disk that is full or read-only ends it as 'failed', with one line that says so.

        Raises
        ------
        Exception
            What a strategy or the store raises; the reporter is told 'failed' before.
        """
        try:
            try:
                outcome = self._run()
            except CampaignFailedError as error:
                outcome = self._outcome("failed", str(error))
            self._close(outcome.status, outcome.reason)
        except Exception as error:
            told = trouble(error, self._run_dir)
            with suppress(OSError):  # the disk that failed will not take this either
                self._events.write("stop", status="failed", reason=told or repr(error))
            with suppress(OSError):
                self._reporter.close("failed", told or f"{type(error).__name__}: {error}")
            if told is None:
                raise
            return self._outcome("failed", told)
        return outcome

    def _close(self, status: Status, reason: str) -> None:
        self._events.write("stop", status=status, reason=reason)
        self._reporter.close(status, reason)

    def _run(self) -> Outcome:
        self._restore()
        unreported: Mapping[str, NDArray[Any]] | None = None
        if self._ledger.round >= 0:
            unreported = self._archive.samples(self._ledger.round)
        absorbed: Absorbed | None = None
        while True:
            ledger = self._ledger
            plan = self._plan()
            over = self._spent(plan)
            if over is None:
                self._send(plan)
            # from here on the workers are busy with the next round
            if absorbed is not None:
                self._tell(Activity("committing", absorbed.round))
                unreported = self._archive.commit(absorbed)
                self._gatherer.committed(absorbed.segments)
                absorbed = None
            if unreported is not None:
                self._tell(Activity("estimating", ledger.round, ledger.last.phase))
                info = self._info(unreported)
                self._reporter.round(info)
                if self._resizer is not None:
                    self._resizer.round(info)
                if over is None and (what := self._wanted(info)) is not None:
                    reason = f"replicas disagree in {what}: begins anew with it among the CVs"
                    return Outcome("renewed", reason, self._account.cost(), extend=what)
                if info.estimate.converged:
                    return Outcome(
                        "converged", "every criterion of converge: holds", self._account.cost()
                    )
                unreported = None
            if over is not None:
                return self._outcome(*over)
            began = time.perf_counter()
            due = [order for when, order in ledger.pending if when <= ledger.round + 1]
            orders = (*plan.orders, *due)
            watch = self._watch(plan, orders)
            try:
                keys = [order.key for order in orders]
                segments = self._gatherer.wait(keys, watch, lambda: self._stop.urgent)
            except HaltedRoundError:
                return self._outcome(*watch.ending())
            self._tell(watch.activity("absorbing"))
            absorbed = self._absorb(plan, segments, time.perf_counter() - began)

    def _wanted(self, info: RoundInfo) -> str | None:
        """What to begin anew with, if as much is left as it took to come here."""
        what = wanted(info, self._candidates)
        left, used = self._limits.energy_evaluations, info.cost.energy_evaluations
        here = used - self._spent_before.energy_evaluations
        return None if left is not None and left - used < here else what

    def _watch(self, plan: StepPlan, orders: Sequence[WorkOrder]) -> RoundWatch:
        return RoundWatch(
            self._ledger.round + 1,
            plan,
            orders,
            gatherer=self._gatherer,
            account=self._account,
            limits=self._limits,
            stop=self._stop,
            tell=self._tell,
        )

    def _plan(self) -> StepPlan:
        if self._resizer is not None:
            self._state = self._resizer.apply(self._strategy, self._state, self._ledger)
        return self._strategy.decide(self._state)

    def _restore(self) -> None:
        started = Ledger(copy_tree(encode(self._strategy.start())), cost=self._spent_before)
        self._ledger = self._archive.restore(started)
        self._state = self._strategy.read(self._ledger.strategy)
        self._archive.prune(self._ledger.round)
        self._account.begin(self._ledger.cost)
        fits = [order for _, order in self._ledger.pending]
        self._gatherer.restore(self._ledger.round + 1, {order.key for order in fits})
        self._gatherer.publish(self._ledger.models)
        self._gatherer.submit(fits)

    def _spent(self, plan: StepPlan) -> tuple[Status, str] | None:
        """Why no further round begins."""
        if plan.phase == "done":
            return "converged", "the strategy is done"
        if plan.phase == "exhausted":
            return "exhausted", NOTHING_LEFT
        if self._stop.requested:
            held = self._interrupted()
            return held.status, held.reason
        last, kept = self._ledger.last, self._gatherer.evaluations
        # a round of another phase costs what nobody knows yet
        expected = max(0, last.evaluations - kept) if plan.phase == last.phase else 0
        cost = self._account.cost()
        cost = replace(cost, energy_evaluations=cost.energy_evaluations + kept)
        reason = self._limits.spent(cost, self._account.seconds, expected)
        if reason is not None:
            return "exhausted", reason
        if not plan.orders:
            raise CampaignFailedError(f"the strategy planned no order in phase {plan.phase!r}")
        return None

    def _send(self, plan: StepPlan) -> None:
        rnd = self._ledger.round + 1
        for order in (*plan.orders, *plan.fits):
            if order.round != rnd:
                raise CampaignFailedError(f"order {order.key} was planned for round {rnd}")
        if plan.phase != self._ledger.last.phase or rnd == 0:
            self._events.write("phase", now=plan.phase, round=rnd)
        self._ledger.pending += [(rnd + self._lag, order) for order in plan.fits]
        models = {**self._ledger.models, **{v: encode(m) for v, m in plan.models.items()}}
        needed = {order.model_version for _, order in self._ledger.pending}
        self._ledger.models = {v: model for v, model in models.items() if v in needed}
        self._gatherer.publish(models)
        self._gatherer.submit([*plan.orders, *plan.fits])

    def _absorb(self, plan: StepPlan, segments: Sequence[Segment], seconds: float) -> Absorbed:
        """Go on to the next round in memory; what is to be committed is as it stands here."""
        began = time.perf_counter()
        ledger = self._ledger
        ledger.round += 1
        replicas = self._strategy.replicas(self._state)
        # on as it would be read back from the disk
        ledger.strategy = copy_tree(encode(self._strategy.absorb(self._state, segments)))
        self._state = self._strategy.read(ledger.strategy)
        ledger.pending = [(due, order) for due, order in ledger.pending if due > ledger.round]
        needed = {order.model_version for _, order in ledger.pending}
        ledger.models = {v: model for v, model in ledger.models.items() if v in needed}
        ledger.last = ledger.last.after(plan, segments, replicas)
        self._account.add(segments)
        ledger.cost = self._account.cost()
        event = {
            "round": ledger.round,
            "phase": plan.phase,
            "evaluations": ledger.last.evaluations,
            "waited_s": round(seconds, 4),
            "absorbed_s": round(time.perf_counter() - began, 4),
        }
        return Absorbed(ledger.round, segments, ledger.to_tree(), event)

    def _info(self, samples: Mapping[str, NDArray[Any]]) -> RoundInfo:
        last, cost = self._ledger.last, self._account.cost()
        found = self._strategy.estimate(self._state)
        if not found.looked:
            # of this round: committed with the next, and found again by whoever resumes here
            self._ledger.looks, found = self._ledger.looks.judged(found, last.evaluations)
        estimate = found.told()
        hidden = estimate.diagnostics.get("hidden", {})
        self._events.write_changed("hidden", differ=list(hidden.get("differ", ())))
        probes = estimate.diagnostics.get("probes", {})
        told = {what: list(probes.get(what, ())) for what in ("learnt", "missed")}
        self._events.write_changed("probes", **told)
        if choice := estimate.diagnostics.get("choice"):
            self._events.write_changed("choice", kind=choice["kind"], said=choice["why"])
        cvs = [data for name, data in samples.items() if name.endswith("/cvs")]
        return RoundInfo(
            round=self._ledger.round,
            phase=last.phase,
            estimate=estimate,
            counts=last.counts,
            evaluations=last.evaluations,
            cost=cost,
            replicas=last.replicas,
            model_version=last.model_version,
            model_loss=last.model_loss,
            budget=self._limits.fractions(cost, self._account.seconds),
            projected_kT=found.largest_error,
            cvs=np.concatenate(cvs) if cvs else None,
            samples=samples,
        )

    def _interrupted(self) -> Outcome:
        done = self._ledger.round
        where = f"after round {done}" if done >= 0 else "before the first round was done"
        reason = f"stopped {where}; the same command goes on from there"
        return self._outcome("interrupted", reason)

    def _outcome(self, status: Status, reason: str) -> Outcome:
        return Outcome(status, reason, self._account.cost())
