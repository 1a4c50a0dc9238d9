"""Plain runs through OpenMM's Contexts, for tests of these and as references."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.openmm.context import OpenMMContext
from msgen.systems.openmm.system import OpenMMSystem


@dataclass(frozen=True)
class Restraint:
    """U_λ(x)/kT = Σ_c −κ_c cos(ξ_c − λ_c) for periodic CVs, κ_c (ξ_c − λ_c)²/2 for the others.

    Attributes
    ----------
    centre : Array, shape (C,)
        λ.
    kappa : Array, shape (C,)
        κ, in 1/unit².
    """

    centre: Array
    kappa: Array

    def energy_kT(self, xi: Array, periodic: NDArray[np.bool_]) -> Array:
        """The restraint's energy in kT at ξ, shape (…, C) → (…,)."""
        d = np.asarray(xi) - self.centre
        return np.asarray(
            np.where(periodic, -self.kappa * np.cos(d), 0.5 * self.kappa * d * d).sum(-1)
        )

    def put_on(self, context: OpenMMContext) -> None:
        """Set λ and κ."""
        context.set_kappa(self.kappa)
        context.set_lambda(self.centre)


def langevin(
    system: OpenMMSystem,
    walkers: Walkers,
    n_steps: int,
    seed: int,
    *,
    cvs: CVSet,
    every: int,
    restraint: Restraint | None = None,
    friction: float | None = None,
) -> tuple[Walkers, Array]:
    """LFMiddle Langevin of every walker in turn; see `propagate`."""
    context = system.context(restraint is not None, cvs, friction=friction)
    return propagate(context, walkers, n_steps, seed, every, restraint)


def ghmc(
    system: OpenMMSystem,
    walkers: Walkers,
    n_steps: int,
    seed: int,
    *,
    cvs: CVSet,
    every: int,
    friction: float | None = None,
    timestep: float | None = None,
) -> tuple[Walkers, Array, dict[str, int]]:
    """Metropolised Langevin of every walker in turn, and its counts; see `propagate`."""
    context = system.context(False, cvs, friction=friction, purpose="ghmc", timestep=timestep)
    context.metropolis_counts()
    walkers, xi = propagate(context, walkers, n_steps, seed, every)
    return walkers, xi, context.metropolis_counts()


def propagate(
    context: OpenMMContext,
    walkers: Walkers,
    n_steps: int,
    seed: int,
    every: int,
    restraint: Restraint | None = None,
) -> tuple[Walkers, Array]:
    """Step every walker in turn, reading ξ every `every` steps.

    Parameters
    ----------
    walkers : Walkers
        Velocities are drawn where there are none.
    restraint : Restraint, optional
        For a restrained Context.

    Returns
    -------
    Walkers
        NaN where a path blew up.
    Array, shape (n, n_steps // every, C)
        ξ, NaN after a failure.
    """
    n = len(walkers)
    # the first word goes to OpenMM, the generator makes velocities where there are none
    context.reseed(int(np.random.SeedSequence([seed, 1]).generate_state(1)[0]))
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    xi = np.full((n, n_steps // every, len(context.cv_set)), np.nan)
    x, v = np.empty_like(walkers.positions), np.empty_like(walkers.positions)
    box = None if walkers.box is None else np.array(walkers.box)
    if restraint is not None:
        restraint.put_on(context)
    for i in range(n):
        context.load(walkers, i)
        if walkers.velocities is None:
            context.draw_velocities(rng)
        for k in range(n_steps // every):
            context.step(every)
            xi[i, k] = context.cvs()
        context.step(n_steps % every)
        x[i], v[i], new_box = context.store()
        if box is not None and new_box is not None:
            box[i] = new_box
    return Walkers(x, v, box), xi
