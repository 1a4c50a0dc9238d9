"""The free energies of states from models of each: against the models, and through their maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from msgen.orchestrator.base import LogZ, WithError
from msgen.orchestrator.estimators.errors import inflation
from msgen.orchestrator.estimators.importance import effective_size
from msgen.orchestrator.estimators.left_out import Bounded, bounded_overlap
from msgen.orchestrator.estimators.leverage import degrees_of_freedom
from msgen.orchestrator.estimators.pareto import pareto_k
from msgen.orchestrator.estimators.targeted import Difference, deep_bar, tfep, two_sided
from msgen.orchestrator.estimators.units import Units
from msgen.orchestrator.estimators.works.bar import fermi
from msgen.orchestrator.estimators.works.network import NetworkResult
from msgen.orchestrator.strategies.common.production import Production
from msgen.systems.base import Array

Ints = NDArray[np.int64]
Overlaps = Mapping[tuple[int, int], Bounded]

DRAW_BLOCKS = 64
"""Blocks into which the draws of one model are put: they are independent, and few blocks join the
errors of everything else at little cost."""


class Joins:
    """All ways to join the states, from what was gathered; each is solved when first asked for.

    Parameters
    ----------
    production : Production
    draws : Array, shape (n, 2)
        ln ρ̃ − ln q of draws, and the state.
    frames : Array, shape (m, 3)
        The same of sampled configurations, the state, and the replica.
    n_states : int
    shared : bool
        Whether one model is that of all states, so that a draw says something of each: that it is
        in this one or not. `draws` have the state where they fell, any other number for none.
    """

    def __init__(
        self,
        production: Production,
        draws: Array,
        frames: Array,
        n_states: int,
        *,
        shared: bool = False,
    ) -> None:
        self.production, self._n, self._shared = production, n_states, shared
        self._draws, self._frames = draws, frames
        self._first_draw = len(production.bins)

    def _drawn(self, state: int) -> Array:
        """ln w of the draws of a state's model."""
        if self._shared:
            return np.where(self._draws[:, 1] == state, self._draws[:, 0], -np.inf)
        return np.asarray(self._of(self._draws, state)[:, 0])

    def _of(self, table: Array, state: int) -> Array:
        return np.asarray(table[table[:, 1] == state])

    def bridge(self, estimator: str) -> tuple[NetworkResult, Overlaps]:
        """What joins the states by this estimator, and the overlaps that it rests on."""
        if estimator == "deep_bar":
            return self.deep, self.deep_overlaps
        if estimator == "bar":
            return self.both_sides, self.production.works.overlaps(self.both_sides.f)
        return self.one_side, self.map_overlaps

    @cached_property
    def against_models(self) -> list[Difference]:
        """ln Z of each state against its model, with units as blocks of `Production` and after."""
        return [deep_bar(*self._weighted(k)) for k in range(self._n)]

    @cached_property
    def from_draws(self) -> list[Difference]:
        """ln Z of each state from draws of its model alone: importance sampling."""
        out = []
        for k in range(self._n):
            drawn, _, block, _ = self._weighted(k)
            d = tfep(-drawn, block)
            out.append(replace(d, value=-d.value, influence=-d.influence))
        return out

    @cached_property
    def from_samples(self) -> list[Difference]:
        """ln Z of each state from its samples mapped to the base of its model alone."""
        out = []
        for k in range(self._n):
            drawn, sampled, blocks, block = self._weighted(k)
            out.append(tfep(sampled, block, np.isfinite(drawn), blocks))
        return out

    def _weighted(self, k: int) -> tuple[Array, Array, Ints, Ints]:
        """ln w of draws and of samples of state k, and the blocks of each."""
        drawn, frames = self._drawn(k), self._of(self._frames, k)
        replica = frames[:, 2].astype(np.int64)
        # draws are independent of one another: any blocks will do
        first = self._first_draw + (0 if self._shared else k * DRAW_BLOCKS)
        block = first + np.arange(len(drawn)) % DRAW_BLOCKS
        return drawn, frames[:, 0], block, self.production.block[replica]

    @cached_property
    def deep(self) -> NetworkResult:
        """F_k = −ln Z_k against the first state, with influences."""
        return self.network_of(self.against_models)

    @property
    def by_draws(self) -> NetworkResult:
        """The same `from_draws` alone, whose blocks are no replicas."""
        return self.network_of(self.from_draws, DRAW_BLOCKS)

    def network_of(self, log_z: Sequence[Difference], least: int | None = None) -> NetworkResult:
        """The same of any ln Z of each state, of `least` independent blocks."""
        blocks = np.arange(self._first_draw + self._n * DRAW_BLOCKS)
        influence = np.zeros((len(blocks), self._n))
        for k, d in enumerate(log_z):
            influence[d.units, k] = -d.influence
        f, least = np.array([-d.value for d in log_z]), self._least if least is None else least
        return _against_first(f, influence, blocks, least)

    @cached_property
    def both_sides(self) -> NetworkResult:
        """From the works of the maps in both directions (Bennett), all pairs together.

        Of a single pair each side counts as many works as it has effective ones.
        """
        works, block = self.production.works, self.production.block
        if works.pairs() != [(0, 1)] or self._n > 2:
            return works.network(self._n, block)
        there, back = works.between(0, 1), works.between(1, 0)
        of = block[works["path_replica"].astype(np.int64)]
        d = two_sided(works["work"][there], works["work"][back], of[there], of[back])
        influence = np.zeros((self._first_draw, 2))
        influence[d.units, 1] = d.influence
        f, blocks = np.array([0.0, d.value]), np.arange(self._first_draw)
        return _against_first(f, influence, blocks, self._least)

    @cached_property
    def forward(self) -> list[Difference]:
        """F_k − F_0 from maps of samples of the first state alone."""
        return [self._one_way(0, k) for k in range(1, self._n)]

    @cached_property
    def reverse(self) -> list[Difference]:
        """F_0 − F_k from maps of samples of state k alone."""
        return [self._one_way(k, 0) for k in range(1, self._n)]

    @cached_property
    def one_side(self) -> NetworkResult:
        """From `forward`."""
        blocks = np.arange(self._first_draw)
        f, influence = np.zeros(self._n), np.zeros((len(blocks), self._n))
        for k, d in enumerate(self.forward, 1):
            f[k] = d.value
            influence[d.units, k] = d.influence
        most = min((d.dof for d in self.forward), default=np.inf)
        return _against_first(f, influence, blocks, self._least, most)

    def _one_way(self, source: int, target: int) -> Difference:
        works, block = self.production.works, self.production.block
        there, back = works.between(source, target), works.between(target, source)
        of = works["path_replica"].astype(np.int64)
        return tfep(
            works["work"][there],
            block[of[there]],
            np.isfinite(works["work"][back]),
            block[of[back]],
        )

    def _tail(self, source: int, target: int) -> float:
        """k̂ of e^{−Φ} from one state to another; NaN without works."""
        works = self.production.works
        mine = works["work"][works.between(source, target)]
        return pareto_k(-mine) if len(mine) else float("nan")

    @property
    def _least(self) -> int:
        """Independent blocks in the state with fewest."""
        counts = np.bincount(self.production.owner)
        return int(counts[counts > 0].min(initial=self._first_draw))

    @property
    def deep_overlaps(self) -> Overlaps:
        """Of a state with the first: the poorer overlap of the two with their models."""
        each = [self._overlap(k) for k in range(self._n)]
        return {
            (0, k): Bounded(min(each[0].value, each[k].value), min(each[0].bound, each[k].bound))
            for k in range(1, self._n)
        }

    def _overlap(self, k: int) -> Bounded:
        """Of state k with its model."""
        drawn, sampled, blocks, block = self._weighted(k)
        log_z = self.against_models[k].value
        if not np.isfinite(log_z):
            return Bounded(0.0, 0.0)
        return bounded_overlap(fermi(log_z - drawn), fermi(sampled - log_z), blocks, block)

    @property
    def map_overlaps(self) -> Overlaps:
        """Of the works from the first state with those to it."""
        return {
            p: v for p, v in self.production.works.overlaps(self.one_side.f).items() if not p[0]
        }

    def log_z(self, names: Sequence[str], left_out: bool) -> LogZ | None:
        """ln of the sum of all states' Z, with the error of the sum."""
        value, error = self._total(self.against_models)
        if not np.isfinite(value):
            return None
        known = [
            n for n, d in zip(names, self.against_models, strict=True) if not np.isnan(d.value)
        ]
        method = "BAR of every state against its model"
        if left_out or len(known) < self._n:
            method += f"; of {', '.join(known)} only, what else there is left out"
        return LogZ(value, error if np.isfinite(error) else None, method)

    def _total(self, found: Sequence[Difference]) -> tuple[float, float]:
        """ln Σ_k Z_k over the states known, and its error; −inf for none."""
        values = np.array([d.value for d in found])
        known = np.flatnonzero(np.isfinite(values))
        total = float(logsumexp(values[known])) if len(known) else float("-inf")
        influence = np.zeros(self._first_draw + self._n * DRAW_BLOCKS)
        for k in known.tolist():
            influence[found[k].units] += np.exp(values[k] - total) * found[k].influence
        return total, float(self._units.standard_error(influence))

    @cached_property
    def _units(self) -> Units:
        """Blocks of each state's samples, and those of the draws of its model."""
        draws = self._n + np.repeat(np.arange(self._n), DRAW_BLOCKS)
        units = Units.whole(np.concatenate([self.production.owner, draws]))
        replica = self._frames[:, 2].astype(np.int64)
        block = self.production.block[replica]
        held = np.bincount(block, minlength=self._first_draw).astype(np.float64)
        dof = np.full(len(units.group), np.inf)
        for k in np.unique(self.production.owner):
            mine = np.flatnonzero(units.group == k)
            dof[mine] = degrees_of_freedom(held[mine])
        return replace(units, dof=dof)

    def side_by_side(self, names: Sequence[str]) -> dict[str, Any]:
        """ln Z of each state and of all, and ∆F against the first, by every estimator."""
        out: dict[str, Any] = {}
        for title, found in (
            ("log_z_deep_bar", self.against_models),
            ("log_z_importance", self.from_draws),
            ("log_z_tfep", self.from_samples),
        ):
            each = {n: WithError(d.value, d.stderr) for n, d in zip(names, found, strict=True)}
            out[title] = {**each, "all": WithError(*self._total(found))}
        out["deep_bar"] = differences(self.deep, names)
        if len(self.production.works):
            out["bar"] = differences(self.both_sides, names)
            for title, sign, ways in (("tfep", 1, self.forward), ("tfep_back", -1, self.reverse)):
                out[title] = {
                    n: WithError(sign * d.value, d.stderr)
                    for n, d in zip(names[1:], ways, strict=True)
                }
            # one side alone: its error is not to be believed beyond 0.7
            out["tfep_pareto_k"] = {n: self._tail(0, k) for k, n in enumerate(names[1:], 1)}
            out["tfep_back_pareto_k"] = {n: self._tail(k, 0) for k, n in enumerate(names[1:], 1)}
        return out

    def quality(self, names: Sequence[str]) -> dict[str, Any]:
        """Of each state's model: draws that fell inside, their effective share, k̂, and overlap."""
        out = {}
        for k, name in enumerate(names):
            w = self._drawn(k)
            if not len(w):
                continue
            out[name] = {
                "draws": len(w),
                "inside": float(np.isfinite(w).mean()),
                "effective_share": effective_size(w) / len(w),
                "pareto_k": pareto_k(w),
                "overlap": self.against_models[k].overlap,
            }
        return out


def _against_first(
    f: Array, influence: Array, blocks: Ints, clusters: int, most: float = float("inf")
) -> NetworkResult:
    """Free energies and their influences turned to differences with state 0.

    `most`: degrees of freedom at most of works that begin in state 0.
    """
    known = np.isfinite(f) & bool(np.isfinite(f[0]))
    known[0] = True
    component = np.where(known, 0, np.arange(len(f)))
    f = np.where(known, f - f[0], 0.0) if np.isfinite(f[0]) else np.zeros(len(f))
    turned = np.where(known, influence - influence[:, :1], 0.0)
    scale = clusters / (clusters - 1) if clusters > 1 else float("nan")
    covariance = scale * turned.T @ turned
    dof, dof_from = min(float(max(clusters - 1, 0)), most), np.full(len(f), np.inf)
    dof_from[0] = most
    return NetworkResult(f, covariance, component, blocks, turned, clusters, (), dof, dof_from)


def differences(network: NetworkResult, names: Sequence[str]) -> dict[str, WithError]:
    """F of each state against the first, kT."""
    found = {name: network.difference(0, k) for k, name in enumerate(names) if k}
    scale = inflation(network.dof)
    return {name: WithError(value, scale * error) for name, (value, error) in found.items()}
