"""What a frozen model's weights say: ln Z, the states, and how much of the target it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import LogZ
from msgen.orchestrator.estimators.importance import effective_size, shares
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


@dataclass(frozen=True)
class Weights:
    """ln ρ* − ln q of one frozen model, at its proposals and at the walkers.

    Attributes
    ----------
    proposals, proposer : Array, shape (n,)
        Independent of each other, and the replica that each was made for: what it accepts it is
        next, so that a heavy proposal counts among its walkers too.
    states : int array, shape (n,)
        The state of each proposal; −1 where it is no configuration.
    walkers, replica : Array, shape (m,)
        Those of one replica, and of its copies, which bear its number, may be correlated.
    stride : int
        Only every `stride`-th of either kind is kept.
    """

    proposals: Array = field(default_factory=_none)
    states: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    walkers: Array = field(default_factory=_none)
    replica: Array = field(default_factory=_none)
    stride: int = 1
    proposer: Array = field(default_factory=_none)

    def with_round(
        self,
        segments: Sequence[Segment],
        counted: NDArray[np.bool_],
        states: Partition,
        ancestor: Ints,
    ) -> Weights:
        """And a round's; of the replicas that are `counted`, shape (R,).

        `ancestor`, shape (R,): whose copy each is, see `ReplicaPool`.
        """
        parts: dict[str, list[Array]] = {"proposal": [], "walker": []}
        owner: dict[str, list[Array]] = {"proposal": [], "walker": []}
        labels = [self.states]
        for samples in (s.samples for s in segments if "walker_log_weight" in s.samples):
            for kind in ("proposal", "walker"):
                keep = counted[samples[f"{kind}_replica"].astype(np.int64)]
                parts[kind].append(samples[f"{kind}_log_weight"][keep][:: self.stride])
                owns = ancestor[samples[f"{kind}_replica"].astype(np.int64)]
                owner[kind].append(owns[keep][:: self.stride].astype(np.float64))
                if kind == "proposal":
                    xi = samples["proposal_cvs"][keep][:: self.stride]
                    known = np.isfinite(xi).all(axis=1)
                    labels.append(
                        np.where(known, states.assign(np.where(known[:, None], xi, 0)), -1)
                    )
        proposals = np.concatenate([self.proposals, *parts["proposal"]])
        walkers = np.concatenate([self.walkers, *parts["walker"]])
        proposer = np.concatenate([self.proposer, *owner["proposal"]])
        replica = np.concatenate([self.replica, *owner["walker"]])
        label = np.concatenate(labels).astype(np.int64)
        made = Weights(proposals, label, walkers, replica, self.stride, proposer)
        return made if max(len(proposals), len(walkers)) <= MOST else made.halved()

    def halved(self) -> Weights:
        """Every second of either kind."""
        return Weights(
            self.proposals[::2],
            self.states[::2],
            self.walkers[::2],
            self.replica[::2],
            2 * self.stride,
            self.proposer[::2],
        )

    def difference(self) -> Difference | None:
        """ln Z by Bennett's estimator; None while there are no weights."""
        if not (len(self.proposals) and len(self.walkers)):
            return None
        if not np.isfinite(self.proposals).any():
            return None
        units = (self.proposer.astype(np.int64), self.replica.astype(np.int64))
        return deep_bar(self.proposals, self.walkers, *units)

    def log_z(self, found: Difference | None, where: str = "") -> LogZ | None:
        """As a campaign reports it."""
        if found is None or not np.isfinite(found.value):
            return None
        error = found.stderr if np.isfinite(found.stderr) else None
        return LogZ(found.value, error, f"of what was visited, BAR of walkers and model{where}")

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

    def reweighted(self, names: Sequence[str]) -> dict[str, Any]:
        """F of each state from the weighted proposals alone, kT: the draws, without the chains."""
        if not np.isfinite(self.proposals).any():
            return {}
        found = shares(self.proposals, self.states, None, len(names))
        out: dict[str, Any] = {}
        for k, name in enumerate(names):
            f, error = found.difference(0, k) if k else (0.0, 0.0)
            out[name] = {"f_kT": float(f), "stderr_kT": float(error)}
        return out

    def warnings(self, found: Difference | None) -> list[str]:
        """What a person should know, in words."""
        if found is None or not found.overlap < HARDLY:
            return []
        where = f"the model hardly reaches where the walkers are (overlap {found.overlap:.1g})"
        return [f"{where}: global moves do nothing; train it longer, or take a larger one"]
