"""An order in slices: calls of its engine that are done once, however often the order is begun.

A role is a plain function. What takes its time are calls of an engine; each of them is a slice. The
log of an order holds what every call gave, with the state of the random stream and of the tally
after it. An order that was stopped is begun again from its first line: calls that are in the log
are answered from it and move nothing, and after the last of them the engine is put back to where it
stood then. So no role has to know how to go on, and what it gives is the same bit for bit, on a
platform that repeats its arithmetic, wherever it was stopped.

The clock decides when somebody looks whether to stop, and which states are worth keeping on the
way; neither shows in a sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Begun, OrderKey, Tree, copy_tree, encode

T = TypeVar("T")
Words = NDArray[np.uint64]

_LOOK_S = 0.2
_KEEP_S = 0.25
"""A call that took as long is not to be lost if the next one is left in the middle."""

_FINISH_S = 5.0
"""How long a call may go on after a stop was asked for, before it is left in the middle."""


_SLICE_S = 0.5
"""How long a slice of steps may take, about."""


def some_steps(step: Callable[[], None], most: int) -> int:
    """Steps until there were `most`, or a slice is full; how many, at least one.

    The clock may decide that: the log of an order knows it, and steps cut elsewhere are the same.
    """
    began = time.perf_counter()
    for done in range(1, most + 1):
        step()
        if time.perf_counter() - began >= _SLICE_S:
            return done
    return most


class HaltedError(Exception):
    """The order was asked to stop, and has: not an error of its own."""


@runtime_checkable
class Machine(Protocol):
    """What the calls move."""

    def snapshot(self) -> Tree:
        """Where it stands between two calls."""
        ...

    def resume(self, snapshot: Tree) -> None:
        """Stand there."""
        ...


@dataclass(frozen=True)
class _Record:
    value: Any
    stream: Words
    tally: Tree


class Slices:
    """The calls of one order.

    Parameters
    ----------
    rng : Generator
        The stream of the order, a PCG64.
    pulse : callable
        Told how many energy evaluations the order has taken; whether it is to stop.
    begun : Begun, optional
        Where it was stopped.
    """

    def __init__(
        self, rng: np.random.Generator, pulse: Callable[[int], bool], begun: Begun | None = None
    ) -> None:
        self._rng, self._pulse = rng, pulse
        self._given = begun if begun is not None and begun.log else None
        log: Tree = {} if self._given is None else self._given.log
        calls = log.get("calls", [])
        self._records = [_Record(r.get("value"), r["stream"], r["tally"]) for r in calls]
        self._snapshot: Tree = log.get("machine", {})
        self._known = self._marked = len(self._records)
        self._replayed = 0
        self._machine: Machine | None = None
        self._tally: Callable[[], Tree] = dict
        self._restore: Callable[[Tree], None] = lambda tally: None
        self._asked: float | None = None
        self._next_look = 0.0
        self._began = time.perf_counter()

    def serve(
        self, machine: Machine, tally: Callable[[], Tree], restore: Callable[[Tree], None]
    ) -> None:
        """`call` moves this machine; what it has done is told by `tally`, and put back.

        Of several, the last is what can be gone on with.
        """
        self._machine, self._tally, self._restore = machine, tally, restore

    @property
    def replaying(self) -> bool:
        """Whether the next call is in the log."""
        return self._replayed < self._known

    def call(self, do: Callable[[], T], read: Callable[[Any], T]) -> T:
        """What `do` gives, or gave; `read` makes it of its tree.

        Raises
        ------
        HaltedError
            Once the order is to stop and the call is done.
        """
        if self.replaying:
            return self._replay(read)
        began = time.perf_counter()
        value = do()
        state = copy_tree(encode(value))
        self._records.append(_Record(state, words_of(self._rng), self._tally()))
        took = time.perf_counter() - began
        if self._asked is not None or took > _KEEP_S:
            self._mark()
        if self._asked is not None:
            raise HaltedError
        return value

    def check(self) -> None:
        """Look whether the order is to stop; called between native calls.

        Raises
        ------
        HaltedError
            If it should have stopped some time ago.
        """
        now = time.perf_counter()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_S
        if self._asked is None and self._pulse(int(self._tally().get("evaluations", 0))):
            self._asked = now
        if self._asked is not None and now - self._asked >= _FINISH_S:
            raise HaltedError

    def begun(self, key: OrderKey) -> Begun:
        """What is kept of an order that was stopped."""
        seconds = time.perf_counter() - self._began
        if not self._marked:
            return Begun(key)
        kept = self._records[: self._marked]
        calls = [{"value": r.value, "stream": r.stream, "tally": r.tally} for r in kept]
        earlier = 0.0 if self._given is None else self._given.wall_s
        evaluations = int(kept[-1].tally.get("evaluations", 0))
        log: Tree = {"calls": calls, "machine": self._snapshot}
        return Begun(key, log, evaluations, earlier + seconds)

    @property
    def earlier_s(self) -> float:
        """Seconds that the order took before it was stopped."""
        return 0.0 if self._given is None else self._given.wall_s

    def _mark(self) -> None:
        if self._machine is not None:
            self._snapshot, self._marked = self._machine.snapshot(), len(self._records)

    def _replay(self, read: Callable[[Any], T]) -> T:
        record = self._records[self._replayed]
        self._replayed += 1
        set_words(self._rng, record.stream)
        if not self.replaying:
            assert self._machine is not None
            self._machine.resume(self._snapshot)
        self._restore(record.tally)
        return read(copy_tree(record.value))


def words_of(rng: np.random.Generator) -> Words:
    """The state of a stream, six words of 64 bits."""
    state: Any = rng.bit_generator.state
    wide = [state["state"]["state"], state["state"]["inc"]]
    halves = [part for word in wide for part in (word & (2**64 - 1), word >> 64)]
    return np.array([*halves, state["has_uint32"], state["uinteger"]], dtype=np.uint64)


def set_words(rng: np.random.Generator, words: Words) -> None:
    """The inverse of `words_of`."""
    low, high, inc_low, inc_high, has, last = (int(word) for word in words)
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": low | high << 64, "inc": inc_low | inc_high << 64},
        "has_uint32": has,
        "uinteger": last,
    }
