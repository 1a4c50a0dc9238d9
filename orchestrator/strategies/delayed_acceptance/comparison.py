"""Free energies beside those that are counted: against the flow, and of a reweighted surrogate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate, LogZ, WithError
from msgen.orchestrator.estimators.importance import effective_size, shares
from msgen.orchestrator.estimators.pareto import pareto_k
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.targeted.estimate import Joins, differences
from msgen.systems.base import Array

MOST = 40_000
"""Weights kept of either kind; when there are more, every second one is dropped."""
APART = 3.0
"""Standard errors by which counts and Bennett's estimator may differ before it is said."""

TRUSTED = 0.7
"""k̂ of the weights below which their error is told."""
KINDS = {"draws": "draw", "frames": "frame", "alone": "alone"}
"""Fields of `Compared`, and what the columns of each begin with."""


@dataclass(frozen=True)
class Compared:
    """Weights ln ρ* − ln q of one frozen flow, and of one frozen surrogate.

    Attributes
    ----------
    draws : Array, shape (n, 2)
        Of independent draws, and the state where each fell; −1 where it is no configuration.
    frames : Array, shape (m, 3)
        Of the walkers at the ends of stretches, with state and replica.
    alone : Array, shape (l, 3)
        ln ρ* − ln ρ̃ where walkers of the surrogate alone were, with state and replica.
    stride : int
        Only every `stride`-th of either kind is kept.
    """

    draws: Array = field(default_factory=lambda: np.zeros((0, 2)))
    frames: Array = field(default_factory=lambda: np.zeros((0, 3)))
    alone: Array = field(default_factory=lambda: np.zeros((0, 3)))
    stride: int = 1

    def with_round(
        self, segments: Sequence[Segment], states: Partition, counted: NDArray[np.bool_]
    ) -> Compared:
        """And a round's segments: of replicas that are `counted`, shape (R,), and all draws."""
        parts: dict[str, list[Array]] = {name: [getattr(self, name)] for name in KINDS}
        for samples in (s.samples for s in segments):
            for name, prefix in KINDS.items():
                if f"{prefix}_log_weight" not in samples:
                    continue
                labels = _states(states, samples[f"{prefix}_cvs"])
                rows = np.stack([samples[f"{prefix}_log_weight"], labels], axis=1)
                replica = samples.get(f"{prefix}_replica")
                if replica is not None:
                    rows = np.hstack([rows, replica[:, None]])[counted[replica.astype(np.int64)]]
                parts[name].append(rows[:: self.stride])
        made = {name: np.concatenate(rows) for name, rows in parts.items()}
        every, stride = 1, self.stride
        if max(map(len, made.values())) > MOST:
            every, stride = 2, 2 * stride
        return Compared(
            made["draws"][::every], made["frames"][::every], made["alone"][::every], stride
        )

    def beside(
        self,
        found: Estimate,
        production: Production,
        names: Sequence[str],
        least_overlap: float,
        where: str = "",
    ) -> Estimate:
        """The estimate with these beside what was counted, which the verdict rests on.

        `where` says of which variables ln Z is. There is no error where a state, or the first,
        overlaps with the flow by less than `least_overlap`, or where few weights hold all.
        """
        estimators: dict[str, dict[str, WithError]] = {}
        told, log_z = dict(found.diagnostics), None
        if len(self.draws):
            joins = Joins(production, self.draws, self.frames, len(names), shared=True)
            told["models"] = models = joins.quality(names)
            met = {n: models[n]["overlap"] >= least_overlap for n in names}
            ways = (
                ("bar", joins.deep, met),
                ("tfep", joins.by_draws, {n: models[n]["pareto_k"] < TRUSTED for n in names}),
                ("tfep_back", joins.network_of(joins.from_samples), self._even(names)),
            )
            for way, network, good in ways:
                estimators[way] = _with_ground(differences(network, names), good, names[0])
            log_z = joins.log_z(names, False)
            if log_z is not None:
                error = log_z.stderr if all(met.values()) else None
                log_z = LogZ(log_z.value, error, METHOD + where)
        if len(self.alone):
            estimators["reweighting"], told["reweighting"] = self._reweighted(production, names)
        if not estimators:
            return found
        counts = {
            name: WithError(s.f_kT, s.stderr_kT)
            for name, s in found.states.items()
            if name != names[0] and s.f_kT is not None
        }
        told["estimators"] = {"counts": counts, **estimators}
        if said := _disagreements(counts, estimators.get("bar", {})):
            told["warnings"] = [*told.get("warnings", ()), *said]
        return replace(found, diagnostics=told, log_z=log_z)

    def _even(self, names: Sequence[str]) -> dict[str, bool]:
        """Whether the tail of q/ρ* at the walkers in each state is one that an error is told of."""
        weights = {n: -self.frames[self.frames[:, 1] == k, 0] for k, n in enumerate(names)}
        return {n: len(w) > 0 and pareto_k(w) < TRUSTED for n, w in weights.items()}

    def _reweighted(
        self, production: Production, names: Sequence[str]
    ) -> tuple[dict[str, WithError], dict[str, float]]:
        """F of each state from weighted walkers of the surrogate alone; and what they are worth.

        Without an error where few of the weights hold all.
        """
        w, state = self.alone[:, 0], self.alone[:, 1].astype(np.int64)
        worth = {"samples": float(len(w)), "effective_share": effective_size(w) / len(w),
                 "pareto_k": pareto_k(w)}  # fmt: skip
        if not np.isfinite(w).any():
            return {}, worth
        unit = production.block[self.alone[:, 2].astype(np.int64)]
        populations = shares(w, state, unit, len(names))
        each = {n: populations.difference(0, k) for k, n in enumerate(names) if k}
        trusted = worth["pareto_k"] < TRUSTED
        return {
            n: WithError(f, error if trusted else None) for n, (f, error) in each.items()
        }, worth


METHOD = "of what was visited, BAR of every state against one flow"


def _states(states: Partition, xi: Array) -> Array:
    """The state of each (n, C); −1 where CVs are not finite."""
    known = np.asarray(np.isfinite(xi).all(axis=1))
    labels = states.assign(np.where(known[:, None], xi, 0.0))
    return np.where(known, labels, -1).astype(np.float64)


def _with_ground(
    found: dict[str, WithError], good: Mapping[str, bool], first: str
) -> dict[str, WithError]:
    """The same, without an error where a state or the first is not `good`."""
    return {
        name: WithError(value, error if good[first] and good[name] else None)
        for name, (value, error) in found.items()
    }


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
