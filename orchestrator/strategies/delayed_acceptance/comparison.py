"""Free energies beside those that are counted: each state against the flow, both ways and one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate, LogZ, WithError
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.targeted.estimate import Joins, differences
from msgen.systems.base import Array

MOST = 40_000
"""Weights kept of either kind; when there are more, every second one is dropped."""
APART = 3.0
"""Standard errors by which counts and Bennett's estimator may differ before it is said."""


@dataclass(frozen=True)
class Compared:
    """ln ρ* − ln q of one frozen flow, at its draws and at the walkers.

    Attributes
    ----------
    draws : Array, shape (n, 2)
        Of independent draws, and the state where each fell; −1 where it is no configuration.
    frames : Array, shape (m, 3)
        Of the walkers at the ends of stretches, with state and replica.
    stride : int
        Only every `stride`-th of either kind is kept.
    """

    draws: Array = field(default_factory=lambda: np.zeros((0, 2)))
    frames: Array = field(default_factory=lambda: np.zeros((0, 3)))
    stride: int = 1

    def with_round(
        self, segments: Sequence[Segment], states: Partition, counted: NDArray[np.bool_]
    ) -> Compared:
        """And a round's segments: of replicas that are `counted`, shape (R,), and all draws."""
        draws, frames = [self.draws], [self.frames]
        for s in (s.samples for s in segments if "draw_log_weight" in s.samples):
            drawn = np.stack([s["draw_log_weight"], _states(states, s["draw_cvs"])], axis=1)
            labels, replica = _states(states, s["frame_cvs"]), s["frame_replica"]
            held = np.stack([s["frame_log_weight"], labels, replica], axis=1)
            draws.append(drawn[:: self.stride])
            frames.append(held[counted[replica.astype(np.int64)]][:: self.stride])
        made = replace(self, draws=np.concatenate(draws), frames=np.concatenate(frames))
        if max(len(made.draws), len(made.frames)) <= MOST:
            return made
        return Compared(made.draws[::2], made.frames[::2], 2 * self.stride)

    def beside(self, found: Estimate, production: Production, names: Sequence[str]) -> Estimate:
        """The estimate with these beside what was counted, which the verdict rests on."""
        if not len(self.draws):
            return found
        joins = Joins(production, self.draws, self.frames, len(names), shared=True)
        counts = {
            name: WithError(s.f_kT, s.stderr_kT)
            for name, s in found.states.items()
            if name != names[0] and s.f_kT is not None
        }
        bar = differences(joins.deep, names)
        estimators = {
            "counts": counts,
            "bar": bar,
            "tfep": differences(joins.by_draws, names),
            "tfep_back": differences(joins.network_of(joins.from_samples), names),
        }
        told: dict[str, Any] = {
            "estimators": {**found.diagnostics.get("estimators", {}), **estimators},
            "models": joins.quality(names),
        }
        said = [*found.diagnostics.get("warnings", ()), *_disagreements(counts, bar)]
        log_z = joins.log_z(names, False)
        return replace(
            found,
            diagnostics={**found.diagnostics, **told, **({"warnings": said} if said else {})},
            log_z=None if log_z is None else LogZ(log_z.value, log_z.stderr, METHOD),
        )


METHOD = "of what was visited, BAR of every state against one flow"


def _states(states: Partition, xi: Array) -> Array:
    """The state of each (n, C); −1 where CVs are not finite."""
    known = np.asarray(np.isfinite(xi).all(axis=1))
    labels = states.assign(np.where(known[:, None], xi, 0.0))
    return np.where(known, labels, -1).astype(np.float64)


def _disagreements(counts: dict[str, WithError], bar: dict[str, WithError]) -> list[str]:
    """States of which the two tell what cannot both be."""
    said = []
    for name in (n for n in bar if n in counts):
        (a, error_a), (b, error_b) = counts[name], bar[name]
        if error_a is None or error_b is None or not np.isfinite(a - b):
            continue
        if abs(a - b) > APART * np.hypot(error_a, error_b):
            what = f"F of {name} is {a:.2f} kT by counts and {b:.2f} kT by Bennett's estimator"
            said.append(f"{what} against the flow: replicas have not mixed, inside or between")
    return said
