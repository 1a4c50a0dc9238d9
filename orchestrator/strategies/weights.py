"""What a frozen model's weights say: ln Z, and how much of the target the model holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree
from msgen.orchestrator.base import LogZ
from msgen.orchestrator.estimators.importance import effective_size
from msgen.orchestrator.estimators.pareto import pareto_k
from msgen.orchestrator.estimators.targeted import Difference, deep_bar
from msgen.systems.base import Array

MOST = 40_000
"""Weights kept of either kind; when there are more, every second one is dropped."""
HARDLY = 0.01
"""Overlap of proposals and walkers below which the model is said to miss the walkers."""

Ints = NDArray[np.int64]


def _none() -> Array:
    return np.zeros(0)


@dataclass
class Weights:
    """ln ρ* − ln q of one frozen model, at its proposals and at the walkers.

    Attributes
    ----------
    proposals : Array, shape (n,)
        Independent of each other.
    walkers, replica : Array, shape (m,)
        Those of one replica may be correlated.
    stride : int
        Only every `stride`-th of either kind is kept.
    """

    proposals: Array = field(default_factory=_none)
    walkers: Array = field(default_factory=_none)
    replica: Array = field(default_factory=_none)
    stride: int = 1

    def absorb(self, segments: Sequence[Segment], counted: NDArray[np.bool_]) -> None:
        """Add a round's; of the replicas that are `counted`, shape (R,)."""
        parts: dict[str, list[Array]] = {"proposal": [], "walker": [], "replica": []}
        for samples in (s.samples for s in segments if "walker_log_weight" in s.samples):
            for kind in ("proposal", "walker"):
                keep = counted[samples[f"{kind}_replica"].astype(np.int64)]
                parts[kind].append(samples[f"{kind}_log_weight"][keep][:: self.stride])
                if kind == "walker":
                    parts["replica"].append(samples["walker_replica"][keep][:: self.stride])
        self.proposals = np.concatenate([self.proposals, *parts["proposal"]])
        self.walkers = np.concatenate([self.walkers, *parts["walker"]])
        self.replica = np.concatenate([self.replica, *parts["replica"]])
        if max(len(self.proposals), len(self.walkers)) > MOST:
            self.proposals, self.walkers = self.proposals[::2], self.walkers[::2]
            self.replica, self.stride = self.replica[::2], 2 * self.stride

    def difference(self) -> Difference | None:
        """ln Z by Bennett's estimator; None while there are no weights."""
        if not (len(self.proposals) and len(self.walkers)):
            return None
        if not np.isfinite(self.proposals).any():
            return None
        return deep_bar(self.proposals, self.walkers, None, self.replica.astype(np.int64))

    def log_z(self, found: Difference | None, where: str = "") -> LogZ | None:
        """As a campaign reports it."""
        if found is None or not np.isfinite(found.value):
            return None
        error = found.stderr if np.isfinite(found.stderr) else None
        return LogZ(found.value, error, f"BAR between walkers and model{where}")

    def diagnostics(self, found: Difference | None) -> dict[str, Any]:
        """Share of effective draws, largest weight, Pareto k̂ and overlap with the walkers."""
        w = self.proposals
        if found is None:
            return {}
        top = np.exp(w.max() - np.logaddexp.reduce(w))
        return {
            "ess_per_proposal": float(effective_size(w) / len(w)),
            "largest_weight": float(top),
            "pareto_k": float(pareto_k(w)),
            "overlap": float(found.overlap),
        }

    def warnings(self, found: Difference | None) -> list[str]:
        """What a person should know, in words."""
        if found is None or not found.overlap < HARDLY:
            return []
        where = f"the model hardly reaches where the walkers are (overlap {found.overlap:.1g})"
        return [f"{where}: global moves do nothing; train it longer, or take a larger one"]

    def tree(self) -> Tree:
        """As it goes into a checkpoint; `from_tree` is the inverse."""
        return {
            "proposals": self.proposals,
            "walkers": self.walkers,
            "replica": self.replica,
            "stride": self.stride,
        }

    @classmethod
    def from_tree(cls, tree: Tree) -> Weights:
        """Inverse of `tree`; nothing yet where it is empty."""
        if not tree:
            return cls()
        proposals, walkers, replica = (
            np.array(tree[name]) for name in ("proposals", "walkers", "replica")
        )
        return cls(proposals, walkers, replica, int(tree["stride"]))
