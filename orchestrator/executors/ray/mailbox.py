"""Rounds on their way from the controller's process to the driver's."""

from __future__ import annotations

import threading
from collections import deque

from msgen.orchestrator.base import Activity, RoundInfo, Status


class Mailbox:
    """A `Reporter` whose rounds somebody else fetches, from another thread.

    A round is kept until its receipt is confirmed: an answer may be lost on the way.
    """

    def __init__(self) -> None:
        self._rounds: deque[RoundInfo] = deque()
        self._gone = 0
        self._news = threading.Condition()
        self._now: Activity | None = None

    def tell(self, now: Activity) -> None:
        """What goes on; whoever fetches sees the last."""
        self._now = now

    def round(self, info: RoundInfo) -> None:
        """Keep it until it has arrived."""
        with self._news:
            self._rounds.append(info)
            self._news.notify()

    def close(self, status: Status, reason: str) -> None:
        """Nothing: who fetches the rounds learns the status from what the loop returns."""

    def fetch(self, arrived: int, timeout_s: float) -> tuple[list[RoundInfo], Activity | None]:
        """Rounds after the first `arrived`, and what goes on; waits up to `timeout_s` for one."""
        with self._news:
            while self._gone < arrived:
                self._rounds.popleft()
                self._gone += 1
            self._news.wait_for(lambda: bool(self._rounds), timeout_s)
            return list(self._rounds), self._now
