"""Orders of the Sampler: local sampling under a ladder, and steered paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.actors.kernels.partial_ladders import PartialLadders
from msgen.actors.orders.proposals import ProposalSpec
from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array


@dataclass(frozen=True)
class PathSpec:
    """The steered paths of an order, a stretch after each block of local sampling.

    Attributes
    ----------
    mode : str
        'strata' (works only) or 'chain' (one stratum; an accepted path moves the walker).
    schedules : tuple of Schedule
        Used in turn.
    targets : Array, shape (K, K)
        Probability of each target stratum given the source.
    proposals : ProposalSpec
        Of λ_N; the model is the order's version.
    """

    mode: Literal["strata", "chain"]
    schedules: tuple[Schedule, ...]
    targets: Array
    proposals: ProposalSpec


@dataclass(frozen=True)
class SamplePayload:
    """Local sampling of some replicas, each in its stratum.

    Attributes
    ----------
    walkers : WalkerRows
        n of them, as all that follows with n.
    replicas, stratum : int array, shape (n,)
        Their ids, and where each is kept.
    partition : Partition
        The strata.
    ladder : Ladder
        Of their stratum.
    partial : PartialLadders or None
        Instead of it, where λ is of a few CVs at a time.
    blocks, chunks, steps : int
        Blocks of `chunks` readings of the CVs, `steps` local steps before each.
    step_size : float or None
    masses : Array, shape (D,) or (D, D), or None
        Tuned; None for the campaign's own.
    curvature : bool
        Whether the record is to tell the mean of ∇∇U over the last configurations.
    paths : PathSpec or None
    """

    kind: ClassVar[str] = "sample"

    walkers: WalkerRows
    replicas: NDArray[np.int64]
    stratum: NDArray[np.int64]
    partition: Partition
    ladder: Ladder
    blocks: int
    chunks: int
    steps: int
    step_size: float | None = None
    masses: Array | None = None
    curvature: bool = False
    paths: PathSpec | None = None
    partial: PartialLadders | None = None


@dataclass(frozen=True)
class SampleRecord:
    """Where the walkers ended.

    Attributes
    ----------
    walkers : WalkerRows
    curvature : Array, shape (D, D), or None
    """

    walkers: WalkerRows
    curvature: Array | None = None
