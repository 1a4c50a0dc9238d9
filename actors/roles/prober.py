"""The Prober: what lies elsewhere, for whom no model, no bias and no proposal has a say."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.configurations.coordinates import exact
from msgen.actors.context import WorkerContext
from msgen.actors.engines.registry import engine_kind
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.orders.probe import ProbePayload, ProbeRecord
from msgen.actors.orders.proposals import DefendedSpec
from msgen.actors.roles.independence_run import defended
from msgen.actors.roles.state_explorer import flips
from msgen.actors.roles.walkers import rows_of, walkers_of
from msgen.systems.base import Array


def probe(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Throw walkers about, let them relax, and look where they are at the campaign's temperature.

    Payload and record: `ProbePayload`, `ProbeRecord`. It stores no samples: none of them counts.
    """
    p = order.read(ProbePayload)
    start = walkers_of(p.walkers, context)
    if engine_kind(context).batched:
        from msgen.actors.probing.arrays import probe_arrays

        done = probe_arrays(context, p, start, rng)
    else:
        # here: an analytic system needs no OpenMM
        from msgen.actors.probing.molecules import probe_molecules

        done = probe_molecules(context, p, start, rng)
    with np.errstate(over="ignore", invalid="ignore"):
        single = done.readings.astype(np.float32)
    names = flips(context, done.walkers.positions)
    weight, more = None, 0
    if p.proposal is not None:
        weight, more = _log_weight(context, p.proposal, done.walkers.positions), len(start)
    return Segment(
        order.key,
        carry=encode(
            ProbeRecord(
                rows_of(done.walkers, context, order),
                single,
                done.energy,
                tuple(", ".join(f) for f in names),
                weight,
            )
        ),
        counts={
            "probes": float(len(start)),
            "broken": float(np.isnan(single[:, -1]).any(axis=1).sum()),
            "isomers": float(sum(bool(f) for f in names)),
        },
        evaluations=done.evaluations + more,
    )


def _log_weight(context: WorkerContext, proposal: DefendedSpec, x: Array) -> Array:
    """ln ρ* − ln q of configurations (n, D), shape (n,); NaN where they have no density."""
    seen = exact(context)
    q = defended(context, proposal.version, seen, proposal.broad, proposal.epsilon)
    with np.errstate(invalid="ignore", over="ignore"):
        y = seen.encode(x)
        log_density = BoltzmannTarget(context.system).log_density(x) + seen.log_det(y)
        return np.asarray(np.where(np.isfinite(log_density), log_density - q.log_prob(y), np.nan))
