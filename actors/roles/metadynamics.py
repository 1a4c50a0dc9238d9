"""Sampling under a metadynamics bias that grows, or that is frozen."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.engines.molecule import molecule
from msgen.actors.engines.openmm_velocities import Starter
from msgen.actors.orders.bias import BiasPayload, BiasRecord
from msgen.actors.roles.state_explorer import flips
from msgen.actors.roles.walkers import concatenate, rows_of, walkers_of
from msgen.actors.roles.watching import Watch, joined
from msgen.systems.base import Array, Walkers
from msgen.systems.openmm.bias_force import Biased


def bias(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Local steps under a bias, hills added on the way while it grows.

    Payload and record: `BiasPayload`, `BiasRecord`. Samples: 'cvs', 'log_bias' (a constant less
    V/kT, so that e^{−log_bias} is the weight of a sample without the bias; +∞, weight 0, where the
    molecule had become another isomer) and 'replica', and the columns of `Watch`.
    """
    p = order.read(BiasPayload)
    biased = _biased(context, p)
    engine, growing, table = biased.engine, p.growing, p.bias
    start = Starter(context, engine, rng)
    kT, top = molecule(context).kT, float(table.max(initial=0.0))
    walkers = walkers_of(p.walkers, context)
    counts = dict.fromkeys(("local_proposed", "local_accepted", "nonfinite", "isomers"), 0.0)
    counts |= {"hills": 0.0, "hill_heights": 0.0}
    added = np.zeros_like(table)
    evaluations = 0
    ends: list[Walkers] = []
    xi: list[Array] = []
    log_bias: list[float] = []
    watches: list[Watch] = []
    for i in range(len(walkers)):
        watch = Watch(context, p.blocks)
        biased.put(table)
        one = start.moving(walkers.take([i]))
        engine.load(one)
        for _ in range(p.blocks):
            first = len(log_bias)
            for _ in range(p.chunks):
                (biased.step_and_add if growing else engine.step)(p.steps)
                evaluations += p.steps
                new, x, state = engine.look()
                if engine.failed:
                    # a walker that breaks stays where it was, with new velocities
                    counts["nonfinite"] += 1
                    one = start.moving(Walkers(one.positions, None, one.box))
                    engine.load(one)
                    new = engine.cvs()
                else:
                    v = np.array(state.getVelocities(asNumpy=True)._value, dtype=np.float64)
                    one = Walkers(x.reshape(1, -1), v.reshape(1, -1), one.box)
                xi.append(new)
                log_bias.append((top - biased.bias_energy()) / kT)
            watch.look(one, context.cvs(one.positions))
            if any(flips(context, one.positions)):
                counts["isomers"] += len(log_bias) - first
                log_bias[first:] = [np.inf] * (len(log_bias) - first)
        ends.append(one)
        watches.append(watch)
        added += biased.added
        counts["hills"] += len(biased.heights)
        counts["hill_heights"] += sum(biased.heights)
    tests = start.metropolis()
    counts["local_proposed"], counts["local_accepted"] = tests[0], tests[1]
    counts["nonfinite"] += tests[2]
    last = concatenate(ends, moving=True)
    record = BiasRecord(rows_of(last, context, order), added if growing else None)
    return Segment(
        order.key,
        samples={
            "cvs": np.array(xi),
            "log_bias": np.array(log_bias),
            "replica": np.repeat(p.replicas.astype(np.float64), len(xi) // len(walkers)),
            **joined(watches, p.replicas),
            **({"positions": last.positions} if context.setup.get("trajectory") else {}),
        },
        carry=encode(record),
        counts=counts,
        evaluations=evaluations + start.evaluations + sum(w.evaluations for w in watches),
    )


def _biased(context: WorkerContext, p: BiasPayload) -> Biased:
    """Made once: its Context is dear."""
    if "biased" not in context.cache:
        spec = context.setup["strategy"]
        context.cache["biased"] = Biased(
            molecule(context),
            context.cvs,
            p.axes.each(),
            bias_factor=float(spec["bias_factor"]),
            height=p.height,
            frequency=int(spec["frequency"]),
            kind=spec["local"]["kind"],
            timestep=float(spec["local"]["timestep"]),
            friction=float(spec["local"]["friction"]),
        )
    found: Biased = context.cache["biased"]
    return found
