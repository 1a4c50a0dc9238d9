"""An order of the full configuration as it goes along: local moves, and those of a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.configurations.coordinates import InCoordinates, exact
from msgen.actors.context import WorkerContext
from msgen.actors.engines.base import Engine
from msgen.actors.engines.local_kernel import local_kernel
from msgen.actors.engines.registry import build_engine, engine_kind
from msgen.actors.kernels.base import BoltzmannTarget, Kernel
from msgen.actors.kernels.independence import Independence
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.walk import WalkPayload, WalkRecord, WatchPayload
from msgen.actors.roles.state_explorer import Isomers, isomers
from msgen.actors.roles.walkers import rows_of, walkers_of
from msgen.models import Broad, Defended
from msgen.systems.base import Array, Walkers
from msgen.systems.coordinates.representation import Encoding


def defended(
    context: WorkerContext, version: int, seen: Encoding, broad: BroadGaussian, epsilon: float
) -> Defended:
    """The frozen model `version` and no other, with its share of broad proposals.

    `seen` is what the model sees of a configuration.
    """
    wide = Broad(seen.periodic, mean=broad.mean, std=broad.std)
    return Defended(context.models[version], wide, epsilon)


@dataclass
class Run:
    """One order as it goes along; frames are of all its replicas, in the order of time."""

    context: WorkerContext
    order: WorkOrder
    payload: WalkPayload
    rng: np.random.Generator
    coordinates: Encoding
    walkers: Walkers
    mover: Kernel | Engine
    q: Defended | None
    xi: list[Array] = field(default_factory=list)
    seen: list[Array] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    evaluations: int = 0

    @classmethod
    def begin(cls, context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Self:
        """Walkers, mover and proposal as the order has them."""
        p = order.read(WatchPayload if order.kind == WatchPayload.kind else WalkPayload)
        coordinates = cls.encoding(context)
        mover: Kernel | Engine
        if engine_kind(context).batched:
            spec = context.setup["strategy"]["local"]
            mover = local_kernel(spec, context.system, p.step_size)
        else:
            mover = build_engine(context, None)
            mover.begin(rng)
        q = cls.model(context, order, p, coordinates)
        walkers = walkers_of(p.walkers, context)
        made = cls(context, order, p, rng, coordinates, walkers, mover, q)
        names = ("local_proposed", "local_accepted", "global_proposed", "global_accepted")
        made.counts = dict.fromkeys((*names, "nonfinite"), 0.0)
        return made

    @classmethod
    def model(
        cls, context: WorkerContext, order: WorkOrder, p: WalkPayload, seen: Encoding
    ) -> Defended | None:
        """The frozen density that proposes, None where there is none."""
        if order.model_version < 0 or not p.global_steps or p.broad is None:
            return None
        return defended(context, order.model_version, seen, p.broad, p.epsilon)

    def local(self) -> None:
        """The local kernel of a batch, or the engine's."""
        steps, every = self.payload.local_steps, self.payload.record
        if not isinstance(self.mover, Kernel):
            self._by_chunks(self.mover, max(1, steps // every), every)
            return
        done = self.mover(
            BoltzmannTarget(self.context.system),
            self.walkers,
            self.rng,
            n_steps=steps,
            record_every=every,
        )
        self.tell("local", steps, float(done.accepted.sum()), done.nonfinite)
        self.evaluations += done.evaluations
        assert done.trajectory is not None
        self.note(done.trajectory)
        self.walkers = done.walkers

    def _by_chunks(self, engine: Engine, chunks: int, steps: int) -> None:
        """Chunks of the engine; velocities are drawn where a global move has left none."""
        tally, before = engine.tally, (engine.tally.proposals, engine.tally.accepted)
        evaluations, nonfinite = tally.evaluations, tally.nonfinite
        xi = engine.load(self.walkers)
        free = np.zeros(len(xi), dtype=bool)
        frames = []
        for _ in range(chunks):
            new = engine.chunk(np.zeros_like(xi), free, steps)
            broken = np.asarray(~np.isfinite(new).all(axis=1))
            if broken.any():
                engine.revert(broken)
            xi = np.where(broken[:, None], xi, new)
            self.xi.append(xi[None])
            frames.append(engine.walkers().positions)
        self.seen.append(self._encoded(np.array(frames)))
        self.walkers = engine.walkers()
        self.counts["local_proposed"] += tally.proposals - before[0]
        self.counts["local_accepted"] += tally.accepted - before[1]
        self.counts["nonfinite"] += tally.nonfinite - nonfinite
        self.evaluations += tally.evaluations - evaluations

    @classmethod
    def encoding(cls, context: WorkerContext) -> Encoding:
        """What the model sees of a configuration."""
        raise NotImplementedError

    def propose(self) -> None:
        """Global moves; `walkers` are then where they stand after them."""
        raise NotImplementedError

    def weights(self) -> dict[str, Array]:
        """Samples of the proposals, beside those of the walkers."""
        return {}

    def note(self, x: Array, y: Array | None = None) -> None:
        """CVs of configurations (m, n, D), and what the model sees of them."""
        xi = self.context.cvs(x.reshape(-1, x.shape[2]))
        self.xi.append(xi.reshape(*x.shape[:2], -1))
        self.seen.append(self._encoded(x) if y is None else y)

    def _encoded(self, x: Array) -> Array:
        return self.coordinates.encode(x.reshape(-1, x.shape[2])).reshape(*x.shape[:2], -1)

    def tell(self, move: str, steps: int, accepted: float, nonfinite: int) -> None:
        self.counts[f"{move}_proposed"] += len(self.walkers) * steps
        self.counts[f"{move}_accepted"] += accepted * steps
        self.counts["nonfinite"] += nonfinite

    def handed_over(self) -> tuple[Array, NDArray[np.int64]]:
        """What a fit may learn from, and whose it is."""
        seen = _thinned(np.concatenate(self.seen), self.payload.recent)
        return seen.reshape(-1, seen.shape[2]), np.tile(self.payload.replicas, len(seen))

    def segment(self) -> Segment:
        """All of it."""
        p = self.payload
        replicas = p.replicas.astype(np.float64)
        # replica after replica, each in the order of time
        xi = np.concatenate(self.xi).swapaxes(0, 1)
        samples = {
            "cvs": xi.reshape(-1, xi.shape[2]),
            "replica": np.repeat(replicas, xi.shape[1]),
        }
        samples.update(self.weights())
        recent, owner = self.handed_over()
        return Segment(
            self.order.key,
            samples=samples,
            carry=encode(
                WalkRecord(
                    rows_of(self.walkers, self.context, self.order),
                    recent,
                    owner,
                )
            ),
            counts=self.counts,
            evaluations=self.evaluations,
            model_version=self.order.model_version,
        )


@dataclass
class WholeRun(Run):
    """Independence moves of the whole configuration, in the campaign's coordinates."""

    draws: list[Array] = field(default_factory=list)
    proposed: list[Array] = field(default_factory=list)
    started: list[Array] = field(default_factory=list)

    @classmethod
    def encoding(cls, context: WorkerContext) -> Encoding:
        """All of a configuration but how it lies."""
        return exact(context)

    def _target(self, other: Isomers | None = None) -> InCoordinates:
        return InCoordinates(BoltzmannTarget(self.context.system), exact(self.context), other)

    def _isomers_too(self) -> bool:
        """Whether the campaign takes every isomer for the molecule that it is about."""
        search = self.context.setup["strategy"].get("explore", {})
        return bool(search.get("isomers") == "include")

    def propose(self) -> None:
        """Independence moves in the model's coordinates; what was not accepted stays untouched."""
        if self.q is None:
            return
        steps = self.payload.global_steps
        other = None if self._isomers_too() else isomers(self.context)
        target = self._target(other)
        before = self.coordinates.encode(self.walkers.positions)
        kernel = Independence(self.q)
        done = kernel(target, Walkers(before), self.rng, n_steps=steps, record_every=1)
        refused = 0
        if other is not None:
            refused = other.seen
            self.counts["isomers"] = self.counts.get("isomers", 0.0) + refused
        self.tell("global", steps, float(done.accepted.sum()), max(0, done.nonfinite - refused))
        self.evaluations += done.evaluations
        self.draws.append(done.draws)
        self.proposed.append(done.proposed)
        self.started.append(done.started)
        assert done.trajectory is not None
        frames = done.trajectory
        placed = target.placed(frames.reshape(-1, frames.shape[2]))
        # of a molecule most frames are the one before again: the last tells a fit as much
        fresh = frames if isinstance(self.mover, Kernel) else frames[-1:]
        self.note(placed.reshape(*frames.shape[:2], -1), fresh)
        moved = (done.walkers.positions != before).any(axis=1)
        x = np.where(moved[:, None], placed[-len(before) :], self.walkers.positions)
        # what moved has no velocity yet: all are drawn anew, which leaves their density as it is
        self.walkers = Walkers(x, None, self.walkers.box)

    def weights(self) -> dict[str, Array]:
        """ln ρ* − ln q at the proposals, and at the walkers after their local steps."""
        if not self.proposed:
            return {}
        replicas, most = self.payload.replicas.astype(np.float64), self.payload.weights
        out: dict[str, Array] = {}
        kept = _thinned(np.concatenate(self.proposed), most)
        drawn = _thinned(np.concatenate(self.draws), most).swapaxes(0, 1)
        started = np.array(self.started)
        out["proposal_cvs"] = self._cvs_of(drawn.reshape(-1, drawn.shape[2]))
        out["proposal_log_weight"] = kept.T.reshape(-1)
        out["proposal_replica"] = np.repeat(replicas, len(kept))
        out["walker_log_weight"] = started.T.reshape(-1)
        out["walker_replica"] = np.repeat(replicas, len(started))
        return out

    def _cvs_of(self, y: Array) -> Array:
        """CVs of draws, shape (n, C); NaN where a draw is no configuration."""
        target = self._target()
        finite = np.isfinite(y).all(axis=1)
        out = np.full((len(y), len(self.context.cvs)), np.nan)
        if finite.any():
            with np.errstate(all="ignore"):
                out[finite] = self.context.cvs(target.placed(y[finite]))
        return out


def _thinned(rows: NDArray[np.float64], most: int) -> Array:
    """About `most` of the rows, evenly spaced; all where there are fewer."""
    return rows[:: max(1, len(rows) // most)] if most else rows[:0]
