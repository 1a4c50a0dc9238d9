"""SIGINT and SIGTERM, answered at once whatever the main thread is at.

Python runs a signal's handler in the main thread and between two of its own instructions: while
that is in a call of OpenMM or numpy, nothing is heard for as long as the call takes. So a thread of
its own reads the numbers that Python's C handler writes to a socket when the signal comes.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from msgen.orchestrator.loop.stop import GRACE_S, StopFlag

_HEARD = (signal.SIGINT, signal.SIGTERM)
_AT_LAST_S = GRACE_S + 4.0
"""After the first request: when a main thread that has not ended is interrupted."""

_AGAIN_S = 0.2

_ONCE_S = 1.0
"""Of SIGTERM: timeout(1) sends it to the command and, a moment later, to the command's group."""

_ANSWERS = (
    "no more work begins; what is in hand ends with its slice and is kept (once more drops it)",
    "dropping what is in hand; the rest is kept",
    "stopping now; what was kept so far stays",
)


class Signals:
    """Turns signals into requests to stop, see `answered`.

    Attributes
    ----------
    stop : StopFlag
    """

    def __init__(self) -> None:
        self.stop = StopFlag()
        self._patient = self._over = self._struck = False
        self._terminated = float("-inf")
        self._known: dict[int, str] = {number: number.name for number in _HEARD}

    @contextmanager
    def loop(self) -> Iterator[None]:
        """In here a signal is a request to the campaign loop, and elsewhere ends what goes on."""
        with _handled(self._handle):  # Ray's start replaces handlers
            self._patient = True
            try:
                yield
            finally:
                self._patient = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._over or not self._patient:
            self._struck = True
            raise KeyboardInterrupt

    def _listen(self, here: socket.socket) -> None:
        deadline = float("inf")
        while not self._over:
            wait = deadline - time.monotonic()
            here.settimeout(max(0.0, wait) if wait < threading.TIMEOUT_MAX else None)
            try:
                heard = here.recv(16)
            except (TimeoutError, BlockingIOError):
                break
            if not heard:
                return
            for number in heard:
                if number in self._known:
                    self._answer(number)
                    deadline = min(deadline, time.monotonic() + _AT_LAST_S)
            if self.stop.requests >= len(_ANSWERS):
                break
        self._over = True
        # a real one, which ends waiting, too; one that comes just before a wait begins does not
        while self._patient and not self._struck:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(_AGAIN_S)

    def _answer(self, number: int) -> None:
        if number == signal.SIGTERM:
            before, self._terminated = self._terminated, time.monotonic()
            if self._terminated - before < _ONCE_S:
                return
        self.stop.request()
        what = _ANSWERS[min(self.stop.requests, len(_ANSWERS)) - 1] if self._patient else "stopping"
        sys.stderr.write(f"{self._known[number]}: {what}\n")
        sys.stderr.flush()


@contextmanager
def answered() -> Iterator[Signals]:
    """Listen to signals; outside the main thread nothing changes."""
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    here, there = socket.socketpair()
    there.setblocking(False)
    before = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(target=signals._listen, args=(here,), daemon=True)
    listener.start()
    owner = os.getpid()
    try:
        with _handled(signals._handle):
            yield signals
    finally:
        signal.set_wakeup_fd(before)
        there.close()  # which ends the listener
        if os.getpid() == owner:
            listener.join(1.0)
        here.close()


@contextmanager
def _handled(handler: signal._HANDLER) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _HEARD}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
