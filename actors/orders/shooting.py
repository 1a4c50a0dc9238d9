"""Orders of transition paths: shots of some replicas' chains of paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.proposals import BroadGaussian
from msgen.systems.base import Array

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PathRows:
    """The present path of each of n chains, see `msgen.actors.kernels.two_way.Legs`.

    Attributes
    ----------
    positions : Array, shape (n, F, D)
    log_density, reversal : Array, shape (n, F)
    there : bool array, shape (n,)
        Which chains have one.
    """

    positions: Array
    log_density: Array
    reversal: Array
    there: Bools

    def __len__(self) -> int:
        return len(self.there)

    @classmethod
    def nobody(cls, n: int, frames: int, dim: int) -> PathRows:
        """n chains without a path."""
        flat = np.zeros((n, frames))
        return cls(np.zeros((n, frames, dim)), flat, flat, np.zeros(n, dtype=bool))

    def take(self, rows: Ints) -> PathRows:
        """Some of the chains, or some several times."""
        return PathRows(
            self.positions[rows], self.log_density[rows], self.reversal[rows], self.there[rows]
        )


@dataclass(frozen=True)
class ShootPayload:
    """Shots of some chains.

    Attributes
    ----------
    paths : PathRows
        n chains.
    replicas : int array, shape (n,)
    shots : int
        Of each.
    stride : int
        Steps between two frames.
    states : Partition
    ends : tuple of int
        Where paths begin and end, of `states`.
    window : int or None
        Of aimless shooting; None: shooting points are drawn from the order's model.
    epsilon : float
        Share of the broad density beside the model.
    broad : BroadGaussian or None
        None of aimless shooting.
    learn : bool
        Whether frames of the paths are to be handed to a fit.
    """

    kind: ClassVar[str] = "shoot"

    paths: PathRows
    replicas: Ints
    shots: int
    stride: int
    states: Partition
    ends: tuple[int, int]
    window: int | None = None
    epsilon: float = 0.0
    broad: BroadGaussian | None = None
    learn: bool = False


@dataclass(frozen=True)
class ShotRows:
    """What m shots told.

    Attributes
    ----------
    replica : int array, shape (m,)
    xi : Array, shape (m, C)
        CVs of the shooting point.
    between : bool array, shape (m,)
        Whether it is in neither end.
    ahead : int array, shape (m,)
        Where the longer leg came first: 0 at the beginning, 1 at the end, −1 at neither.
    log_point : Array, shape (m,)
        ln ρ*/q of the shooting point; NaN of aimless shooting.
    log_weight : Array, shape (m,)
        ln of what the path weighs among stationary ones; −inf for none, NaN of aimless shooting.
    crossings : Array, shape (m, 2)
        Σ 1/(F − d) over the passages of d frames inside the path, there and back.
    passage : Array, shape (m,)
        The same of both with d in place of 1.
    late : Array, shape (m,)
        That of passages longer than half a path.
    accepted : bool array, shape (m,)
    """

    replica: Ints
    xi: Array
    between: Bools
    ahead: Ints
    log_point: Array
    log_weight: Array
    crossings: Array
    passage: Array
    late: Array
    accepted: Bools

    def __len__(self) -> int:
        return len(self.replica)

    @property
    def weighted(self) -> bool:
        """Whether they were drawn from a density."""
        return len(self) > 0 and not bool(np.isnan(self.log_point).all())

    @classmethod
    def none(cls, n_cvs: int) -> ShotRows:
        """None so far."""
        flat, whole, off = np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
        two = np.zeros((0, 2))
        return cls(whole, np.zeros((0, n_cvs)), off, whole, flat, flat, two, flat, flat, off)

    @classmethod
    def join(cls, parts: list[ShotRows]) -> ShotRows:
        """All of them."""
        named = list(cls.__dataclass_fields__)
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in named})


@dataclass(frozen=True)
class ShootRecord:
    """What became of the chains.

    Attributes
    ----------
    paths : PathRows
    shots : ShotRows
    crossed : Array, shape (m, d)
        Frames of the paths between the ends, in the model's coordinates; none unless asked for.
    """

    paths: PathRows
    shots: ShotRows
    crossed: Array
