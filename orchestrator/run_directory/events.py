"""``events.jsonl``: what happened in a campaign, in order; only this file knows the time of day.

Every line is ``{"time": ISO 8601 in UTC, "event": word, …}``. Events:

- ``start``, ``resume`` (after which round), ``damaged`` (what, back_to which round),
  ``stop`` (status, reason)
- ``phase`` (now, round), ``model`` (version published), ``round`` (round, phase, evaluations,
  waited_s for workers, absorbed_s until it was committed)
- ``failure`` (order, kind, cause, retryable), ``retry`` (order, attempt), ``duplicate`` (order)
- ``deadline`` (order, after_s: its worker is given up), ``spare`` (order: late, given to an idle
  worker as well), ``spare_lost`` (order, kind, cause: another worker has it)
- ``plugin`` (group, name, was, now: a resume with another version of what brings it)
- ``hidden`` (differ: what replicas of a state have come to differ in beside the CVs)
- ``extend`` (what, name, section: begins anew with this CV beside those given; cost: until then)
- ``probes`` (learnt, missed: places of basins that probes have found, and for which the campaign
  went back or which production still does not visit)
- ``workers`` (now, was, nodes), ``not_started`` (node, cause)
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgen.orchestrator.run_directory.atomic_files import append_line, cut_torn_line, read_lines


class EventLog:
    """Append-only; an event is in the file before what it announces is done.

    Reading changes nothing: a line that a crash tore is cut off by the next writer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._whole = False
        self._told: dict[str, dict[str, Any]] = {}

    def write(self, event: str, **fields: Any) -> None:
        """Append one event; `fields` are JSON scalars or lists of them."""
        if not self._whole:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            cut_torn_line(self.path)
            self._whole = True
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        append_line(self.path, {"time": now, "event": event, **fields}, sync=False)

    def write_changed(self, event: str, **fields: Any) -> None:
        """Append it unless it says what it said last; lists that are empty at first say nothing."""
        before = self._told.get(event, {name: [] for name in fields})
        if fields != before:
            self.write(event, **fields)
        self._told[event] = fields

    def read(self) -> list[dict[str, Any]]:
        """All events so far."""
        return read_lines(self.path)

    def since_begun(self) -> list[dict[str, Any]]:
        """Those since the campaign began, or began anew: rounds before have the same numbers."""
        found = self.read()
        anew = [i for i, e in enumerate(found) if e["event"] == "extend"]
        return found[anew[-1] + 1 :] if anew else found
