"""Propagating a batch of walkers through one engine."""

from __future__ import annotations

import numpy as np

from msgen.systems.base import Array, Walkers
from msgen.systems.openmm.context import Engine
from msgen.systems.openmm.restraint import Restraint


def propagate(
    engine: Engine,
    walkers: Walkers,
    n_steps: int,
    seed: int,
    every: int,
    restraint: Restraint | None,
) -> tuple[Walkers, Array]:
    """Step every walker in turn, reading ξ every `every` steps.

    Parameters
    ----------
    engine : Engine
    walkers : Walkers
        Velocities are drawn where there are none.
    n_steps, seed, every : int
    restraint : Restraint or None
        For a restrained engine.

    Returns
    -------
    Walkers
        NaN where a path blew up.
    Array, shape (n, n_steps // every, C)
        ξ, NaN after a failure.
    """
    n = len(walkers)
    # the first word goes to OpenMM, the generator makes velocities where there are none
    engine.reseed(int(np.random.SeedSequence([seed, 1]).generate_state(1)[0]))
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    xi = np.full((n, n_steps // every, len(engine.cv_set)), np.nan)
    x, v = np.empty_like(walkers.positions), np.empty_like(walkers.positions)
    box = None if walkers.box is None else np.array(walkers.box)
    if restraint is not None:
        engine.set_restraint(restraint)
    for i in range(n):
        engine.load(walkers, i)
        if walkers.velocities is None:
            engine.draw_velocities(rng)
        for k in range(n_steps // every):
            engine.step(every)
            xi[i, k] = engine.cvs()
        engine.step(n_steps % every)
        x[i], v[i], new_box = engine.store()
        if box is not None and new_box is not None:
            box[i] = new_box
    return Walkers(x, v, box), xi
