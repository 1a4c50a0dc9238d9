"""Parallel tempering: local moves at several temperatures, and exchange between neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.engines.registry import engine_kind
from msgen.actors.engines.tempered_base import Heated
from msgen.actors.kernels.base import log_uniform
from msgen.actors.kernels.exchange import exchange_temperatures
from msgen.actors.orders.temper import TemperPayload, TemperRecord
from msgen.actors.roles.sampler import last_frames
from msgen.actors.roles.state_explorer import flips
from msgen.actors.roles.walkers import rows_of, walkers_of
from msgen.actors.roles.watching import Watch
from msgen.systems.base import Array


def temper(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Runs of neighbouring temperatures of one ladder or several.

    Payload and record: `TemperPayload`, `TemperRecord`. Samples: 'cvs', 'energy' (U/kT; NaN while a
    molecule is another isomer than at the start) and 'replica' (the slot), slot after slot in the
    order of time; the columns of `Watch` at the lowest temperature.
    """
    p = order.read(TemperPayload)
    slots, who, pairs = p.slots, p.who, p.pairs
    engine = _engine(context, p, rng)
    tried = np.zeros((len(pairs), 2), dtype=np.int64)
    xi: list[Array] = []
    energy: list[Array] = []
    stood: list[NDArray[np.int64]] = []
    lowest = np.flatnonzero(p.tau == 1.0)
    watch = Watch(context, p.blocks if len(lowest) else 0)
    for block in range(p.blocks):
        seen = engine.stretch(p.readings, p.steps)
        if len(lowest):
            watch.look(engine.walkers().take(lowest), seen[-1].xi[lowest])
        xi += [reading.xi for reading in seen]
        other = np.array([bool(f) for f in flips(context, engine.walkers().positions)])
        energy += [np.where(other, np.nan, reading.energy) for reading in seen]
        mine = np.flatnonzero(pairs[:, 2] == (p.colour + block) % 2)
        log_u = log_uniform(rng, len(mine))
        rows, yes = exchange_temperatures(p.tau, seen[-1].energy, pairs[mine, :2], log_u)
        if yes.any():
            engine.exchange(rows)
            who = who[rows]
        stood.append(who)
        tried[mine, 0] += 1
        tried[mine, 1] += yes
    walkers = engine.walkers()
    n = len(slots)
    return Segment(
        order.key,
        samples={
            "cvs": np.stack(xi, axis=1).reshape(n * len(xi), -1),
            "energy": np.stack(energy, axis=1).reshape(-1),
            "replica": np.repeat(slots.astype(np.float64), len(xi)),
            **watch.columns(slots[lowest]),
            **last_frames(context, walkers),
        },
        carry=encode(
            TemperRecord(
                rows_of(walkers, context, order),
                slots,
                who=np.array(stood),
                gaps=pairs[:, 0],
                exchanges=tried,
                tested=np.stack([engine.proposed, engine.accepted], axis=1),
            )
        ),
        counts={
            "local_proposed": float(engine.proposed.sum()),
            "local_accepted": float(engine.accepted.sum()),
            "exchange_proposed": float(tried[:, 0].sum()),
            "exchange_accepted": float(tried[:, 1].sum()),
            "nonfinite": float(engine.nonfinite),
        },
        evaluations=engine.evaluations + watch.evaluations,
    )


def _engine(context: WorkerContext, p: TemperPayload, rng: np.random.Generator) -> Heated:
    walkers = walkers_of(p.walkers, context)
    return engine_kind(context).heated(context, walkers, p.tau, p.step_size, rng)
