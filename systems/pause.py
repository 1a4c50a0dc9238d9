"""Where whoever computes for long lets the one who waits look around, between two pieces of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_PIECE_S = 0.5
"""How long a native call may take, about."""

_FIRST = 20
"""Steps of the first call, before it is known how long one takes."""


def _nothing() -> None:
    pass


_LOOK: ContextVar[Callable[[], None]] = ContextVar("look", default=_nothing)


@contextmanager
def looked_after(look: Callable[[], None]) -> Iterator[None]:
    """In here `look` is called wherever somebody pauses; what it raises ends what is computed."""
    before = _LOOK.set(look)
    try:
        yield
    finally:
        _LOOK.reset(before)


def pause() -> None:
    """Let who waits look around; it changes no number, and does nothing where nobody waits."""
    _LOOK.get()()


class Pause:
    """Cuts long runs of steps into native calls of less than a second, with a `pause` between.

    Where they are cut shows in no number: the integrator goes on as if it had not been asked.
    """

    def __init__(self) -> None:
        self._step_s = _PIECE_S / _FIRST

    def steps(self, step: Callable[[int], None], n: int) -> None:
        """``step(n)``, in pieces."""
        while n > 0:
            some = min(n, max(1, int(_PIECE_S / self._step_s)))
            began = time.perf_counter()
            step(some)
            self._step_s = max(1e-9, (time.perf_counter() - began) / some)
            n -= some
            pause()
