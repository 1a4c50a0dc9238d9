"""Walkers as they travel with orders and lie in checkpoints: rows, whatever they are made of.

Either coordinates or, for big molecules, a table of where they lie (`msgen.actors.walker_files`).
Strategies take rows and join them; they never look inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

Ints = NDArray[np.int64]

MOVING = 4
"""Column of the table: whether the walker goes on with its velocities."""


@dataclass(frozen=True)
class WalkerRows:
    """n walkers; coordinates, or a table, and never both.

    Attributes
    ----------
    positions, velocities : Array, shape (n, D), or None
        Without velocities they are drawn anew.
    box : Array, shape (n, 3, 3), or None
    shelf : Ints, shape (n, 5), or None
        See `msgen.actors.walker_files`.
    sound : Array, shape (1,), or None
        Beside a table: NaN where a coordinate is not finite, for who never sees them.
    """

    positions: Array | None = None
    velocities: Array | None = None
    box: Array | None = None
    shelf: Ints | None = None
    sound: Array | None = None

    def __len__(self) -> int:
        return len(next(iter(self._parts().values())))

    def _parts(self) -> dict[str, NDArray[Any]]:
        """What there is of each walker, by name."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "sound"}
        return {name: part for name, part in named.items() if part is not None}

    def take(self, index: Ints) -> WalkerRows:
        """Some of the walkers, or some of them several times."""
        return WalkerRows(**{name: part[index] for name, part in self._parts().items()})

    def without_velocities(self) -> WalkerRows:
        """The same walkers; their velocities will be drawn anew."""
        shelf = self.shelf
        if shelf is not None:
            shelf = np.array(shelf)
            shelf[:, MOVING] = 0
        return WalkerRows(self.positions, None, self.box, shelf)

    @classmethod
    def join(cls, parts: Sequence[WalkerRows]) -> WalkerRows:
        """Walkers of the same make, one after the other."""
        split = [part._parts() for part in parts]
        return cls(**{name: np.concatenate([p[name] for p in split]) for name in split[0]})

    def updated(self, total: int, ids: Sequence[Ints], new: Sequence[WalkerRows]) -> WalkerRows:
        """`total` walkers of which those of `ids` are `new`, and the others as they were."""
        before, split = self._parts(), [part._parts() for part in new]
        out: dict[str, NDArray[Any]] = {}
        for name, first in split[0].items():
            out[name] = np.zeros((total, *first.shape[1:]), dtype=first.dtype)
            if name in before:
                out[name][:] = before[name]
            for group, part in zip(ids, split, strict=True):
                out[name][group] = part[name]
        return WalkerRows(**out)
