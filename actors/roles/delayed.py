"""Replicas that walk by a learnt energy and are tested by the system's; and who learns it."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.kernels.base import BoltzmannTarget, KernelResult
from msgen.actors.kernels.delayed_acceptance import DelayedAcceptance, DelayedResult
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.orders.delayed import (
    DelayedPayload,
    DelayedRecord,
    FitSurrogatePayload,
    FitSurrogateRecord,
)
from msgen.actors.roles.frozen_models import frozen
from msgen.actors.roles.sampler import last_frames
from msgen.actors.roles.walkers import rows_of, walkers_of
from msgen.actors.roles.watching import Watch
from msgen.models.surrogate.committee import Committee, load_committee
from msgen.models.surrogate.fitting import fit_committee, useful, worth_keeping
from msgen.systems.base import Array, Walkers

JITTER = 0.2
"""Of the time step, as of the local moves of other strategies."""


class _Recorded:
    """A target that remembers what it was asked, and asks for no configuration again."""

    def __init__(self, target: BoltzmannTarget) -> None:
        self._target = target
        self._known: dict[bytes, tuple[float, Array]] = {}
        self.x: list[Array] = []
        self.log_density_: list[Array] = []
        self.gradient: list[Array] = []
        self.calls = 0

    def log_density(self, x: Array) -> Array:
        return self.log_density_and_gradient(x)[0]

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        # a block begins where the one before has ended
        names = [row.tobytes() for row in x]
        new = np.array([name not in self._known for name in names], dtype=bool)
        if new.any():
            self._ask(x[new])
        known = [self._known[name] for name in names]
        return np.array([value for value, _ in known]), np.array([slope for _, slope in known])

    def _ask(self, x: Array) -> None:
        value, gradient = self._target.log_density_and_gradient(x)
        self.calls += len(x)
        for row, one, slope in zip(x, value.tolist(), gradient, strict=True):
            self._known[row.tobytes()] = (one, slope)
        told = np.isfinite(value) & np.isfinite(gradient).all(axis=1)
        self.x.append(x[told].copy())
        self.log_density_.append(value[told])
        self.gradient.append(gradient[told])

    def columns(self) -> dict[str, Array]:
        """Samples 'oracle_positions', 'oracle_energy' (U/kT) and 'oracle_gradient' (its own)."""
        return {
            "oracle_positions": np.concatenate(self.x),
            "oracle_energy": -np.concatenate(self.log_density_),
            "oracle_gradient": -np.concatenate(self.gradient),
        }


def delayed(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Walks by the surrogate of the order's version, each tested by the system.

    Payload and record: `DelayedPayload`, `DelayedRecord`. Samples: 'cvs', 'log_bias' and
    'replica', the columns of `Watch`, and every configuration that was calculated.
    """
    p = order.read(DelayedPayload)
    system = context.system
    oracle = _Recorded(BoltzmannTarget(system))
    inner = Hmc(p.step_size, p.leapfrog, system.masses, system.kT, jitter=JITTER)
    version = order.model_version
    kernel = None
    if version >= 0:
        kernel = DelayedAcceptance(frozen(context, version, load_committee), inner, p.moves)
    x = walkers_of(p.walkers, context).positions
    n = len(x)
    counts = dict.fromkeys(
        ("local_proposed", "local_accepted", "global_proposed", "global_accepted", "nonfinite"), 0.0
    )
    seen, watch = [], Watch(context, p.blocks)
    for _ in range(p.blocks):
        done = (kernel or inner)(oracle, Walkers(x), rng, n_steps=p.walks, record_every=1)
        x = done.walkers.positions
        assert done.trajectory is not None
        seen.append(context.cvs(done.trajectory.reshape(-1, system.n_dof)).reshape(p.walks, n, -1))
        _count(counts, done, p)
        watch.look(Walkers(x), seen[-1][-1])
    xi = np.concatenate(seen).swapaxes(0, 1)
    walkers = Walkers(x)
    return Segment(
        order.key,
        samples={
            "cvs": xi.reshape(-1, xi.shape[2]),
            "log_bias": np.zeros(xi.shape[0] * xi.shape[1]),
            "replica": np.repeat(p.replicas.astype(np.float64), xi.shape[1]),
            **watch.columns(p.replicas),
            **last_frames(context, walkers),
            **oracle.columns(),
        },
        carry=encode(DelayedRecord(rows_of(walkers, context, order))),
        counts=counts,
        evaluations=oracle.calls + watch.evaluations,
        model_version=version,
    )


def _count(counts: dict[str, float], done: KernelResult, p: DelayedPayload) -> None:
    """Trajectories as local moves, walks that were tested as global ones."""
    n = len(done.walkers)
    counts["nonfinite"] += done.nonfinite
    if isinstance(done, DelayedResult):
        counts["local_proposed"] += n * p.walks * p.moves
        counts["local_accepted"] += n * p.walks * p.moves * done.inner
        counts["global_proposed"] += done.tested
        counts["global_accepted"] += done.passed
    else:
        counts["local_proposed"] += n * p.walks
        counts["local_accepted"] += float(done.accepted.sum()) * p.walks


def fit_surrogate(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """A surrogate from all that is worth learning from, begun afresh.

    Payload and record: `FitSurrogatePayload`, `FitSurrogateRecord`.
    """
    p = order.read(FitSurrogatePayload)
    n_dof = p.known.x.shape[1]
    known = p.known.take(useful(p.known.energy, n_dof))
    names = list(dict.fromkeys(p.elements))
    settings = dict(p.settings)
    updates, most = int(settings.pop("updates")), int(settings.pop("keep"))
    kinds = [names.index(symbol) for symbol in p.elements]
    made = Committee({**settings, "n_dof": n_dof, "kinds": kinds})
    learnt = fit_committee(
        made, known.x, known.energy, known.gradient, seed=int(rng.integers(2**31)), updates=updates
    )
    before = int(p.known.serial.max()) + 1
    rows = worth_keeping(made, known.x, most, rng)
    return Segment(
        order.key,
        carry=encode(FitSurrogateRecord(made.state(), known.serial[rows], before)),
        counts={"held_out_loss": learnt.error, "train_loss": learnt.error, "accepted": 1.0},
        model_version=order.model_version,
    )
