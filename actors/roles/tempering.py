"""Parallel tempering: local moves at several temperatures, and exchange between neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.context import WorkerContext
from msgen.actors.engines.tempered_base import Heated, HeatedArray
from msgen.actors.kernels.base import log_uniform
from msgen.actors.kernels.exchange import exchange_temperatures
from msgen.actors.roles.sampler import tree_of, walkers_of
from msgen.actors.roles.state_explorer import flips
from msgen.systems.base import Array


def temper(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Runs of neighbouring temperatures of one ladder or several.

    Payload: 'walkers', 'slots' (ladder · K + rung, n), 'tau' (temperature of each row in units of
    the system's), 'who' (which walker stands there), 'blocks' times 'readings' of 'steps', then one
    sweep of exchanges over the 'pairs' (m, 3: two rows and a colour) whose colour is that of the
    block; 'colour' (that of the first block), 'step_size' (n,) or None.

    Samples: 'cvs', 'energy' (U/kT; NaN while a molecule is another isomer than at the start) and
    'replica' (the slot), slot after slot in the order of time.
    The carry holds 'walkers', 'slots', 'who' (blocks × n: after each block), 'gaps' (row of the
    lower temperature of each pair), 'exchanges' (m, 2: tried and accepted of each pair) and
    'tested' (n, 2: local proposals and how many were accepted).
    """
    p = order.payload
    slots, tau = np.asarray(p["slots"], dtype=np.int64), np.asarray(p["tau"], dtype=np.float64)
    who, pairs = np.array(p["who"], dtype=np.int64), np.asarray(p["pairs"], dtype=np.int64)
    pairs = pairs.reshape(-1, 3)
    engine = _engine(context, order, tau, rng)
    tried = np.zeros((len(pairs), 2), dtype=np.int64)
    xi: list[Array] = []
    energy: list[Array] = []
    stood: list[NDArray[np.int64]] = []
    for block in range(int(p["blocks"])):
        seen = engine.stretch(int(p["readings"]), int(p["steps"]))
        xi += [reading.xi for reading in seen]
        other = np.array([bool(f) for f in flips(context, engine.walkers().positions)])
        energy += [np.where(other, np.nan, reading.energy) for reading in seen]
        mine = np.flatnonzero(pairs[:, 2] == (int(p["colour"]) + block) % 2)
        log_u = log_uniform(rng, len(mine))
        rows, yes = exchange_temperatures(tau, seen[-1].energy, pairs[mine, :2], log_u)
        if yes.any():
            engine.exchange(rows)
            who = who[rows]
        stood.append(who)
        tried[mine, 0] += 1
        tried[mine, 1] += yes
    walkers = engine.walkers()
    n = len(slots)
    frames = {"positions": walkers.positions} if context.setup.get("trajectory") else {}
    return Segment(
        order.key,
        samples={
            "cvs": np.stack(xi, axis=1).reshape(n * len(xi), -1),
            "energy": np.stack(energy, axis=1).reshape(-1),
            "replica": np.repeat(slots.astype(np.float64), len(xi)),
            **frames,
        },
        carry={
            "walkers": tree_of(walkers, context, order),
            "slots": slots,
            "who": np.array(stood),
            "gaps": pairs[:, 0],
            "exchanges": tried,
            "tested": np.stack([engine.proposed, engine.accepted], axis=1),
        },
        counts={
            "local_proposed": float(engine.proposed.sum()),
            "local_accepted": float(engine.accepted.sum()),
            "exchange_proposed": float(tried[:, 0].sum()),
            "exchange_accepted": float(tried[:, 1].sum()),
            "nonfinite": float(engine.nonfinite),
        },
        evaluations=engine.evaluations,
    )


def _engine(
    context: WorkerContext, order: WorkOrder, tau: Array, rng: np.random.Generator
) -> Heated:
    walkers = walkers_of(order.payload["walkers"], context)
    if not context.molecular:
        step = order.payload.get("step_size")
        sizes = None if step is None else np.asarray(step, dtype=np.float64)
        return HeatedArray(context, walkers, tau, sizes, rng)
    # here: a potential needs no OpenMM
    from msgen.actors.engines.tempered_openmm import HeatedMolecule

    return HeatedMolecule(context, walkers, tau, rng)
