"""Trajectories of collective variables: whole paths at a fixed stride, with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.sums import Sums
from msgen.orchestrator.estimators.units import ENOUGH

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


def _nothing() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Trajectories:
    """T trajectories of C collective variables.

    Attributes
    ----------
    paths : tuple of Array, shape (n_t, C)
        Frames in the order of time, a periodic CV in any turn.
    names : tuple of str, length C
    periodic : tuple of bool, length C
        Angles, of period 2π.
    stride : float
        Time between two frames, in `unit`.
    unit : str
        'ps', or what is counted where no time is known: 'frames', 'steps'.
    weights : tuple of Array, shape (n_t,), optional
        Equilibrium weights of the frames, 1 by default. Pairs of frames weigh what the earlier one
        does: of trajectories that began in a state with what is right there, equilibrium's.
    member : int array, shape (T,), optional
        Pieces with one number are of one trajectory, and not independent; by default each is one.
    group : int array, shape (T,), optional
        Where each began, if so many were begun in each state by design; by default all alike.

    Raises
    ------
    ValueError
        For paths that are not of C columns or hold no frame, and weights that are not theirs.
    """

    paths: tuple[Array, ...]
    names: tuple[str, ...]
    periodic: tuple[bool, ...]
    stride: float = 1.0
    unit: str = "frames"
    weights: tuple[Array, ...] = ()
    member: Ints = field(default_factory=_nothing)
    group: Ints = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        n = len(self.paths)
        if not n or not self.stride > 0 or len(self.names) != len(self.periodic):
            raise ValueError("give one path or more, a stride above 0, and of each CV its period")
        for path in self.paths:
            if path.ndim != 2 or path.shape[1] != len(self.names) or not len(path):
                raise ValueError(f"a path of shape {path.shape} where {len(self.names)} CVs are")
        for name, default in (("member", np.arange(n)), ("group", np.zeros(n, dtype=np.int64))):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, default)
            if len(getattr(self, name)) != n:
                raise ValueError(f"{name}: {len(getattr(self, name))} numbers for {n} paths")
        if not self.weights:
            object.__setattr__(self, "weights", tuple(np.ones(len(p)) for p in self.paths))
        if [len(w) for w in self.weights] != [len(p) for p in self.paths]:
            raise ValueError("weights are one for each frame")

    @cached_property
    def xi(self) -> Array:
        """All frames, path after path, shape (N, C)."""
        return np.concatenate(self.paths).astype(np.float64)

    @cached_property
    def weight(self) -> Array:
        """Of every frame, shape (N,)."""
        return np.concatenate(self.weights).astype(np.float64)

    @cached_property
    def owner(self) -> Ints:
        """The path of every frame, shape (N,)."""
        return np.repeat(np.arange(len(self.paths)), self.lengths)

    @cached_property
    def lengths(self) -> Ints:
        """Frames of every path, shape (T,)."""
        return np.array([len(p) for p in self.paths], dtype=np.int64)

    @cached_property
    def features(self) -> Array:
        """Cosine and sine of periodic CVs, the others as they are, shape (N, F)."""
        columns: list[Array] = []
        for c, periodic in enumerate(self.periodic):
            x = self.xi[:, c]
            columns += [np.cos(x), np.sin(x)] if periodic else [x]
        return np.stack(columns, axis=1)

    def feature_columns(self, cv: int) -> list[int]:
        """Those of `features` that are of one CV."""
        first = sum(2 if p else 1 for p in self.periodic[:cv])
        return list(range(first, first + (2 if self.periodic[cv] else 1)))

    def first_of_pairs(self, lag: int) -> Ints:
        """Frames that have another `lag` frames later on the same path."""
        n = len(self.owner)
        if lag >= n:
            return _nothing()
        return np.flatnonzero(self.owner[: n - lag] == self.owner[lag:])

    def frames_in(self, time: float) -> int | None:
        """How many strides a time is; None if it is no whole number of them, to 1 in 10⁴."""
        count = time / self.stride
        whole = round(count)
        return whole if whole >= 1 and abs(count - whole) <= 1e-4 * count else None

    def cut(self, pieces: int) -> Trajectories:
        """Every path cut into so many pieces, which count as independent."""
        cuts = [np.array_split(np.arange(n), min(pieces, n)) for n in self.lengths]
        number = np.array([len(c) for c in cuts])
        inside = np.concatenate([np.arange(n) for n in number])
        return replace(
            self,
            paths=tuple(p[i] for p, c in zip(self.paths, cuts, strict=True) for i in c),
            weights=tuple(w[i] for w, c in zip(self.weights, cuts, strict=True) for i in c),
            member=np.repeat(self.member, number) * pieces + inside,
            group=np.repeat(self.group, number),
        )

    @cached_property
    def blocks(self) -> Blocks:
        """Up to about `ENOUGH` blocks of whole trajectories."""
        return Blocks.of(self)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of whole trajectories of about one weight.

    Attributes
    ----------
    of_frame : int array, shape (N,)
    group : int array, shape (B,)
    weight : Array, shape (B,)
        The frames' together.
    """

    of_frame: Ints
    group: Ints
    weight: Array

    @classmethod
    def of(cls, data: Trajectories) -> Blocks:
        """Deal members to blocks, group by group, the heaviest first to the lightest block."""
        labels, member = np.unique(data.member, return_inverse=True)
        path_weight = _totals(data.owner, data.weight, len(data.paths))
        weight = _totals(member, path_weight, len(labels))
        group_of = np.zeros(len(labels), dtype=np.int64)
        group_of[member] = data.group
        block = np.zeros(len(labels), dtype=np.int64)
        groups: list[int] = []
        for g in np.unique(group_of):
            mine = np.flatnonzero(group_of == g)
            number = min(len(mine), max(2, round(ENOUGH * len(mine) / len(labels))))
            block[mine] = len(groups) + _dealt(weight[mine], number)
            groups += [int(g)] * number
        of_frame = block[member][data.owner]
        total = _totals(of_frame, data.weight, len(groups))
        return cls(of_frame, np.array(groups, dtype=np.int64), total)

    def sum(self, values: Array, at: Ints) -> Sums:
        """Of values (n, K) that belong to the frames `at` (n,)."""
        block = self.of_frame[at]
        columns = [
            np.bincount(block, column, minlength=len(self.group))
            for column in np.asarray(values, dtype=np.float64).T
        ]
        return Sums(np.stack(columns, axis=1), self.group, self.weight)

    def count(self, labels: Ints, n: int, at: Ints, weight: Array) -> Sums:
        """Weight of each of `n` labels; `labels` (m,), negative ones left out, of frames `at`."""
        kept = labels >= 0
        flat = self.of_frame[at[kept]] * n + labels[kept]
        counts = np.bincount(flat, weight[kept], minlength=n * len(self.group))
        return Sums(counts.reshape(-1, n).astype(np.float64), self.group, self.weight)


def _totals(label: Ints, weight: Array, n: int) -> Array:
    """Weight of each of `n` labels."""
    return np.bincount(label, weight, minlength=n).astype(np.float64)


def _dealt(weight: Array, number: int) -> Ints:
    """Which of `number` blocks each is dealt to."""
    if number == len(weight):
        return np.arange(number)
    order = np.argsort(-weight, kind="stable")
    # there and back again, so that rank 1 and rank 2n fall together
    place = np.arange(len(weight)) % (2 * number)
    snake = np.minimum(place, 2 * number - 1 - place)
    out = np.zeros(len(weight), dtype=np.int64)
    out[order] = snake
    return out


def spaced(most: int, count: int) -> Ints:
    """Up to `count` whole lags from 1 to `most`, at equal ratios."""
    if most < 1:
        return _nothing()
    return np.unique(np.round(np.geomspace(1, most, count)).astype(np.int64))


def same_lag(time: float, *data: Trajectories) -> Sequence[int] | None:
    """A time in strides of each; None if it is not a whole number of those of all."""
    counts = [one.frames_in(time) for one in data]
    found = [c for c in counts if c is not None]
    return found if len(found) == len(counts) else None
