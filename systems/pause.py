"""Where who waits for a system may look around between its native calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

_PIECE_S = 0.5
"""How long a native call may take, about."""

_FIRST = 20
"""Steps of the first call, before it is known how long one takes."""


def _nothing() -> None:
    pass


class Pause:
    """Cuts long runs of steps into native calls of less than a second.

    Where they are cut shows in no number: the integrator goes on as if it had not been asked.

    Attributes
    ----------
    look : callable
        Called between native calls. What it raises ends the run of steps.
    """

    def __init__(self) -> None:
        self.look: Callable[[], None] = _nothing
        self._step_s = _PIECE_S / _FIRST

    def steps(self, step: Callable[[int], None], n: int) -> None:
        """``step(n)``, in pieces."""
        while n > 0:
            some = min(n, max(1, int(_PIECE_S / self._step_s)))
            began = time.perf_counter()
            step(some)
            self._step_s = max(1e-9, (time.perf_counter() - began) / some)
            n -= some
            self.look()


@runtime_checkable
class Pausing(Protocol):
    """A system whose work can be looked into."""

    pause: Pause
