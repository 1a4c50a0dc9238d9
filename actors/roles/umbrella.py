"""The Umbrella: sampling in windows, exchange between neighbours, moves of a model inside them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.configurations.coordinates import coordinates
from msgen.actors.configurations.window_density import AtWindow
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.engines.base import Engine
from msgen.actors.engines.batched import RestraintTarget
from msgen.actors.engines.build import build_engine
from msgen.actors.kernels.base import BoltzmannTarget, SumTarget, log_uniform
from msgen.actors.kernels.independence import Independence
from msgen.actors.roles.observables import watch, watched_names
from msgen.actors.roles.sampler import concatenate, tree_of, walkers_of
from msgen.models import Broad, Defended
from msgen.systems.base import Array, Walkers

TOGETHER = 5
"""Stretches whose moves of the model are made at once: a batch costs little more than one."""

Ints = NDArray[np.int64]


def sample_windows(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Walkers of umbrella windows: local steps under the restraint, global moves, exchange.

    Walker i samples ρ*(x) g(λ_i|ξ(x)). After each of the 'blocks': 'global_steps' independence
    moves proposed by the frozen model's p(x|λ_i) (those of `TOGETHER` blocks at once), and one
    sweep of Metropolis exchanges of configurations between neighbours,

    .. math:: a = \\min(1, e^{E(λ_a,ξ_a)+E(λ_b,ξ_b)-E(λ_a,ξ_b)-E(λ_b,ξ_a)})

    (Sugita, Kitao and Okamoto, J. Chem. Phys. 113, 6042, 2000).

    Payload: 'walkers', 'replicas' (slots, n), 'window' (n), 'who' (which walker stands there, n),
    'lam' (n, C), 'kappa' (C), 'on' (whether the restraint acts), 'chunks' (n) of 'steps' in one
    block, 'blocks', 'pairs' (m, 3): two rows and the colour of each pair, 'global_steps',
    'label' (columns of λ the model knows), 'epsilon', 'broad' ('mean', 'std'), 'recent'
    (configurations of each walker for the next fit), 'step_size'.

    Samples: 'cvs' with 'replica' and 'window', slot after slot in the order of time; 'watched', one
    row a block, with 'watched_replica' and 'watched_window'. The carry holds 'walkers', 'who',
    'xi', 'exchanges' (m, 2: tried and accepted of each pair), 'recent' with 'recent_xi' and
    'recent_window', and the names of the 'watched'.
    """
    run = _Run.begin(context, order, rng)
    blocks, moves = int(order.payload["blocks"]), int(order.payload["global_steps"])
    for block in range(blocks):
        run.local()
        open_ = block % TOGETHER + 1
        if open_ == TOGETHER or block == blocks - 1:
            run.move_inside(moves * open_)
        run.exchange(block)
        run.note()
    return run.segment()


@dataclass
class _Run:
    """One order as it goes along."""

    context: WorkerContext
    order: WorkOrder
    engine: Engine
    rng: np.random.Generator
    g: Conditional
    walkers: Walkers
    xi: Array
    lam: Array
    on: NDArray[np.bool_]
    chunks: Ints
    who: Ints
    pairs: Ints
    exchanged: Ints
    records: list[list[Array]]
    watched: list[Array] = field(default_factory=list)
    frames: list[Array] = field(default_factory=list)
    frames_xi: list[Array] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)

    @classmethod
    def begin(cls, context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> _Run:
        p = order.payload
        engine = build_engine(context, p.get("step_size"))
        engine.begin(rng)
        g = Conditional(np.asarray(p["kappa"]), context.cvs.periodic)
        engine.set_local_restraint(g)
        walkers = walkers_of(p["walkers"], context)
        lam, pairs = np.asarray(p["lam"]), np.asarray(p["pairs"], dtype=np.int64).reshape(-1, 3)
        n = len(walkers)
        return cls(
            context=context,
            order=order,
            engine=engine,
            rng=rng,
            g=g,
            walkers=walkers,
            xi=context.cvs(walkers.positions),
            lam=lam,
            on=np.full(n, bool(p["on"])),
            chunks=np.asarray(p["chunks"], dtype=np.int64),
            who=np.array(p["who"], dtype=np.int64),
            pairs=pairs,
            exchanged=np.zeros((len(pairs), 2), dtype=np.int64),
            records=[[] for _ in range(n)],
        )

    def local(self) -> None:
        """The local kernel; walkers with equally many chunks go together."""
        steps = int(self.order.payload["steps"])
        parts, index = [], []
        for m in np.unique(self.chunks).tolist():
            at = np.flatnonzero(self.chunks == m)
            xi = self.engine.load(self.walkers.take(at))
            for _ in range(m):
                new = self.engine.chunk(self.lam[at], self.on[at], steps)
                broken = np.asarray(~np.isfinite(new).all(axis=1))
                if broken.any():
                    self.engine.revert(broken)
                    self._count("broken", float(broken.sum()))
                xi = np.where(broken[:, None], xi, new)
                for row, value in zip(at.tolist(), xi, strict=True):
                    self.records[row].append(value)
            self.xi[at] = xi
            parts.append(self.engine.walkers())
            index.append(at)
        self.walkers = concatenate(parts, moving=True).take(np.argsort(np.concatenate(index)))

    def move_inside(self, moves: int) -> None:
        """Independence moves by the model at each walker's own λ."""
        p, version = self.order.payload, self.order.model_version
        if version < 0 or not moves:
            return
        model = self.context.models[version]
        broad = Broad(
            [False] * self.context.system.n_dof,
            mean=np.asarray(p["broad"]["mean"]),
            std=np.asarray(p["broad"]["std"]),
        )
        label = self.lam[:, np.asarray(p["label"], dtype=np.int64)]
        proposal = AtWindow(Defended(model, broad, float(p["epsilon"])), label)
        target = SumTarget(
            (
                BoltzmannTarget(self.context.system),
                RestraintTarget(self.context.cvs, self.g, self.lam, self.on),
            )
        )
        done = Independence(proposal)(target, self.walkers, self.rng, n_steps=moves)
        # what was accepted has no velocity yet; the engines draw where there is none
        moved = (done.walkers.positions != self.walkers.positions).any(axis=1)
        self.walkers = Walkers(done.walkers.positions, None, self.walkers.box)
        self.xi = np.where(moved[:, None], self.context.cvs(self.walkers.positions), self.xi)
        self.engine.tally.evaluations += done.evaluations
        self.engine.tally.nonfinite += done.nonfinite
        self._count("global_proposed", float(moves * len(self.walkers)))
        self._count("global_accepted", float(done.accepted.sum()) * moves)

    def exchange(self, block: int) -> None:
        """One sweep over the pairs of this block's colour."""
        if not len(self.pairs):
            return
        colours = int(self.pairs[:, 2].max()) + 1
        mine = np.flatnonzero(self.pairs[:, 2] == block % colours)
        a, b = self.pairs[mine, 0], self.pairs[mine, 1]
        e = self.g.energy
        gain = (
            e(self.lam[a], self.xi[a])
            + e(self.lam[b], self.xi[b])
            - e(self.lam[a], self.xi[b])
            - e(self.lam[b], self.xi[a])
        )
        yes = log_uniform(self.rng, gain.shape) < gain
        order = np.arange(len(self.walkers))
        order[a[yes]], order[b[yes]] = b[yes], a[yes]
        self.walkers, self.xi, self.who = self.walkers.take(order), self.xi[order], self.who[order]
        self.exchanged[mine, 0] += 1
        self.exchanged[mine, 1] += yes
        self._count("exchange_proposed", float(len(mine)))
        self._count("exchange_accepted", float(yes.sum()))

    def note(self) -> None:
        """What is watched, and configurations for the next fit."""
        self.watched.append(watch(self.context, self.walkers.positions))
        if int(self.order.payload["recent"]):
            self.frames.append(self.walkers.positions)
            self.frames_xi.append(self.xi)

    def segment(self) -> Segment:
        """All of it."""
        p, tally = self.order.payload, self.engine.tally
        slots = np.asarray(p["replicas"], dtype=np.float64)
        window = np.asarray(p["window"], dtype=np.float64)
        each = np.array([len(r) for r in self.records])
        blocks = len(self.watched)
        carry: Tree = {
            "walkers": tree_of(self.walkers, self.context, self.order),
            "who": self.who,
            "xi": self.xi,
            "exchanges": self.exchanged,
            "watched": list(watched_names(self.context)),
            **self._recent(window),
        }
        self._count("local_proposed", tally.proposals)
        self._count("local_accepted", tally.accepted)
        self._count("nonfinite", float(tally.nonfinite))
        frames = {"positions": self.walkers.positions} if self._trajectory else {}
        return Segment(
            self.order.key,
            samples={
                "cvs": np.concatenate([np.array(r) for r in self.records]),
                "replica": np.repeat(slots, each),
                "window": np.repeat(window, each),
                "watched": np.stack(self.watched, axis=1).reshape(len(slots) * blocks, -1),
                "watched_replica": np.repeat(slots, blocks),
                "watched_window": np.repeat(window, blocks),
                **frames,
            },
            carry=carry,
            counts=self.counts,
            evaluations=tally.evaluations,
            model_version=self.order.model_version,
        )

    @property
    def _trajectory(self) -> bool:
        return bool(self.context.setup.get("trajectory"))

    def _recent(self, window: Array) -> Tree:
        """Configurations spread over the order, in the coordinates of the model."""
        wanted = int(self.order.payload["recent"])
        if not wanted:
            return {}
        every = max(1, len(self.frames) // wanted)
        x = np.concatenate(self.frames[::-1][::every])
        xi = np.concatenate(self.frames_xi[::-1][::every])
        return {
            "recent": coordinates(self.context).encode(x),
            "recent_xi": xi,
            "recent_window": np.tile(window.astype(np.int64), len(x) // len(window)),
        }

    def _count(self, name: str, value: float) -> None:
        self.counts[name] = self.counts.get(name, 0.0) + value
