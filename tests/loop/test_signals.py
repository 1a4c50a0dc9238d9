"""Signals are answered at once, and end even what does not listen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from msgen.orchestrator.loop import signals as module
from msgen.orchestrator.loop.signals import answered

BUSY = """
import ctypes, os, signal, sys, threading
from contextlib import nullcontext
from msgen.orchestrator.loop.signals import answered

if sys.argv[1] == "plain":  # what Python offers: the handler waits for the main thread
    def handler(number, frame):
        print("SIGTERM: heard", flush=True)
    signal.signal(signal.SIGTERM, handler)
    open_ = nullcontext(None)
else:
    open_ = answered()
with open_ as found, (nullcontext() if found is None else found.loop()):
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    ctypes.CDLL(None).system(b"sleep 1; echo the call is over")
    assert found is None or found.stop.requested
"""


@pytest.mark.parametrize("how", ["answered", "plain"])
def test_a_signal_is_answered_while_the_main_thread_is_in_a_call(how: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", BUSY, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    heard = next(i for i, line in enumerate(ran.stdout.splitlines()) if "SIGTERM" in line)
    over = ran.stdout.splitlines().index("the call is over")
    assert (heard < over) == (how == "answered")


def hit(number: signal.Signals, times: int = 1) -> None:
    """Send it here, and go on as somebody who does not look at what was asked."""
    for _ in range(times):
        os.kill(os.getpid(), number)
    threading.Event().wait(60.0)


def test_a_sigterm_that_comes_twice_at_once_is_one(capfd: pytest.CaptureFixture[str]) -> None:
    """As timeout(1) sends it, to the command and to its group."""
    with answered() as signals, signals.loop():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(500):
            if capfd.readouterr().err.count("SIGTERM"):
                break
            time.sleep(0.01)
        time.sleep(0.1)
        assert signals.stop.requests == 1
        assert not signals.stop.urgent


def test_before_the_loop_a_signal_ends_what_goes_on() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), answered():
        hit(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("requests", [1, 3])
def test_a_loop_that_does_not_listen_is_ended(
    requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if requests == 1:
        monkeypatch.setattr(module, "_AT_LAST_S", 0.0)
    with pytest.raises(KeyboardInterrupt), answered() as heard, heard.loop():
        hit(signal.SIGINT, requests)
    assert heard.stop.requests == requests


def test_outside_the_main_thread_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def work() -> None:
        with answered() as heard, heard.loop():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
