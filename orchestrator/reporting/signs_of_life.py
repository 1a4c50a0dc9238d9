"""Shows what a campaign is at whenever nothing else has been shown for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.panel import Panel

from msgen.orchestrator.base import Activity
from msgen.orchestrator.reporting.screens import Screen
from msgen.orchestrator.reporting.words import count, duration

_TICK_S = 0.5
_FIRST_S = 0.8
"""Of silence before the first sign; beside it Python's start and imports are waited for."""

_LEAST_SHARE = 0.02
"""Of a round's cost that has to be done here before the time it will take is told."""


class SignsOfLife:
    """Takes what goes on, and shows it from a thread of its own; a `Tell`, and a `Place`.

    The main thread may be in a long call while a system is built, Ray starts or a round is
    absorbed.

    Parameters
    ----------
    screen : Screen
    clock : callable
        Seconds.
    """

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen, self._clock = screen, clock
        self._now: Activity | None = None
        self._began = self._round_began = self._shown = clock()
        self._first_share, self._silent = 0.0, True
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, now: Activity) -> None:
        """This is what goes on from here."""
        before = self._now
        if before is None or (before.doing, before.round) != (now.doing, now.round):
            self._began = self._clock()
            if now.doing == "sampling":
                self._round_began, self._first_share = self._began, now.share
        self._now = now

    def show(self, block: Panel, line: str) -> None:
        """See `Place`."""
        with self._lock:
            self._shown, self._silent = self._clock(), False
            self._screen.show(block, line)

    def end(self, lines: Sequence[str]) -> None:
        """See `Place`; nothing is shown after it."""
        self._over.set()
        with self._lock:
            self._screen.end(lines)

    def beat(self) -> None:
        """Show what goes on, if it is time."""
        with self._lock:
            quiet = self._clock() - self._shown
            least = min(_FIRST_S, self._screen.every_s) if self._silent else self._screen.every_s
            if self._now is None or self._over.is_set() or quiet < least:
                return
            self._shown, self._silent = self._clock(), False
            self._screen.beat(self._line(self._now))

    def _line(self, now: Activity) -> str:
        parts = [now.doing if now.round < 0 else f"round {now.round}: {now.doing}"]
        if now.phase is not None:
            parts[0] = f"round {now.round} {now.phase}: {now.doing}"
        if now.of:
            parts.append(f"{now.orders} of {now.of} orders")
        if now.evaluations:
            parts.append(f"{count(now.evaluations)} energy evaluations in this round")
        so_far = self._clock() - self._began
        parts.append(f"{duration(so_far)} so far")
        done = now.share - self._first_share
        if now.doing == "sampling" and done > _LEAST_SHARE:
            parts.append(f"about {duration(so_far * (1.0 - now.share) / done)} to go")
        return " · ".join(parts)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(())
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._over.wait(_TICK_S):
            self.beat()
