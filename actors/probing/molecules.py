"""Probes of what OpenMM steps, one after another in the Contexts of the campaign."""

from __future__ import annotations

import numpy as np

from msgen.actors.context import WorkerContext
from msgen.actors.engines.registry import build_engine
from msgen.actors.engines.tempered_openmm import HeatedMolecule
from msgen.actors.orders.probe import ProbePayload
from msgen.actors.probing.base import Probed, read
from msgen.actors.roles.walkers import concatenate
from msgen.systems.base import Array, Walkers
from msgen.systems.topology.torsion_turns import Turn, turns

HEAT = (2.0, 5.0)
"""Temperatures of the bursts, in units of the campaign's."""
HEATED, RELAXED, BETWEEN = 500, 300, 50
"""Steps of a burst, of the way down, and between two readings."""
ITERATIONS = 50
"""Of L-BFGS, after a part of the molecule was turned."""


def probe_molecules(
    context: WorkerContext, p: ProbePayload, start: Walkers, rng: np.random.Generator
) -> Probed:
    """Bursts, turned torsions and pushes, relaxed, and then run at the campaign's temperature."""
    spent, ends, seen, energy = 0, [], [], []
    for i, way in enumerate(p.ways):
        one = _bare(start.take([i]))
        if way == "burst":
            one, used = _heated(context, one, float(np.exp(rng.uniform(*np.log(HEAT)))), rng)
        elif way == "scatter":
            one, used = _turned(context, one, rng)
        elif way == "push":
            one, used = _pushed(context, p, i, one, rng)
        else:
            used = 0
        end, features, u, steps = _run(context, p, one, rng)
        ends.append(end)
        seen.append(features)
        energy.append(u)
        spent += used + steps
    return Probed(concatenate(ends), np.array(seen), np.array(energy), spent)


def _heated(
    context: WorkerContext, one: Walkers, tau: float, rng: np.random.Generator
) -> tuple[Walkers, int]:
    hot = HeatedMolecule(context, one, np.array([tau]), rng)
    try:
        hot.stretch(1, HEATED)
    finally:
        hot.cool()
    return _bare(hot.walkers()), hot.evaluations


def _turned(context: WorkerContext, one: Walkers, rng: np.random.Generator) -> tuple[Walkers, int]:
    """Some of its free bonds turned by any angle, and the clashes relaxed."""
    bonds = free_bonds(context)
    if not bonds:
        return _heated(context, one, HEAT[0], rng)
    number = min(len(bonds), int(np.exp(rng.uniform(0.0, np.log(len(bonds) + 1.0)))))
    x: Array = one.positions[0]
    for k in rng.choice(len(bonds), number, replace=False).tolist():
        x = bonds[k].apply(x, float(rng.uniform(-np.pi, np.pi)))
    made = HeatedMolecule(context, Walkers(x[None], None, one.box), np.ones(1), rng)
    made.minimise(ITERATIONS)
    return _bare(made.walkers()), made.evaluations


def _bare(walkers: Walkers) -> Walkers:
    return Walkers(walkers.positions, None, walkers.box)


def free_bonds(context: WorkerContext) -> tuple[Turn, ...]:
    """Those that are free to turn, made once; the peptides' are not: it would be an isomer."""
    if "turns" not in context.cache:
        topology = context.system.topology
        found: tuple[Turn, ...] = ()
        if topology is not None:
            from msgen.actors.roles.state_explorer import stereo_watch

            omega = stereo_watch(context).omega
            fixed = frozenset((min(b, c), max(b, c)) for _, b, c, _ in omega.tolist())
            found = turns(topology, fixed)
        context.cache["turns"] = found
    made: tuple[Turn, ...] = context.cache["turns"]
    return made


def _pushed(
    context: WorkerContext, p: ProbePayload, i: int, one: Walkers, rng: np.random.Generator
) -> tuple[Walkers, int]:
    if p.schedule is None:
        raise ValueError("a probe is to be pushed, and the order does not say how")
    engine = build_engine(context, None)
    engine.begin(rng)
    xi = context.cvs(one.positions)
    end = engine.switch(one, xi, p.targets[i : i + 1], p.schedule).walkers
    return _bare(end), engine.tally.evaluations


def _run(
    context: WorkerContext, p: ProbePayload, one: Walkers, rng: np.random.Generator
) -> tuple[Walkers, Array, Array, int]:
    """Where it goes at the campaign's temperature, NaN if it breaks, and what that took."""
    cold = HeatedMolecule(context, one, np.ones(1), rng)
    cold.stretch(1, RELAXED)
    features, energy = [], []
    for _ in range(p.readings):
        cold.stretch(1, BETWEEN * p.patience)
        seen, u = read(context, _bare(cold.walkers()))
        features.append(seen[0])
        energy.append(u[0])
    told = np.array(features)
    if not np.isfinite(energy).all() or cold.nonfinite:
        told[:] = np.nan
    spent = cold.evaluations + p.readings
    return _bare(cold.walkers()), told, np.array(energy), spent
