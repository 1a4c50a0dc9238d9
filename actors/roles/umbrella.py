"""The Umbrella: sampling in windows, exchange between neighbours, moves of a model inside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.configurations.coordinates import coordinates
from msgen.actors.configurations.window_density import AtWindow
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.engines.base import Engine
from msgen.actors.engines.batched import RestraintTarget
from msgen.actors.engines.registry import build_engine
from msgen.actors.kernels.base import BoltzmannTarget, Mask, SumTarget, log_uniform
from msgen.actors.kernels.independence import Independence
from msgen.actors.orders.configurations import LabelledConfigurations
from msgen.actors.orders.umbrella import UmbrellaPayload, UmbrellaRecord, WindowMoves
from msgen.actors.roles.sampler import last_frames
from msgen.actors.roles.walkers import concatenate, rows_of, walkers_of
from msgen.models import Broad, Defended
from msgen.systems.base import Array, Walkers

SWEEPS = 3
"""Over all pairs, wherever walkers exchange."""
TOGETHER = 5
"""Stretches whose moves of the model are made at once: a batch costs little more than one."""

Ints = NDArray[np.int64]


def sample_windows(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Walkers of umbrella windows: local steps under the restraint, global moves, exchange.

    Walker i samples ρ*(x) g_i(λ_i|ξ(x)), g_i of its window's width. A block is as many pieces as
    its shortest stretch has readings, so that walkers meet as often as they can; after each piece
    follow `SWEEPS` sweeps of Metropolis exchanges of configurations between all neighbours, pairs
    of one colour after another,

    .. math:: a = \\min(1, e^{E_a(ξ_a)+E_b(ξ_b)-E_a(ξ_b)-E_b(ξ_a)})

    (Sugita, Kitao and Okamoto, J. Chem. Phys. 113, 6042, 2000; often, and several in a row: Chodera
    and Shirts, J. Chem. Phys. 135, 194110, 2011), and in the last before them independence moves
    proposed by the frozen model's p(x|λ_i), those of `TOGETHER` blocks at once.

    Payload and record: `UmbrellaPayload`, `UmbrellaRecord`. Samples: 'cvs' with 'replica' (the
    slot) and 'window', slot after slot in the order of time; 'watched', one row a block, with
    'watched_replica' and 'watched_window'.
    """
    p = order.read(UmbrellaPayload)
    run = _Run.begin(context, p, rng)
    pieces = _pieces(p.chunks)
    for block in range(p.blocks):
        open_ = block % TOGETHER + 1
        for k, chunks in enumerate(pieces):
            run.local(chunks)
            last = k == len(pieces) - 1 and (open_ == TOGETHER or block == p.blocks - 1)
            if p.moves and last:
                run.move_inside(p.moves, order.model_version, open_)
            run.exchange()
        run.note()
    return run.segment(order)


def _pieces(chunks: Ints) -> list[Ints]:
    """`chunks`, shape (n,), in as many parts as the least of them, none of them empty."""
    number = int(chunks.min())
    ends = [chunks * k // number for k in range(number + 1)]
    return [b - a for a, b in pairwise(ends)]


@dataclass
class _Run:
    """One order as it goes along."""

    context: WorkerContext
    p: UmbrellaPayload
    engine: Engine
    rng: np.random.Generator
    g: Conditional
    walkers: Walkers
    xi: Array
    restrained: Mask
    who: Ints
    exchanges: Ints
    records: list[list[Array]]
    watched: list[Array] = field(default_factory=list)
    visited: list[Array] = field(default_factory=list)
    stood: list[Ints] = field(default_factory=list)
    frames: list[Array] = field(default_factory=list)
    frames_xi: list[Array] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)

    @classmethod
    def begin(cls, context: WorkerContext, p: UmbrellaPayload, rng: np.random.Generator) -> _Run:
        engine = build_engine(context, p.step_size)
        engine.begin(rng)
        walkers = walkers_of(p.walkers, context)
        n = len(walkers)
        return cls(
            context=context,
            p=p,
            engine=engine,
            rng=rng,
            g=Conditional(p.kappa, context.cvs.periodic),
            walkers=walkers,
            xi=context.cvs(walkers.positions),
            restrained=np.full(n, p.restrained),
            who=p.who,
            exchanges=np.zeros((len(p.pairs), 2), dtype=np.int64),
            records=[[] for _ in range(n)],
        )

    def local(self, chunks: Ints) -> None:
        """The local kernel, all walkers together; who has made all its chunks leaves."""
        parts, index = [], []
        # another array: blocks before this one keep the old as the labels of their frames
        now = np.empty_like(self.xi)
        left, made = self.walkers, 0
        for m in np.unique(chunks).tolist():
            at = np.flatnonzero(chunks >= m)
            xi = self.engine.load(left)
            pace = None if self.p.pace is None else self.p.pace[at]
            self.engine.set_local_restraint(self.g.of_rows(at), pace)
            for _ in range(m - made):
                new = self.engine.chunk(self.p.lam[at], self.restrained[at], self.p.steps)
                broken = np.asarray(~np.isfinite(new).all(axis=1))
                if broken.any():
                    self.engine.revert(broken)
                    self._count("broken", float(broken.sum()))
                xi = np.where(broken[:, None], xi, new)
                for row, value in zip(at.tolist(), xi, strict=True):
                    self.records[row].append(value)
            moved, over, made = self.engine.walkers(), chunks[at] == m, m
            now[at] = xi
            parts.append(moved.take(np.flatnonzero(over)))
            index.append(at[over])
            left = moved.take(np.flatnonzero(~over))
        self.walkers = concatenate(parts, moving=True).take(np.argsort(np.concatenate(index)))
        self.xi = now

    def move_inside(self, moves: WindowMoves, version: int, blocks: int) -> None:
        """The moves of so many blocks, by version `version` of the model at each walker's own λ."""
        model, steps = self.context.models[version], moves.global_steps * blocks
        seen = coordinates(self.context)
        broad = Broad(seen.periodic, mean=moves.broad.mean, std=moves.broad.std)
        defended = Defended(model, broad, moves.epsilon)
        proposal = AtWindow(defended, self.p.lam[:, moves.label])
        target = SumTarget(
            (
                BoltzmannTarget(self.context.system),
                RestraintTarget(self.context.cvs, self.g, self.p.lam, self.restrained),
            )
        )
        before = Walkers(seen.encode(self.walkers.positions))
        done = Independence(proposal)(target, before, self.rng, n_steps=steps)
        # what was accepted has no velocity yet; the engines draw where there is none
        moved = (done.walkers.positions != before.positions).any(axis=1)
        x = np.where(moved[:, None], done.walkers.positions, self.walkers.positions)
        self.walkers = Walkers(x, None, self.walkers.box)
        self.xi = np.where(moved[:, None], self.context.cvs(self.walkers.positions), self.xi)
        self.engine.tally.evaluations += done.evaluations
        self.engine.tally.nonfinite += done.nonfinite
        self._count("global_proposed", float(steps * len(self.walkers)))
        self._count("global_accepted", float(done.accepted.sum()) * steps)

    def exchange(self) -> None:
        """Sweeps over all pairs, those of one colour after another; they cost no energy."""
        pairs = self.p.pairs
        if not len(pairs):
            return
        order = np.arange(len(self.walkers))
        colours = [np.flatnonzero(pairs[:, 2] == c) for c in range(int(pairs[:, 2].max()) + 1)]
        for _ in range(SWEEPS):
            for mine in colours:
                self._sweep(mine, order)
        self.walkers, self.xi, self.who = self.walkers.take(order), self.xi[order], self.who[order]
        self.stood.append(self.who)

    def _sweep(self, mine: Ints, order: Ints) -> None:
        """Disjoint pairs, in place: `order` is the row that each row's configuration comes from."""
        lam, a, b = self.p.lam, self.p.pairs[mine, 0], self.p.pairs[mine, 1]
        in_a, in_b = self.g.of_rows(a).energy, self.g.of_rows(b).energy
        at_a, at_b = self.xi[order[a]], self.xi[order[b]]
        gain = in_a(lam[a], at_a) + in_b(lam[b], at_b) - in_a(lam[a], at_b) - in_b(lam[b], at_a)
        yes = log_uniform(self.rng, gain.shape) < gain
        order[a[yes]], order[b[yes]] = order[b[yes]], order[a[yes]]
        self.exchanges[mine, 0] += 1
        self.exchanges[mine, 1] += yes
        self._count("exchange_proposed", float(len(mine)))
        self._count("exchange_accepted", float(yes.sum()))

    def note(self) -> None:
        """What is watched, and configurations for the next fit."""
        seen = self.context.watched.geometry(self.walkers.positions)
        self.watched.append(seen)
        self.visited.append(np.hstack([self.xi, seen]))
        if self.p.recent:
            self.frames.append(self.walkers.positions)
            self.frames_xi.append(self.xi)

    def segment(self, order: WorkOrder) -> Segment:
        """All of it."""
        p, tally = self.p, self.engine.tally
        slots, window = p.slots.astype(np.float64), p.window.astype(np.float64)
        each = np.array([len(r) for r in self.records])
        blocks = len(self.watched)
        record = UmbrellaRecord(
            rows_of(self.walkers, self.context, order),
            p.slots,
            self.who,
            self.xi,
            self.exchanges,
            self._recent(),
            np.concatenate(self.visited).astype(np.float32),
            np.stack(self.stood) if self.stood else self.who[None],
        )
        self._count("local_proposed", tally.proposals)
        self._count("local_accepted", tally.accepted)
        self._count("nonfinite", float(tally.nonfinite))
        self.counts |= tally.extra
        return Segment(
            order.key,
            samples={
                "cvs": np.concatenate([np.array(r) for r in self.records]),
                "replica": np.repeat(slots, each),
                "window": np.repeat(window, each),
                "watched": np.stack(self.watched, axis=1).reshape(len(slots) * blocks, -1),
                "watched_replica": np.repeat(slots, blocks),
                "watched_window": np.repeat(window, blocks),
                **last_frames(self.context, self.walkers),
            },
            carry=encode(record),
            counts=self.counts,
            evaluations=tally.evaluations,
            model_version=order.model_version,
        )

    def _recent(self) -> LabelledConfigurations | None:
        """Configurations spread over the order, in the coordinates of the model."""
        if not self.p.recent:
            return None
        every = max(1, len(self.frames) // self.p.recent)
        x = np.concatenate(self.frames[::-1][::every])
        xi = np.concatenate(self.frames_xi[::-1][::every])
        window = np.tile(self.p.window, len(x) // len(self.p.window))
        return LabelledConfigurations(coordinates(self.context).encode(x), xi, window)

    def _count(self, name: str, value: float) -> None:
        self.counts[name] = self.counts.get(name, 0.0) + value
