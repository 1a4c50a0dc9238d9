"""Replicas that walk by a learnt energy and are tested by the system's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.configurations.independent_moves import IndependentMoves
from msgen.actors.configurations.whole import whole, whole_proposal
from msgen.actors.context import WorkerContext
from msgen.actors.kernels.base import BoltzmannTarget, Kernel, KernelResult
from msgen.actors.kernels.delayed_acceptance import DelayedAcceptance, DelayedResult
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.orders.delayed import DelayedPayload, DelayedRecord, FlowWalks
from msgen.actors.roles.frozen_models import frozen
from msgen.actors.roles.held_against_flow import HeldAgainstFlow
from msgen.actors.roles.recorded_target import RecordedTarget
from msgen.actors.roles.sampler import last_frames
from msgen.actors.roles.state_explorer import isomers
from msgen.actors.roles.surrogate_alone import SurrogateAlone
from msgen.actors.roles.walkers import rows_of, walkers_of
from msgen.actors.roles.watching import Watch
from msgen.models.surrogate.committee import load_committee
from msgen.systems.base import Array, Walkers
from msgen.systems.coordinates.free_particles import Centred

JITTER = 0.2
"""Of the time step, as of the local moves of other strategies."""
COUNTED = ("local_proposed", "local_accepted", "global_proposed", "global_accepted", "nonfinite")
OF_FLOW = ("flow_proposed", "flow_accepted", "flow_tested", "flow_passed")
"""Its proposals in the first test, and its walks in the second."""


def delayed(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Walks by the surrogate of the order's version, each tested by the system.

    Walks of trajectories come first in a stretch, those of the flow after them. Payload and record:
    `DelayedPayload`, `DelayedRecord`. Samples: 'cvs', 'log_bias' and 'replica', the columns of
    `Watch`, `HeldAgainstFlow` and `SurrogateAlone`, and every configuration that was calculated.
    """
    run = _Stretches(context, order, rng)
    for _ in range(run.payload.blocks):
        run.by_trajectories()
        run.by_flow()
        run.look()
    return run.segment()


class _Stretches:
    """An order as it goes along."""

    def __init__(self, context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> None:
        self.payload = p = order.read(DelayedPayload)
        self._context, self._order, self._rng = context, order, rng
        system = context.system
        self._oracle = RecordedTarget(BoltzmannTarget(system))
        inner = Hmc(p.step_size, p.leapfrog, system.masses, system.kT, jitter=JITTER)
        self._walk: Kernel = inner
        self._flow: DelayedAcceptance | None = None
        self._held: HeldAgainstFlow | None = None
        self._alone: SurrogateAlone | None = None
        if order.model_version >= 0:
            surrogate = frozen(context, order.model_version, load_committee)
            self._walk = DelayedAcceptance(surrogate, inner, p.moves)
            moves: tuple[tuple[Kernel, int], ...] = ((inner, p.walks * p.moves),)
            if p.flow is not None and p.flow.version >= 0:
                proposals = _proposals(context, p.flow)
                moves = (*moves, (proposals, p.flow.walks * p.flow.moves))
                self._flow = DelayedAcceptance(surrogate, proposals, p.flow.moves)
                if p.flow.draws:
                    self._held = HeldAgainstFlow(context, proposals, self._oracle)
            self._alone = SurrogateAlone(surrogate, moves, self._oracle, context.cvs)
        self._x = walkers_of(p.walkers, context).positions
        self._watch = Watch(context, p.blocks)
        self._frames: list[Array] = []
        self._xi: list[Array] = []
        self._counts = dict.fromkeys(COUNTED if p.flow is None else (*COUNTED, *OF_FLOW), 0.0)

    def by_trajectories(self) -> None:
        """Walks of trajectories; the system's own where there is no surrogate."""
        p, n = self.payload, len(self._x)
        done = self._made(self._walk, p.walks)
        if not isinstance(done, DelayedResult):
            self._count("local_proposed", n * p.walks)
            self._count("local_accepted", float(done.accepted.sum()) * p.walks)
            return
        inside = n * p.walks * p.moves
        self._count("local_proposed", inside)
        self._count("local_accepted", inside * done.inner)
        self._count("global_proposed", done.tested)
        self._count("global_accepted", done.passed)

    def by_flow(self) -> None:
        """Walks of the flow's proposals, where there is one."""
        flow = self.payload.flow
        if self._flow is None or flow is None:
            return
        done = self._made(self._flow, flow.walks)
        assert isinstance(done, DelayedResult)
        inside = len(self._x) * flow.walks * flow.moves
        self._count("flow_proposed", inside)
        self._count("flow_accepted", inside * done.inner)
        self._count("flow_tested", done.tested)
        self._count("flow_passed", done.passed)

    def look(self) -> None:
        """At the end of a stretch."""
        self._watch.look(Walkers(self._x), self._xi[-1][-1])
        if self._held is not None:
            self._held.look(self._x, self._xi[-1][-1])

    def segment(self) -> Segment:
        """All of it."""
        p, context = self.payload, self._context
        # replica after replica, each in the order of time
        xi = np.concatenate(self._xi).swapaxes(0, 1)
        walkers = Walkers(self._x)
        # after all moves, so that walkers go where they would have gone without
        beside: dict[str, Array] = {}
        if self._held is not None and p.flow is not None:
            beside.update(self._held.columns(p.replicas, p.flow.draws, self._rng))
        alone: Array | None = None
        if self._alone is not None and p.alone is not None:
            start = np.where(np.isfinite(p.alone), p.alone, self._x)
            alone, told = self._alone(start, p.replicas, p.blocks, self._rng)
            beside.update(told)
        rows = rows_of(walkers, context, self._order)
        record = DelayedRecord(rows, *self._handed_over(), alone)
        return Segment(
            self._order.key,
            samples={
                "cvs": xi.reshape(-1, xi.shape[2]),
                "log_bias": np.zeros(xi.shape[0] * xi.shape[1]),
                "replica": np.repeat(p.replicas.astype(np.float64), xi.shape[1]),
                **self._watch.columns(p.replicas),
                **last_frames(context, walkers),
                **beside,
                **self._oracle.columns(),
            },
            carry=encode(record),
            counts=self._counts,
            evaluations=self._oracle.calls + self._watch.evaluations,
            model_version=self._order.model_version,
        )

    def _made(self, kernel: Kernel, walks: int) -> KernelResult:
        """So many walks of a stretch, with the CVs after each."""
        done = kernel(self._oracle, Walkers(self._x), self._rng, n_steps=walks, record_every=1)
        self._x = done.walkers.positions
        frames = done.trajectory
        assert frames is not None
        xi = self._context.cvs(frames.reshape(-1, frames.shape[2]))
        self._xi.append(xi.reshape(*frames.shape[:2], -1))
        if self.payload.flow is not None and self.payload.flow.recent:
            self._frames.append(frames)
        self._count("nonfinite", done.nonfinite)
        return done

    def _count(self, name: str, number: float) -> None:
        self._counts[name] += number

    def _handed_over(self) -> tuple[Array | None, NDArray[np.int64] | None]:
        """What a fit of the flow may learn from, and whose it is."""
        if self.payload.flow is None or not self._frames:
            return None, None
        frames = np.concatenate(self._frames)
        kept = frames[:: max(1, len(frames) // self.payload.flow.recent)]
        variables = whole(self._context)
        y = variables.encode(kept.reshape(-1, kept.shape[2]))
        if isinstance(variables, Centred):
            y = variables.adrift(y, self._rng)
        return y, np.tile(self.payload.replicas, len(kept))


def _proposals(context: WorkerContext, flow: FlowWalks) -> IndependentMoves:
    """Those of the frozen flow, with its share of broad ones."""
    assert flow.broad is not None
    q = whole_proposal(context, flow.version, flow.broad, flow.epsilon)
    return IndependentMoves(q, whole(context), isomers(context))
