"""An engine whose calls are slices of an order."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from msgen.actors.base import Tree, decode
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.base import Engine, Switched, Tally
from msgen.actors.kernels.base import Mask
from msgen.actors.slices import Machine, Slices
from msgen.systems.base import Array, Walkers


class ResumableEngine(Engine, Machine, Protocol):
    """An engine that can be put back to where it stood."""


@dataclass(frozen=True)
class Part:
    """What came of some steps of a chunk.

    Attributes
    ----------
    left : int
        Steps that are not made yet.
    xi : Array, shape (n, C)
        As `chunk` gives it, once none is left.
    """

    left: int
    xi: Array


@runtime_checkable
class TogetherEngine(ResumableEngine, Protocol):
    """An engine that steps all walkers at once, on one stream: steps can be parted, not they."""

    def begin_chunk(self, lam: Array, on: Mask, n_steps: int) -> Part:
        """A `chunk`, or its first steps."""
        ...

    def go_on(self) -> Part:
        """More of its steps."""
        ...


class SlicedEngine:
    """Meets `Engine`; see `msgen.actors.slices`.

    Parameters
    ----------
    engine : ResumableEngine
    slices : Slices
    """

    def __init__(self, engine: ResumableEngine, slices: Slices) -> None:
        self._engine, self._slices = engine, slices
        slices.serve(engine, lambda: asdict(engine.tally), self._restore)

    @property
    def tally(self) -> Tally:
        """See `Engine`."""
        return self._engine.tally

    @tally.setter
    def tally(self, tally: Tally) -> None:
        self._engine.tally = tally

    def _restore(self, tally: Tree) -> None:
        self._engine.tally = decode(Tally, tally)

    def begin(self, rng: np.random.Generator) -> None:
        """See `Engine`; the first thing of an order, which is done again."""
        self._engine.begin(rng)

    def set_local_restraint(self, g: Conditional, pace: Array | None = None) -> None:
        """See `Engine`; done again."""
        self._engine.set_local_restraint(g, pace)

    def load(self, walkers: Walkers) -> Array:
        """See `Engine`."""
        return self._slices.call(lambda: self._engine.load(walkers), _array)

    def chunk(self, lam: Array, on: Mask, n_steps: int) -> Array:
        """See `Engine`; a long one of walkers that are stepped together is several slices."""
        engine, call = self._engine, self._slices.call
        if not isinstance(engine, TogetherEngine):
            return call(lambda: engine.chunk(lam, on, n_steps), _array)
        part = call(lambda: engine.begin_chunk(lam, on, n_steps), _part)
        while part.left:
            part = call(engine.go_on, _part)
        return part.xi

    def revert(self, which: Mask) -> None:
        """See `Engine`."""
        if which.any():
            self._slices.call(lambda: self._engine.revert(which), _none)

    def walkers(self) -> Walkers:
        """See `Engine`."""
        return self._slices.call(self._engine.walkers, lambda tree: decode(Walkers, tree))

    def switch(self, walkers: Walkers, start: Array, stop: Array, schedule: Schedule) -> Switched:
        """See `Engine`; a path is a slice, but where paths share their random numbers."""

        def run(rows: slice) -> Switched:
            some = walkers.take(np.arange(len(walkers))[rows])
            return self._slices.call(
                lambda: self._engine.switch(some, start[rows], stop[rows], schedule),
                lambda tree: decode(Switched, tree),
            )

        if schedule.exact or isinstance(self._engine, TogetherEngine) or not len(walkers):
            return run(slice(None))
        return _joined([run(slice(i, i + 1)) for i in range(len(walkers))], walkers.box)


def _joined(parts: list[Switched], box: Array | None) -> Switched:
    xis = [p.profile_xi for p in parts if p.profile_xi is not None]
    works = [p.profile_work for p in parts if p.profile_work is not None]
    return Switched(
        Walkers(np.concatenate([p.walkers.positions for p in parts]), None, box),
        np.concatenate([p.xi for p in parts]),
        np.concatenate([p.work for p in parts]),
        sum(p.evaluations for p in parts),
        sum(p.broken for p in parts),
        sum(p.failures for p in parts),
        np.concatenate(xis) if xis else None,
        np.concatenate(works) if works else None,
    )


def _array(tree: Any) -> Array:
    return np.asarray(tree, dtype=np.float64)


def _part(tree: Any) -> Part:
    return decode(Part, tree)


def _none(tree: Any) -> None:
    return None
