"""The orders of hot runs, and what a fit has of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, stream
from msgen.actors.orders.hot import HotPayload, HotRecord, Way
from msgen.actors.orders.walkers import WalkerRows
from msgen.orchestrator.strategies.common.exact_run import Exact
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.dynamics.hot_schema import Hot
from msgen.systems.base import Array

_WAYS: dict[str, tuple[Way, ...]] = {
    "heat": ("heat",),
    "torsions": ("torsions",),
    "both": ("heat", "torsions"),
}


@dataclass(frozen=True, eq=False)
class HotRuns:
    """Runs that train the model; they are in no estimate and nothing is judged by them.

    Attributes
    ----------
    section : Hot
    problem : Problem
    exact : Exact
        At the system's own temperature.
    tau : float
        Of the heat.
    atoms : int array, shape (M,)
        What the model sees.
    """

    section: Hot
    problem: Problem
    exact: Exact
    tau: float
    atoms: NDArray[np.int64]

    def orders(self, rnd: int) -> tuple[WorkOrder, ...]:
        """Those of a cycle that begins in this round."""
        section, problem = self.section, self.problem
        x, runs = self._starts(rnd), section.runs
        box = problem.start.box
        ways = tuple(islice(cycle(_WAYS[section.by]), runs))
        payloads = [
            HotPayload(
                WalkerRows(x[part], box=None if box is None else np.repeat(box, len(x[part]), 0)),
                ways[part],
                self.tau,
                section.heat,
                section.relax,
                section.frames,
                problem.stride,
                self.atoms,
            )
            for part in (slice(i, i + problem.batch) for i in range(0, runs, problem.batch))
        ]
        each = section.evaluations(problem.stride) / runs
        return tuple(
            WorkOrder.of(rnd, p, i, cost_hint=each * len(p.ways)) for i, p in enumerate(payloads)
        )

    def _starts(self, rnd: int) -> Array:
        """Exact samples, as many of every state, in any order, so that each is begun both ways."""
        there = np.flatnonzero(self.exact.share > 0)
        number = np.bincount(np.arange(self.section.runs) % len(there), minlength=len(there))
        drawn = [
            self.exact.drawn(k, n, stream(self.problem.seed, (rnd, "hot_start", k)))
            for k, n in zip(there.tolist(), number.tolist(), strict=True)
            if n
        ]
        rng = stream(self.problem.seed, (rnd, "hot_order", 0))
        return np.asarray(rng.permutation(np.concatenate(drawn)))


def parted(segments: Sequence[Segment]) -> tuple[list[Segment], list[Segment]]:
    """Those of trajectories, and those of hot runs."""
    hot = [s.key[1] == HotPayload.kind for s in segments]
    return (
        [s for s, is_hot in zip(segments, hot, strict=True) if not is_hot],
        [s for s, is_hot in zip(segments, hot, strict=True) if is_hot],
    )


def structures_of(segments: Sequence[Segment]) -> Array | None:
    """Atoms of all sound runs, shape (m, frames, M, 3); None where there was no order."""
    parts = [s.read(HotRecord).structures for s in segments]
    return np.concatenate(parts) if parts else None
