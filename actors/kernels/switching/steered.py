"""The steered move: drive λ to where a model proposes, and test the work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.proposals import Proposals
from msgen.actors.cv_space.strata import Labels, Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.base import Engine
from msgen.actors.kernels.base import Mask, log_uniform
from msgen.systems.base import Array, Walkers

MAX_DRAWS = 10_000
"""Draws of λ₀ before its stratum is held to have no mass under g."""


@dataclass(frozen=True)
class Paths:
    """n switching paths between strata.

    Attributes
    ----------
    source, target : int array, shape (n,)
    work : Array, shape (n,)
        Generalised work w, kT; +∞ for a path that broke or ended outside its target. E[e^{−w}] over
        paths from A to B is P(B)/P(A) times the share of paths from B to A with a finite w: take
        both directions together, as BAR does.
    protocol_work : Array, shape (n,)
        W/kT alone.
    start, stop : Array, shape (n, C)
        λ₀ and λ_N.
    xi : Array, shape (n, C)
        Where the paths ended.
    walkers : Walkers
        Their last configurations.
    evaluations, broken, failures : int
        See `Switched`.
    profile_xi, profile_work : Array, shapes (n, M, C) and (n, M), or None
        Readings on the way, see `Switched`.
    profile_start : Array, shape (n,), or None
        ln [c_A(ξ(x₀))/q_B(λ_N)], with which these count.
    lag : Array, shape (n,), or None
        Of the learnt dynamics whose steps λ₀ → λ_N are.
    """

    source: Labels
    target: Labels
    work: Array
    protocol_work: Array
    start: Array
    stop: Array
    xi: Array
    walkers: Walkers
    evaluations: int
    broken: int
    failures: int = 0
    profile_xi: Array | None = None
    profile_work: Array | None = None
    profile_start: Array | None = None
    lag: Array | None = None


def draw_start(
    xi: Array, stratum: Labels, partition: Partition, g: Conditional, rng: np.random.Generator
) -> Array:
    """λ₀ ~ g(·|ξ) truncated to the stratum of each walker, by rejection; shape (n, C).

    Raises
    ------
    RuntimeError
        If g has practically no mass in a stratum that ξ is said to lie in.
    """
    lam = g.sample(xi, rng)
    wrong = partition.assign(lam) != stratum
    for _ in range(MAX_DRAWS):
        if not wrong.any():
            return lam
        lam[wrong] = g.sample(xi[wrong], rng)
        wrong = partition.assign(lam) != stratum
    raise RuntimeError(f"g(λ|ξ) has no mass in the stratum of ξ = {xi[wrong][0]}")


def steer(
    engine: Engine,
    walkers: Walkers,
    xi: Array,
    source: Labels,
    target: Labels,
    partition: Partition,
    proposals: Proposals,
    schedule: Schedule,
    rng: np.random.Generator,
) -> Paths:
    """Steered paths from `source` to `target`, whose work BAR and Metropolis both can use.

    λ₀ ~ g_A(·|ξ(x₀)), g truncated to A; λ_N ~ q_B; x is driven along a λ path that depends on the
    unordered pair only. With c_k(ξ) the mass of g(·|ξ) in stratum k,

    .. math:: w = βW + \\ln\\frac{q_B(λ_N)}{q_A(λ_0)} + \\ln\\frac{c_B(ξ(x_N))}{c_A(ξ(x_0))}

    obeys Crooks' relation between the paths A → B started from ρ* in A and those B → A started
    from ρ* in B, with ΔF = −ln P(B)/P(A) (Crooks, Phys. Rev. E 60, 2721, 1999; extended variable:
    design of this package). Where λ_N is a step of a learnt dynamics from λ₀, the densities of that
    step and of the way back, both of one lag, stand in place of q_B and q_A. Where the schedule
    moves the CVs exactly g is a point mass: λ₀ = ξ(x₀), λ_N = ξ(x_N), and the last term is 0. A
    path that ends outside B has w = ∞: its reverse cannot be generated.
    """
    g = schedule.g
    start = xi.copy() if schedule.exact else draw_start(xi, source, partition, g, rng)
    aim = proposals.propose(start, source, target, rng)
    driven = engine.switch(walkers, start, aim.stop, schedule)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_start = -aim.log_there
        work = driven.work - log_start - aim.log_back
        if not schedule.exact:
            held = np.log(partition.mass(xi, g, source))
            work += np.log(partition.mass(driven.xi, g, target))
            work -= held
            log_start += held
    # −∞ too: a λ_N that the model drew and calls impossible must not be accepted
    lost = (partition.assign(driven.xi) != target) | ~np.isfinite(driven.work) | ~np.isfinite(work)
    work = np.where(lost, np.inf, work)
    return Paths(
        source,
        target,
        work,
        driven.work,
        start,
        aim.stop,
        driven.xi,
        driven.walkers,
        driven.evaluations,
        driven.broken,
        driven.failures,
        driven.profile_xi,
        driven.profile_work,
        log_start if schedule.readings else None,
        aim.lag,
    )


def accept(paths: Paths, rng: np.random.Generator) -> Mask:
    """min(1, e^{−w}) for paths inside one stratum that is all of CV space: the Metropolis move."""
    return np.asarray((log_uniform(rng, len(paths.work)) < -paths.work) & (paths.work < np.inf))
