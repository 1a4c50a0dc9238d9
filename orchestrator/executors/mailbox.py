"""Rounds on their way from the controller's process to the driver's."""

from __future__ import annotations

import queue

from msgen.orchestrator.base import RoundInfo, Status


class Mailbox:
    """A `Reporter` whose rounds somebody else fetches, from another thread."""

    def __init__(self) -> None:
        self._rounds: queue.SimpleQueue[RoundInfo] = queue.SimpleQueue()

    def round(self, info: RoundInfo) -> None:
        """Keep it until it is fetched."""
        self._rounds.put(info)

    def close(self, status: Status, reason: str) -> None:
        """Nothing: who fetches the rounds learns the status from what the loop returns."""

    def fetch(self, timeout_s: float) -> list[RoundInfo]:
        """Rounds since the last call; waits up to `timeout_s` for the first."""
        found: list[RoundInfo] = []
        try:
            found.append(
                self._rounds.get(timeout=timeout_s) if timeout_s else self._rounds.get_nowait()
            )
            while True:
                found.append(self._rounds.get_nowait())
        except queue.Empty:
            return found
