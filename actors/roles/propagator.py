"""The Walker whose global moves are steps of a learnt dynamics, and who learns it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.kernels.base import Kernel
from msgen.actors.kernels.propagator import Propagate, Stepped
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.propagate import FitPropagatorPayload
from msgen.actors.orders.walk import WalkPayload
from msgen.actors.roles.frozen_models import frozen
from msgen.actors.roles.independence_run import WholeRun
from msgen.actors.roles.state_explorer import isomers
from msgen.actors.roles.trainer import HELD_OUT, on_device
from msgen.models import Broad, Defended
from msgen.models.model_selection import FLOOR
from msgen.models.propagator import Pairs, Propagator, load_propagator
from msgen.systems.base import Array, Walkers
from msgen.systems.coordinates.representation import Encoding

Ints = NDArray[np.int64]


@dataclass
class PropagatorRun(WholeRun):
    """Local moves, whose pairs a lag apart are handed over, and steps of the learnt dynamics."""

    pairs: list[Array] = field(default_factory=list)

    @classmethod
    def model(
        cls, context: WorkerContext, order: WorkOrder, p: WalkPayload, seen: Encoding
    ) -> Defended | None:
        """None: a propagator is no density of its own."""
        return None

    @property
    def lags(self) -> tuple[int, ...]:
        """In local steps."""
        given = self.context.setup["strategy"]["proposal"]["lags"]
        return tuple(int(lag) for lag in given)

    def local(self) -> None:
        """As of any walk; and pairs of it."""
        super().local()
        frames, p = self.seen[-1], self.payload
        if not p.recent:
            return
        each = max(1, round(p.recent / (p.blocks * len(self.lags))))
        for lag in self.lags:
            ahead = lag // p.record
            last = len(frames) - ahead
            if last < 1:
                continue
            at = np.unique(np.linspace(0, last - 1, each).round().astype(np.int64))
            row = [frames[at], frames[at + ahead], np.full((*frames[at].shape[:2], 1), float(lag))]
            self.pairs.append(np.concatenate(row, axis=2))

    def handed_over(self) -> tuple[Array, Ints]:
        """Pairs of the local moves, and whose they are."""
        width = 2 * self.coordinates.dim + 1
        if not self.pairs:
            return np.zeros((0, width)), np.zeros(0, dtype=np.int64)
        rows = np.concatenate(self.pairs)
        return rows.reshape(-1, width), np.tile(self.payload.replicas, len(rows))

    def propose(self) -> None:
        """Steps of the learnt dynamics, in the model's coordinates."""
        p, version = self.payload, self.order.model_version
        if version < 0 or not p.global_steps or p.broad is None:
            return
        other = None if self._isomers_too() else isomers(self.context)
        target = self._target(other)
        wide = Broad(self.coordinates.periodic, mean=p.broad.mean, std=p.broad.std)
        lags = tuple(float(lag) for lag in self.lags)
        kernel = Propagate(frozen(self.context, version, load_propagator), lags, wide, p.epsilon)
        before = self.coordinates.encode(self.walkers.positions)
        y, log_density, frames = before, target.log_density(before), []
        for _ in range(p.global_steps):
            done = kernel.step(target, y, log_density, self.rng)
            self._count(done, y)
            y, log_density = done.y, done.log_density
            frames.append(y)
        self.evaluations += (1 + p.global_steps) * len(y)
        if other is not None:
            self.counts["isomers"] = self.counts.get("isomers", 0.0) + other.seen
        seen = np.array(frames)
        placed = target.placed(seen.reshape(-1, seen.shape[2]))
        fresh = seen if isinstance(self.mover, Kernel) else seen[-1:]
        self.note(placed.reshape(*seen.shape[:2], -1), fresh)
        moved = (y != before).any(axis=1)
        x = np.where(moved[:, None], placed[-len(y) :], self.walkers.positions)
        self.walkers = Walkers(x, None, self.walkers.box)

    def _count(self, done: Stepped, before: Array) -> None:
        """Proposals and accepted ones: of all, of each lag, and of those to another state."""
        counts, states = self.counts, self.payload.states
        counts["global_proposed"] += len(before)
        counts["global_accepted"] += float(done.accepted.sum())
        counts["nonfinite"] += float(done.nonfinite.sum())
        crosses = np.zeros(len(before), dtype=bool)
        if states is not None:
            there = states.assign(self._cvs_of(done.drawn))
            crosses = (there >= 0) & (there != states.assign(self._cvs_of(before)))
        for k, lag in enumerate(self.lags):
            mine = done.lag == k
            for what, rows in (("lag", mine), ("crossing", mine & crosses)):
                for name, value in (("proposed", rows), ("accepted", rows & done.accepted)):
                    key = f"{what}_{lag}_{name}"
                    counts[key] = counts.get(key, 0.0) + float(value.sum())


def fit_propagator(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Fit a new version, and keep it only if it is better on pairs neither has been fitted to.

    Payload and record: `FitPropagatorPayload`, `FitRecord`.
    """
    p = order.read(FitPropagatorPayload)
    dim = len(p.periodic)
    pairs = Pairs(p.pairs[:, :dim], p.pairs[:, dim : 2 * dim], p.pairs[:, -1])
    known = np.unique(p.unit)
    held = rng.random(len(pairs)) < HELD_OUT
    if len(known) > 1:
        number = max(1, round(HELD_OUT * len(known)))
        held = np.isin(p.unit, rng.permutation(known)[:number])
    spec = on_device(context.setup["model"])
    new = Propagator.of(spec, p.periodic.tolist(), p.lags.tolist(), p.moves)
    seen, kept = pairs.take(np.flatnonzero(~held)), pairs.take(held)
    mixed = seen.take(rng.permutation(len(seen)))
    loss = new.fit(mixed, seed=int(rng.integers(2**31)))
    gain = np.nan
    if order.model_version >= 0:
        old = frozen(context, order.model_version, load_propagator)
        told = [
            np.maximum(m.log_prob(kept.after, kept.before, kept.lag), FLOOR) for m in (new, old)
        ]
        gain = float(np.mean(told[0] - told[1]))
    accepted = not gain <= 0
    return Segment(
        order.key,
        carry=encode(FitRecord(accepted, new.state() if accepted else None)),
        counts={"held_out_loss": loss, "accepted": float(accepted), "gain": gain},
        model_version=order.model_version,
    )
