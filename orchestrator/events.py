"""``events.jsonl``: what happened in a campaign, in order; only this file knows the time of day.

Every line is ``{"time": ISO 8601 in UTC, "event": word, …}``. Events:

- ``start``, ``resume`` (after which round), ``damaged`` (what, back_to which round),
  ``stop`` (status, reason)
- ``phase`` (now, round), ``model`` (version published), ``round`` (round, phase, evaluations,
  waited_s for workers, absorbed_s until it was committed)
- ``failure`` (order, cause, retryable), ``retry`` (order, attempt), ``duplicate`` (order)
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgen.orchestrator.files import append_line, read_lines


class EventLog:
    """Append-only; an event is in the file before what it announces is done."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not (path.read_bytes() or b"\n").endswith(b"\n"):
            self._end_torn_line()

    def _end_torn_line(self) -> None:
        whole = self.path.read_bytes()
        self.path.write_bytes(whole[: whole.rfind(b"\n") + 1])

    def write(self, event: str, **fields: Any) -> None:
        """Append one event; `fields` are JSON scalars or lists of them."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        append_line(self.path, {"time": now, "event": event, **fields}, sync=False)

    def read(self) -> list[dict[str, Any]]:
        """All events so far."""
        return read_lines(self.path)
