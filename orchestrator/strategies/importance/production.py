"""What weighted draws have gathered, and the free energies that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment
from msgen.actors.codec import FLAT
from msgen.actors.cv_space.strata import Partition
from msgen.actors.orders.walk import WalkRecord, WatchPayload
from msgen.orchestrator.base import Estimate, Extent, LogZ
from msgen.orchestrator.convergence.hidden import UndrawnWalkers
from msgen.orchestrator.convergence.sampling import EffectiveSamples
from msgen.orchestrator.convergence.states import NeverFound, TwoStates
from msgen.orchestrator.convergence.weights import MissedStates, WeightTail
from msgen.orchestrator.estimators.hidden.undrawn import Undrawn, told_apart, undrawn
from msgen.orchestrator.estimators.importance import (
    BLOCKS,
    spread_of_mean,
    summed_shares,
    with_unseen,
)
from msgen.orchestrator.estimators.pareto import smoothed, tail_length
from msgen.orchestrator.estimators.tail_index import TailIndex
from msgen.orchestrator.strategies.common.free_energies import FreeEnergies
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.watching import WatchedSeries, with_watched
from msgen.orchestrator.strategies.importance.sums import Sums
from msgen.systems.base import Array

Ints = NDArray[np.int64]

WHOLE = "all draws"
"""The group of draws beside those in each state."""
MOST_HELD = 4096
"""Configurations of held-out walkers that are compared with the draws, the last ones."""
OUTWEIGHED = 0.1
"""A state is missed where one draw like the walkers there would weigh this share of all draws."""


@dataclass(frozen=True)
class Weighted:
    """Sums over the draws of frozen rounds, their largest weights, and the held-out walkers.

    Draws go round `BLOCKS` blocks, so that errors come from as many independent sums.

    Attributes
    ----------
    reference : float
        ln of the unit of weights: that of the largest.
    sums : Sums
    counts : Array, shape (B,)
        Draws in each block.
    tail : Array, shape (T, 4)
        Of the largest weights: ln w, block, bin and state.
    held : Array, shape (H, 2)
        ln w and state of the walkers' configurations.
    tails : TailIndex
        Tails of the weights in each round, of all draws and of those in each state.
    rounds : int
    held_by : Ints, shape (H,), or None
        The walker of each row of `held`; None in a run that did not keep it.
    watched : WatchedSeries or None
        Of the held-out walkers; None before anything was watched.
    """

    reference: float
    sums: Annotated[Sums, FLAT]
    counts: Array
    tail: Array
    held: Array
    tails: Annotated[TailIndex, FLAT]
    rounds: int = 0
    held_by: Ints | None = None
    watched: WatchedSeries | None = None

    @classmethod
    def start(cls, problem: Problem, n_states: int) -> Weighted:
        """Nothing drawn yet."""
        none, tails = np.zeros(BLOCKS), TailIndex.empty(1 + n_states)
        sums = Sums(none, np.zeros((BLOCKS, problem.grid.size)), np.zeros((BLOCKS, n_states)), 0.0)
        return cls(-np.inf, sums, none, np.zeros((0, 4)), np.zeros((0, 2)), tails)

    @property
    def draws(self) -> int:
        """So far."""
        return int(self.counts.sum())

    def with_round(
        self, problem: Problem, states: Partition, segments: Sequence[Segment]
    ) -> Weighted:
        """With a round's draws and held-out walkers."""
        drawn = [s.samples for s in segments if "log_weight" in s.samples]
        log_w = np.concatenate([d["log_weight"] for d in drawn])
        xi = np.concatenate([d["cvs"] for d in drawn])
        number = np.concatenate([d["draw"] for d in drawn]).astype(np.int64)
        block, bins, label = number % BLOCKS, problem.grid.index(xi), states.assign(xi)
        reference = max(self.reference, float(log_w.max(initial=-np.inf)))
        counts = self.counts + np.bincount(block, minlength=BLOCKS)
        held, by = [self.held], [np.full(len(self.held), -1)]
        if self.held_by is not None:
            by = [self.held_by]
        for segment in (s for s in segments if s.key[1] == WatchPayload.kind):
            record = segment.read(WalkRecord)
            if record.held_cvs is not None and record.held_log_weight is not None:
                label_of = states.assign(record.held_cvs).astype(float)
                held.append(np.stack([record.held_log_weight, label_of], axis=1))
                by.append(record.recent_replica)
        kept = np.concatenate(held)[-MOST_HELD:]
        walkers = np.concatenate(by).astype(np.int64)[-MOST_HELD:]
        sums, tail = self.sums, self.tail
        if np.isfinite(reference):
            if np.isfinite(self.reference):
                sums = sums.scaled(float(np.exp(self.reference - reference)))
            sums = sums.plus(np.exp(log_w - reference), block, bins, label)
            new = np.stack([log_w, block, bins, label], axis=1)
            tail = np.concatenate([tail, new[np.isfinite(log_w)]])
            # twice the tail: its length grows with the draws to come
            length = 2 * tail_length(int(counts.sum()))
            tail = tail[np.sort(np.argsort(-tail[:, 0], kind="stable")[:length])]
        groups = [label >= -1, *(label == k for k in range(len(states)))]
        return Weighted(
            reference,
            sums,
            counts,
            tail,
            kept,
            self.tails.with_batch(log_w, groups),
            self.rounds + 1,
            walkers,
            with_watched(self.watched, problem, problem.replicas, states, segments),
        )

    def undrawn(self, problem: Problem, names: Sequence[str], sums: Sums) -> list[Undrawn]:
        """Walkers that stand in parts of states where hardly anything is drawn.

        They do not mix, and need not: draws are independent. What is asked is that each of them
        stands where the model draws, which the median over a state does not tell.
        """
        if self.held_by is None or self.watched is None:
            return []
        known = self.held_by >= 0
        found = undrawn(
            names,
            self.held[known, 1].astype(np.int64),
            self.held_by[known],
            self.held[known, 0] - self.log_z(sums)[0],
            float(np.log(OUTWEIGHED * max(1, self.draws))),
        )
        chains = {s.state: s.chains for s in self.watched.in_states(names, None)}
        beside, turning = problem.watched_names, problem.watched_periodic
        return [told_apart(n, ids, chains.get(n, ()), beside, turning) for n, ids in found.items()]

    def smoothed(self, exchange: bool) -> tuple[Sums, float]:
        """The sums, with the largest weights as their Pareto tail has them if asked, and k̂."""
        if not self.draws or not len(self.tail):
            return self.sums, float("inf")
        log_w, k = smoothed(self.tail[:, 0], n=self.draws)
        if not exchange:
            return self.sums, k
        index = self.tail[:, 1:].astype(np.int64)
        old, new = np.exp(self.tail[:, 0] - self.reference), np.exp(log_w - self.reference)
        sums = self.sums.plus(new - old, *index.T)
        squares = self.sums.squares + float(np.sum(new**2 - old**2))
        return Sums(sums.total, sums.bins, sums.states, squares), k

    def log_z(self, sums: Sums) -> tuple[float, float]:
        """ln of the mean weight and its error; see `estimators.importance.log_mean`.

        With what the tail holds beyond the largest weight drawn; NaN where that is not known.
        """
        n, total = self.draws, float(sums.total.sum())
        if not total > 0:
            return float("-inf"), float("nan")
        error = float(np.hypot(spread_of_mean(sums.total, self.counts), self.unseen(sums)[0]))
        return self.reference + float(np.log(total / n)), error

    def unseen(self, sums: Sums) -> Array:
        """Weight expected beyond the largest drawn, over the weight drawn; shape (1 + K,).

        Of all draws and of those in each state; see `TailIndex.unseen`.
        """
        weight = np.append(sums.total.sum(), sums.states.sum(axis=0))
        with np.errstate(divide="ignore"):
            log_total = self.reference + np.log(weight)
        # of a state whose share is the same in all rounds, as that of a frozen model is
        seen = self.tails.fits[..., 2].sum(axis=0)
        return self.tails.unseen(log_total, self.draws * seen / max(float(seen[0]), 1.0))

    def _widening(self, problem: Problem, states: Partition, sums: Sums) -> Array:
        """Factor on the errors of bins, shape (grid size,): that of the weight of their state."""
        unseen, factor = self.unseen(sums)[1:], np.ones(len(states))
        for k in np.flatnonzero(sums.states.sum(axis=0) > 0):
            spread = spread_of_mean(sums.states[:, k], self.counts)
            factor[k] = np.hypot(1.0, unseen[k] / spread) if spread > 0 else 1.0
        axes = np.meshgrid(*problem.grid.centres, indexing="ij")
        centres = np.stack([a.ravel() for a in axes], axis=1)
        return np.asarray(factor[states.assign(centres)])

    def missed(self, names: Sequence[str], sums: Sums) -> dict[str, float]:
        """By state, ln of the median weight at held-out walkers over the mean weight of all draws.

        x is a walker in the state: w(x)/w̄ = ρ(x)/q(x), with ρ normalised by what the draws say. A
        model that covers the state has about 1 there, whatever its shape.
        """
        mean = self.log_z(sums)[0]
        out = {}
        for k, name in enumerate(names):
            here = self.held[self.held[:, 1] == k, 0]
            if len(here):
                out[name] = float(np.median(here)) - mean
        return out

    def estimate(
        self,
        problem: Problem,
        states: Partition,
        missing: Sequence[str],
        about: Mapping[str, Any],
        smooth: bool,
    ) -> Estimate:
        """Free energies with their errors, ln Z, and the verdict on convergence."""
        sums, k_hat = self.smoothed(smooth)
        bins = summed_shares(sums.bins, sums.total)
        wider = bins.influence * self._widening(problem, states, sums)
        found = FreeEnergies.of_populations(
            problem,
            (replace(bins, influence=wider),),
            with_unseen(summed_shares(sums.states, sums.total), self.unseen(sums)[1:]),
            states.names,
        )
        total = float(sums.total.sum())
        ess = total**2 / sums.squares if sums.squares > 0 else 0.0
        excess = self.missed(states.names, sums)
        collapsed = [
            _collapsed(name, value, self.draws)
            for name, value in excess.items()
            if value > np.log(OUTWEIGHED * self.draws)
        ]
        told = zip(self.tails.exponent.tolist(), self.tails.stderr.tolist(), strict=True)
        tails = dict(zip((WHOLE, *states.names), told, strict=True))
        hidden = UndrawnWalkers(self.undrawn(problem, states.names, sums))
        diagnostics: dict[str, Any] = {
            "ess": ess,
            "draws": self.draws,
            "ess_per_draw": ess / max(1, self.draws),
            "largest_weight": 1.0 / total if total > 0 else float("nan"),
            "pareto_k": k_hat,
            "tails": {name: {"pareto_k": k, "stderr": error} for name, (k, error) in tails.items()},
            "held_out_log_weight": excess,
            "warnings": collapsed,
            "hidden": {
                "differ": [f"walkers in {u.state}" for u in hidden.found],
                "undrawn_walkers": {u.state: vars(u) for u in hidden.found},
            },
            **about,
        }
        value, error = self.log_z(sums)
        method = "mean weight of draws" + (", tail smoothed" if smooth else "")
        log_z = LogZ(value, error if np.isfinite(error) else None, method)
        estimate = found.judged(
            problem,
            diagnostics,
            # draws have nothing to forget
            Extent(self.rounds, float("inf")),
            # errors mean nothing where a state is missing: this is told first
            first=(NeverFound(missing), MissedStates(collapsed), hidden, WeightTail(tails)),
            then=(EffectiveSamples(ess, "effective draws"), TwoStates(len(states))),
        )
        return replace(estimate, log_z=log_z)


def _collapsed(name: str, excess: float, draws: int) -> str:
    power = excess / np.log(10.0)
    return (
        f"mode collapse suspected: {name} is hardly drawn; walkers kept out of the training weigh "
        f"10^{power:.0f} times the mean of {draws:,} draws there, so that the model misses it"
    )
