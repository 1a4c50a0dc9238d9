"""The works of all paths so far, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.orchestrator.estimators.left_out import Bounded, bounded_overlap
from msgen.orchestrator.estimators.works.bar import fermi
from msgen.orchestrator.estimators.works.network import NetworkResult, PairWorks, solve_network
from msgen.systems.base import Array

COLUMNS = ("work", "source", "target", "path_replica", "schedule", "path_steps")


@dataclass(frozen=True)
class Works:
    """Generalised works w (kT) of steered paths between strata.

    Attributes
    ----------
    table : Array, shape (n, 6)
        Columns `COLUMNS`.
    """

    table: Array

    @classmethod
    def empty(cls) -> Works:
        return cls(np.zeros((0, len(COLUMNS))))

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> Works:
        """The paths of some segments, in their order."""
        rows = [
            np.stack([np.asarray(s.samples[c], dtype=np.float64) for c in COLUMNS], axis=1)
            for s in segments
            if "work" in s.samples
        ]
        return cls(np.concatenate(rows)) if rows else cls.empty()

    def __len__(self) -> int:
        return len(self.table)

    def and_(self, other: Works) -> Works:
        return Works(np.concatenate([self.table, other.table]))

    def of_replicas(self, counted: NDArray[np.bool_]) -> Works:
        """The paths that were started by `counted` replicas, shape (R,)."""
        return Works(self.table[counted[self["path_replica"].astype(np.int64)]])

    def __getitem__(self, column: str) -> Array:
        return self.table[:, COLUMNS.index(column)]

    def between(self, a: int, b: int) -> NDArray[np.bool_]:
        """Which paths go from a to b."""
        return np.asarray((self["source"] == a) & (self["target"] == b))

    def pairs(self) -> list[tuple[int, int]]:
        """Pairs a < b with paths both ways."""
        sent = {(int(a), int(b)) for a, b in zip(self["source"], self["target"], strict=True)}
        return sorted((a, b) for a, b in sent if a < b and (b, a) in sent)

    def network(self, n_strata: int, block: NDArray[np.int64] | None = None) -> NetworkResult:
        """All pairs solved together, once a round, whoever asks.

        Blocks are the replicas that started the paths, or what `block`, shape (R,), counts them to.
        """
        return _solved(n_strata, self.table.tobytes(), self.started_by(block).tobytes())

    def started_by(self, block: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """The replica that started each path, or what `block`, shape (R,), counts it to."""
        replica = self["path_replica"].astype(np.int64)
        return replica if block is None else block[replica]

    def in_blocks(self, block: NDArray[np.int64]) -> list[PairWorks]:
        """The works of all pairs, by the block of every path, shape (n,)."""
        out = []
        for a, b in self.pairs():
            f, r = self.between(a, b), self.between(b, a)
            out.append(PairWorks(a, b, self["work"][f], self["work"][r], block[f], block[r]))
        return out

    def crossing(self, f: Array) -> Array:
        """Chance 1/(1 + e^{w−ΔF}) of every path to be accepted between states weighed evenly.

        It is what BAR's error goes with; 0 where ΔF is unknown.
        """
        delta = f[self["target"].astype(int)] - f[self["source"].astype(int)]
        return np.where(np.isfinite(delta), fermi(self["work"] - np.nan_to_num(delta)), 0.0)

    def overlaps(self, f: Array) -> dict[tuple[int, int], Bounded]:
        """Overlap of forward and reverse work, for every pair used."""
        chance, replica, out = self.crossing(f), self["path_replica"].astype(np.int64), {}
        for a, b in self.pairs():
            if np.isfinite(f[a]) and np.isfinite(f[b]):
                there, back = self.between(a, b), self.between(b, a)
                out[a, b] = bounded_overlap(
                    chance[there], chance[back], replica[there], replica[back]
                )
        return out


# by value: what a round is decided on went through a checkpoint's tree since it was looked at
@lru_cache(maxsize=2)
def _solved(n_strata: int, table: bytes, blocks: bytes) -> NetworkResult:
    """See `Works.network`; read-only, since all who ask share it."""
    works = Works(np.frombuffer(table, dtype=np.float64).reshape(-1, len(COLUMNS)))
    found = solve_network(n_strata, works.in_blocks(np.frombuffer(blocks, dtype=np.int64)))
    for array in (found.f, found.covariance, found.component, found.blocks, found.influence):
        array.flags.writeable = False
    return found
