"""The simulator's trajectories at one temperature: frames of a state, crossings, windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.systems.base import Array

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Simulated:
    """Gathered trajectories of one length.

    Attributes
    ----------
    frames : Array, shape (n, length, C)
    start : int array, shape (n,)
        The state that each began in.
    weight : Array, shape (n,)
        Of every frame of each.
    states : Partition
    named : int
        How many of the states are: core sets.
    """

    frames: Array
    start: Ints
    weight: Array
    states: Partition
    named: int

    @cached_property
    def state(self) -> Ints:
        """Of every frame, shape (n, length)."""
        return labelled(self.frames, self.states)

    @cached_property
    def core(self) -> Ints:
        """The named state of every frame, −1 in none, shape (n, length)."""
        return np.where(self.state < self.named, self.state, -1)

    def drawn_in(self, name: str, number: int, rng: np.random.Generator) -> Array | None:
        """Frames of a state by their weights, shape (number, C); None where there are none."""
        there = self.state == self.states.names.index(name)
        weight = np.where(there, self.weight[:, None], 0.0).ravel()
        if not weight.sum() > 0:
            return None
        picks = rng.choice(len(weight), number, p=weight / weight.sum())
        return np.asarray(self.frames.reshape(len(weight), -1)[picks])

    def a_crossing(self, length: int) -> Array | None:
        """The first path from a core to another, with so many frames about it; None: none is."""
        for frames, core in zip(self.frames, self.core, strict=True):
            inside = np.flatnonzero(core >= 0)
            changes = np.flatnonzero(np.diff(core[inside]) != 0)
            if len(changes):
                middle = int(inside[changes[0]] + inside[changes[0] + 1]) // 2
                begin = min(max(0, middle - length // 2), len(frames) - length)
                return np.asarray(frames[begin : begin + length])
        return None

    def windows(self, ends: tuple[int, int], length: int) -> tuple[Array, Array]:
        """One window a trajectory that begins in one core and ends in another, and its weight.

        Of windows that overlap the middle one is taken.
        """
        first, last = self.core[:, : -length + 1 or None], self.core[:, length - 1 :]
        found, weight = [], []
        for i, fits in enumerate((first == ends[0]) & (last == ends[1])):
            at = np.flatnonzero(fits)
            if len(at):
                run = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)[0]
                begin = int(run[len(run) // 2])
                found.append(self.frames[i, begin : begin + length])
                weight.append(self.weight[i])
        shape = (0, length, self.frames.shape[2])
        return np.array(found).reshape(-1, *shape[1:]), np.array(weight, dtype=np.float64)

    def without_skips(self, paths: Array) -> Bools:
        """Which paths pass between cores as these do: with a frame outside, if all of these have.

        Shape (n,).
        """
        core = np.where((label := labelled(paths, self.states)) < self.named, label, -1)
        if _skips(self.core).any():
            return np.ones(len(paths), dtype=bool)
        return ~_skips(core)


def labelled(frames: Array, states: Partition) -> Ints:
    """The state of every frame, shape (n, length)."""
    n, length, dim = frames.shape
    if not n * length:
        return np.zeros((n, length), dtype=np.int64)
    return states.assign(frames.reshape(n * length, dim)).reshape(n, length)


def _skips(core: Ints) -> Bools:
    """From a core to another without a frame between them, shape (n,)."""
    before, after = core[:, :-1], core[:, 1:]
    return np.asarray(((before >= 0) & (after >= 0) & (before != after)).any(axis=1))
