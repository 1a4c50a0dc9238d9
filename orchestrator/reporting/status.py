"""How far a run is, in a few lines, and quickly: nothing that is slow to import is needed here."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.reporting.progress import overhead, result_lines
from msgen.orchestrator.reporting.remedies import with_remedy
from msgen.orchestrator.reporting.results import Result, committed_result
from msgen.orchestrator.reporting.words import count, duration
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.inputs import FIRST
from msgen.orchestrator.run_directory.lock import RunLock
from msgen.orchestrator.run_directory.whole import warning as damage_warning
from msgen.orchestrator.schema.problems import CampaignError


def is_alive(run_dir: Path) -> bool:
    """Whether a process holds the run directory's lock at this moment."""
    try:
        file = RunLock(Path(run_dir)).path.open("rb")
    except OSError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def ended(run_dir: Path) -> tuple[str, str] | None:
    """How the last process that worked on a run ended, and why; None if none has ended yet."""
    stops = [e for e in EventLog(run_dir / "events.jsonl").read() if e["event"] == "stop"]
    return (str(stops[-1]["status"]), str(stops[-1]["reason"])) if stops else None


def status(run_dir: Path) -> str:
    """How far a run is: phase, states, cost, what is unmet and what went wrong, a line each."""
    run_dir = Path(run_dir)
    events = EventLog(run_dir / "events.jsonl").read()
    alive = is_alive(run_dir)
    try:
        result = committed_result(run_dir)
    except CampaignError:
        first = run_dir / FIRST
        if first.is_dir():
            return f"{run_dir} runs another strategy first\n{status(first)}"
        if alive:
            return f"{run_dir} is running, no round committed yet"
        end = ended(run_dir)
        why = "" if end is None else f": {end[0]} — {end[1]}"
        return f"{run_dir} has not committed any round{why}"
    estimate, cost = result.estimate, result.cost
    word: str = result.status
    if word == "running":
        word = "running" if alive else "stopped, to be resumed"
    lines = [f"{result.header.campaign}: {word} — {result.reason}"]
    if events:
        when = datetime.fromisoformat(str(events[-1]["time"]))
        ago = max(0.0, (datetime.now(UTC) - when).total_seconds())
        lines.append(f"  last sign of life {duration(ago)} ago")
    history = read_history(run_dir)
    if history:
        lines.append(f"  phase {history[-1].phase}, round {history[-1].round}")
    lines += result_lines(estimate)
    lines.append(
        f"  {count(cost.energy_evaluations)} energy evaluations · wall {duration(cost.wall_s)} · "
        f"{overhead(cost)}"
    )
    lines += [f"  unmet: {with_remedy(what)}" for what in estimate.unmet]
    lines += [f"  warning: {what}" for what in warnings_of(result, events)]
    damaged = damage_warning(run_dir)
    lines += [] if damaged is None else [f"  DAMAGED: {damaged}"]
    if not alive and result.status in ("running", "failed"):
        lines.append("  to go on: the same msgen-run command again")
    return "\n".join(lines)


def warnings_of(result: Result, events: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader of the result should know."""
    found = [str(w) for w in result.estimate.diagnostics.get("warnings", ())]
    for name, times in dict(result.estimate.diagnostics.get("isomers_left_out") or {}).items():
        found.append(f"not the same molecule, left out ({times} times): {name}")
    hidden = result.estimate.diagnostics.get("hidden") or {}
    for what in hidden.get("coordinates", ()):
        remedy = "make it one (steered and metadynamics do so by cvs: {extend: auto})"
        found.append(f"replicas disagree in {what}, which is no CV: {remedy}")
    found += [_came(e) for e in events if e["event"] == "extend"]
    found += [str(e["what"]) for e in events if e["event"] == "warning"]
    found += [other_plugin(e) for e in events if e["event"] == "plugin"]
    lost = [e for e in events if e["event"] == "failure"]
    if lost:
        cause = str(lost[-1].get("cause") or "unknown").splitlines()[0]
        found.append(f"{len(lost)} work orders failed; the last: {cause}")
    if result.status == "exhausted":
        found.append("it ended before every criterion held: the errors may not cover yet")
    return found


def _came(told: Mapping[str, Any]) -> str:
    """An ``extend`` event, in words."""
    since = f"sampled along {told['what']} too since round {told['cost']['rounds']}"
    return f"replicas disagreed in {told['what']}: {since}; what was sampled before lies in before/"


def other_plugin(told: Mapping[str, Any]) -> str:
    """A ``plugin`` event, in words."""
    kind = f"{told['name']} ({told['group']})"
    return f"the run began with {kind} of {told['was']} and goes on with {told['now']}"
