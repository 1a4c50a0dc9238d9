"""A campaign as somebody before a terminal sees it: what is printed, when, and how it ends."""

from __future__ import annotations

import itertools
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

AFTER_S = 60.0
"""How long a campaign may go on after its limit before it counts as hung."""

_LOOK_S = 0.2
_KILL_S = 30.0


@dataclass(frozen=True)
class Watched:
    """What was seen of one command.

    Attributes
    ----------
    text : str
        All that it printed.
    exit : int
    first_s : float
        Until it printed anything; all its time where it never did.
    silence_s : float
        The longest time between two signs of life, or before the end.
    round_s : float or None
        Until a round was committed.
    took_s : float
    hung : bool
        Whether it had to be ended.
    """

    text: str
    exit: int
    first_s: float
    silence_s: float
    round_s: float | None
    took_s: float
    hung: bool


def watch(command: Sequence[str], run_dir: Path, limit_s: float) -> Watched:
    """Run a command and look at what it prints.

    Parameters
    ----------
    command : sequence of str
    run_dir : Path
        Where its rounds are committed.
    limit_s : float
        When it has to be over.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    assert process.stdout is not None
    signs, heard, round_s, hung = [0.0], [], None, False
    end = _ender(process, began + limit_s)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            hung |= end()
            some = os.read(process.stdout.fileno(), 1 << 16) if selector.select(_LOOK_S) else None
            now = time.monotonic() - began
            if round_s is None and _committed(run_dir):
                round_s = now
            if some:
                heard.append(some)
                signs.append(now)
            elif some == b"":
                break
    code = process.wait()
    took = time.monotonic() - began
    signs.append(took)
    return Watched(
        b"".join(heard).decode(errors="replace"),
        code,
        signs[1],
        max(b - a for a, b in itertools.pairwise(signs)),
        round_s,
        took,
        hung,
    )


def _committed(run_dir: Path) -> bool:
    path = run_dir / "commits.jsonl"
    return path.exists() and path.stat().st_size > 0


def _ender(process: subprocess.Popen[bytes], deadline: float) -> Callable[[], bool]:
    """Interrupts the process after its deadline, and kills its session some time later."""
    asked = False

    def end() -> bool:
        nonlocal asked
        late = time.monotonic() - deadline
        if late < 0:
            return False
        if not asked:
            process.send_signal(signal.SIGINT)
            asked = True
        elif late > _KILL_S and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        return True

    return end
