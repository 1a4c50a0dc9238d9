"""The Sampler: local sampling of some replicas, and steered paths that start from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.proposals import Proposals, StepProposals, StratumProposals
from msgen.actors.cv_space.strata import Labels, Partition
from msgen.actors.engines.base import Engine
from msgen.actors.engines.mass_matrix import curvature
from msgen.actors.engines.registry import build_engine
from msgen.actors.kernels.expanded_ensemble import Tempered, Visits
from msgen.actors.kernels.switching.steered import Paths, accept, steer
from msgen.actors.orders.proposals import BroadRange, ProposalSpec
from msgen.actors.orders.sample import PathSpec, SamplePayload, SampleRecord
from msgen.actors.roles.frozen_models import frozen
from msgen.actors.roles.walkers import concatenate, rows_of, walkers_of
from msgen.actors.roles.watching import Watch
from msgen.models.defended_steps import DefendedSteps
from msgen.models.defensive_mixture import Broad
from msgen.models.propagator import load_propagator
from msgen.systems.base import Array, Walkers


def broad_of(span: BroadRange) -> Broad:
    """The broad proposal over a range of λ."""
    return Broad(span.periodic.tolist(), lower=span.lower, upper=span.upper)


def proposals_of(
    context: WorkerContext, version: int, spec: ProposalSpec, partition: Partition
) -> Proposals:
    """The frozen proposals of model version `version` and no other.

    Raises
    ------
    ValueError
        If steps of a dynamics are asked for between several strata.
    """
    broad = broad_of(spec.broad)
    if not spec.lags:
        return StratumProposals(
            context.models[version], broad, spec.epsilon, partition, spec.log_mass
        )
    if len(partition) > 1:
        raise ValueError(f"steps of a learnt dynamics are of one stratum, not of {len(partition)}")
    model = frozen(context, version, load_propagator)
    return StepProposals(DefendedSteps(model, spec.lags, broad, spec.epsilon))


@dataclass
class _Works:
    """Columns of the paths of one order, as they go to the store."""

    rows: list[dict[str, Array]]

    def add(self, paths: Paths, replica: Labels, schedule: int, steps: Labels) -> None:
        # what was computed for all together, by the length of each
        share = paths.evaluations * steps / steps.sum()
        self.rows.append(
            {
                "work": paths.work,
                "protocol_work": paths.protocol_work,
                "source": paths.source.astype(np.float64),
                "target": paths.target.astype(np.float64),
                "path_replica": replica.astype(np.float64),
                "schedule": np.full(len(paths.work), float(schedule)),
                "path_steps": steps.astype(np.float64),
                "path_evaluations": share,
                "lambda_start": paths.start,
                "lambda_stop": paths.stop,
                "xi_stop": paths.xi,
                **({} if paths.lag is None else {"path_lag": paths.lag}),
                **_profile(paths),
            }
        )

    def columns(self) -> dict[str, Array]:
        if not self.rows:
            return {}
        return {name: np.concatenate([r[name] for r in self.rows]) for name in self.rows[0]}


def _profile(paths: Paths) -> dict[str, Array]:
    """Readings on the way, CV after CV, where the schedule asks for them."""
    if paths.profile_xi is None or paths.profile_work is None or paths.profile_start is None:
        return {}
    return {
        "profile_xi": paths.profile_xi.reshape(len(paths.work), -1),
        "profile_work": paths.profile_work,
        "profile_start": paths.profile_start,
    }


def sample(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Local sampling under the ladder, each walker in its stratum, and paths between strata.

    Payload and record: `SamplePayload`, `SampleRecord`. Samples: 'cvs', 'log_bias' and 'replica',
    the columns of `Watch`, and those of `_Works` where there are paths.
    """
    p = order.read(SamplePayload)
    engine = build_engine(context, p.step_size, p.masses)
    engine.begin(rng)
    ladder = p.ladder if p.partial is None else p.partial
    engine.set_local_restraint(ladder.g)
    walkers = walkers_of(p.walkers, context)
    local = Tempered(engine, walkers, ladder, p.partition, p.stratum, rng)
    mover = None
    if p.paths is not None:
        proposals = proposals_of(context, order.model_version, p.paths.proposals, p.partition)
        mover = _Mover(engine, p.paths, proposals, p.partition, rng)
    visits: list[Visits] = []
    watch = Watch(context, p.blocks)
    for block in range(p.blocks):
        visits.append(local.run(p.chunks, p.steps))
        watch.look(engine.walkers(), local.xi)
        if mover is not None:
            mover.after_block(block, local, p.replicas)
    last = engine.walkers()
    counts: dict[str, float] = {
        "local_proposed": engine.tally.proposals,
        "local_accepted": engine.tally.accepted,
        "local_evaluations": float(engine.tally.evaluations),
        "reverted": float(sum(v.reverted for v in visits)),
    }
    mean_curvature = None
    if p.curvature:
        mean_curvature, spent = curvature(context.system, last.positions)
        engine.tally.evaluations += spent
    works: dict[str, Array] = {}
    if mover is not None:
        works = mover.finish()
        counts.update(mover.counts)
    counts["nonfinite"] = float(engine.tally.nonfinite)
    counts |= engine.tally.extra
    return Segment(
        order.key,
        samples={
            **samples_of(visits, p.replicas),
            **watch.columns(p.replicas),
            **last_frames(context, last),
            **works,
        },
        carry=encode(SampleRecord(rows_of(last, context, order), mean_curvature)),
        counts=counts,
        evaluations=engine.tally.evaluations + watch.evaluations,
        model_version=order.model_version,
    )


def samples_of(visits: list[Visits], replicas: Labels) -> dict[str, Array]:
    """CVs and their bias, replica after replica in the order of time."""
    xi = np.concatenate([v.xi for v in visits]).swapaxes(0, 1)
    bias = np.concatenate([v.log_bias for v in visits]).T
    return {
        "cvs": xi.reshape(-1, xi.shape[2]),
        "log_bias": bias.reshape(-1),
        "replica": np.repeat(replicas.astype(np.float64), xi.shape[1]),
    }


def last_frames(context: WorkerContext, walkers: Walkers) -> dict[str, Array]:
    """The last configuration of each replica, where trajectories are asked for.

    With its box, shape (n, 9), where that changes.
    """
    if not context.setup.get("trajectory"):
        return {}
    frames = {"positions": walkers.positions}
    if walkers.box is not None and getattr(context.system, "pressure", None) is not None:
        frames["box"] = walkers.box.reshape(len(walkers), 9)
    return frames


COUNTED = ("paths", "accepted", "path_evaluations", "broken", "constraint_failures")
"""What is counted of the paths of an order."""


class _Mover:
    """Launches the paths of one order."""

    def __init__(
        self,
        engine: Engine,
        spec: PathSpec,
        proposals: Proposals,
        partition: Partition,
        rng: np.random.Generator,
    ) -> None:
        self._engine, self._partition, self._rng = engine, partition, rng
        self._schedules, self._targets = spec.schedules, spec.targets
        self._proposals = proposals
        self._chain = spec.mode == "chain"
        self._works = _Works([])
        self._starts: list[tuple[Walkers, Array, Labels, Labels, int]] = []
        self.counts = dict.fromkeys(COUNTED, 0.0)

    def after_block(self, block: int, local: Tempered, replicas: Labels) -> None:
        """Take the walkers without λ, which are distributed as ρ*, as starting points."""
        plain = np.flatnonzero(~local.on)
        if not len(plain):
            return
        walkers = self._engine.walkers()
        start = (walkers.take(plain), local.xi[plain], local.stratum[plain], replicas[plain])
        which = block % len(self._schedules)
        if not self._chain:
            # the stratified paths move nobody: they run together at the end of the order
            self._starts.append((*start, which))
            return
        paths = self._run(*start, which)
        moved = accept(paths, self._rng)
        self.counts["accepted"] += float(moved.sum())
        x = walkers.positions.copy()
        x[plain[moved]] = paths.walkers.positions[moved]
        # velocities are drawn anew on both outcomes, which the move needs to be exact
        local.replace(Walkers(x, None, walkers.box))

    def _run(
        self, walkers: Walkers, xi: Array, source: Labels, replicas: Labels, which: int
    ) -> Paths:
        chances = self._targets[source].cumsum(axis=1)
        drawn = (self._rng.random((len(source), 1)) > chances).sum(axis=1)
        target = np.minimum(drawn, len(self._partition) - 1).astype(np.int64)
        before = self._engine.tally.evaluations
        schedule = self._schedules[which]
        paths = steer(
            self._engine,
            walkers,
            xi,
            source,
            target,
            self._partition,
            self._proposals,
            schedule,
            self._rng,
        )
        self.counts["paths"] += len(source)
        self.counts["path_evaluations"] += self._engine.tally.evaluations - before
        self.counts["broken"] += paths.broken
        self.counts["constraint_failures"] += paths.failures
        steps = schedule.levels(schedule.g.displacement(paths.stop, paths.start)) * schedule.stride
        self._works.add(paths, replicas, which, steps)
        return paths

    def finish(self) -> dict[str, Array]:
        """Run what waits, one batch for every schedule; the works of all paths."""
        for which in range(len(self._schedules)):
            mine = [s for s in self._starts if s[4] == which]
            if mine:
                self._run(
                    concatenate([s[0] for s in mine]),
                    np.concatenate([s[1] for s in mine]),
                    np.concatenate([s[2] for s in mine]),
                    np.concatenate([s[3] for s in mine]),
                    which,
                )
        return self._works.columns()
