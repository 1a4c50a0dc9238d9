"""Independence moves of all coordinates of a solute, the solvent driven after it.

The solute's coordinates λ are variables among the configuration's own, so that a path that moves
them exactly along a line and propagates the solvent needs no constraint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from msgen.actors.kernels.base import Mask, log_uniform
from msgen.models.base import Drawn
from msgen.models.defensive_mixture import draw
from msgen.systems.base import Array, Walkers
from msgen.systems.coordinates.alignment import superposed
from msgen.systems.coordinates.chain_placement import Placement
from msgen.systems.coordinates.internal_coordinates import rotations

Orientation = Literal["kept", "random"]
BATCH = 64
"""Draws that are made at a time where they are screened."""


@dataclass(frozen=True)
class Driven:
    """Where n paths ended.

    Attributes
    ----------
    walkers : Walkers
    work : Array, shape (n,)
        w in kT: change of the total energy less the heat of the refreshments; +∞ where the path
        broke.
    evaluations : int
        Forces, or energies and forces, of one configuration.
    """

    walkers: Walkers
    work: Array
    evaluations: int


class Driver(Protocol):
    """Takes a solute to where it is told, along a path that depends on the unordered pair only."""

    def drive(self, walkers: Walkers, stop: Array, rng: np.random.Generator) -> Driven:
        """Drive the solute to `stop`, shape (n, M, 3); the solvent is propagated."""
        ...


@dataclass(frozen=True)
class Screen:
    """Thins draws by a cheap guess of what will become of them, before any path is begun.

    A draw with positions x is kept with probability min(1, e^{f(x) − ln q(x) + level}), f = −U/kT
    of the solute alone: kept draws have a density proportional to min(q, e^{f + level}), whose
    normaliser is no function of x and cancels in the ratio. Exact for any f and level that do not
    change while they are used.

    Attributes
    ----------
    energy : callable
        U/kT of positions (n, M, 3) → (n,).
    level : float
        High, and all draws are kept; low, and they are distributed as e^f.
    tries : int
        Draws at most for one move; with none kept it is a rejection, wherever the walker stands.
    """

    energy: Callable[[Array], Array]
    level: float
    tries: int = 400

    def log_kept(self, x: Array, log_q: Array) -> Array:
        """ln of the probability to keep each draw, shape (n,); −∞ where anything is not finite."""
        with np.errstate(invalid="ignore"):
            log_a = np.minimum(0.0, self.level - self.energy(x) - log_q)
        return np.where(np.isfinite(log_a) & np.isfinite(log_q), log_a, -np.inf)


@dataclass(frozen=True)
class SoluteMoved:
    """What one move did to n walkers.

    Attributes
    ----------
    walkers : Walkers
        Where they stand now.
    ends : Array, shape (n, D)
        Where the paths ended, accepted or not; NaN where the draw was refused.
    accepted, refused, broken : bool array, shape (n,)
        Refused are draws that are no configuration: no path was begun. Both it and a path that
        broke are rejections.
    log_ratio : Array, shape (n,)
        ln of the acceptance ratio; −∞ where refused or broken.
    evaluations : int
    """

    walkers: Walkers
    ends: Array
    accepted: Mask
    refused: Mask
    broken: Mask
    log_ratio: Array
    evaluations: int


@dataclass(frozen=True)
class SoluteMove:
    r"""Draw a shape of the solute, drive it there, test the work. Exact for any proposal and path.

    With y the internal coordinates, q(λ) their density carried to positions about a fixed centre
    (`Placement`) and w the work of the path from λ₀ = x_solute to λ_N,

    .. math:: a = \min\left(1, e^{-w}\, \frac{q(λ_0)}{q(λ_N)}\right)

    (Schönle et al., arXiv 2405.18160, with their coordinates placed as here). The centre of the
    solute, the mean of its atoms, stays where it is. Draws that cannot be placed are rejections, so
    that q needs no renormalisation: it is the density of those that can.

    Parameters
    ----------
    atoms : int array, shape (M,)
        Of the solute, in the order of the chain.
    placement : Placement
    proposal : Drawn
        Density of y, of the very version recorded with the segment.
    driver : Driver
    orientation : 'kept' or 'random'
        'random': uniform on SO(3). 'kept': the new shape is superposed on the old with least RMSD.
        For two shapes the rotation between them is then a function of both, and of their exchange
        its inverse, so that the uniform measure of orientations is kept and the ratio is the same.
    screen : Screen, optional
        q is then that of the draws it keeps.
    """

    atoms: NDArray[np.intp]
    placement: Placement
    proposal: Drawn
    driver: Driver
    orientation: Orientation = "kept"
    screen: Screen | None = None

    def log_density(self, solute: Array) -> Array:
        """ln of the density of proposals at positions (n, M, 3), up to a constant, shape (n,)."""
        y = self.placement.encode(solute)
        with np.errstate(invalid="ignore"):
            log_q = np.asarray(self.proposal.log_prob(y)) - self.placement.log_volume(y)
        if self.screen is None:
            return log_q
        return log_q + self.screen.log_kept(solute, log_q)

    def draw_shapes(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """n shapes (n, M, 3), each its own draw, and their ln q; NaN where not to be placed."""
        y, log_q = draw(self.proposal, n, rng)
        x = self.placement.place(y, self.placement.draw_sides(n, rng))
        with np.errstate(invalid="ignore"):
            return x, np.asarray(log_q) - self.placement.log_volume(y)

    def solute(self, x: Array) -> Array:
        """The solute's positions (n, M, 3) of configurations (n, D)."""
        return x.reshape(len(x), -1, 3)[:, self.atoms]

    def propose(self, x: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """λ_N for each walker, shape (n, M, 3), NaN where refused; and ln q(λ₀)/q(λ_N)."""
        old = self.solute(x)
        new, there = self._kept(len(x), rng)
        turns = rotations(len(x), rng)
        centre = old.mean(axis=1, keepdims=True)
        new = new - new.mean(axis=1, keepdims=True)
        if self.orientation == "random":
            new = np.einsum("nij,nkj->nki", turns, new)
        else:
            good = np.isfinite(new).all(axis=(1, 2))
            new[good] = superposed(new[good], old[good])
        with np.errstate(invalid="ignore"):
            return new + centre, self.log_density(old) - there

    def _kept(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """n shapes that passed the screen, NaN where none did, and ln of their density."""
        if self.screen is None:
            return self.draw_shapes(n, rng)
        shapes, density = np.full((n, self.placement.n, 3), np.nan), np.full(n, -np.inf)
        left, tries = np.arange(n), self.screen.tries
        while len(left) and tries > 0:
            # several for each at once: one call of a model costs about as much as a hundred draws
            m = min(tries, max(1, BATCH // len(left)))
            tries -= m
            x, log_q = self.draw_shapes(m * len(left), rng)
            log_a = self.screen.log_kept(x, log_q)
            kept = (log_uniform(rng, len(x)) < log_a).reshape(len(left), m)
            first = kept.argmax(axis=1) + m * np.arange(len(left))
            found = kept.any(axis=1)
            shapes[left[found]] = x[first[found]]
            at = first[found]
            density[left[found]] = log_q[at] + log_a[at]
            left = left[~found]
        return shapes, density

    def __call__(self, walkers: Walkers, rng: np.random.Generator) -> SoluteMoved:
        """One move of every walker; velocities are drawn by the driver and not kept."""
        x = np.array(walkers.positions, dtype=np.float64)
        stop, ratio = self.propose(x, rng)
        log_u = log_uniform(rng, len(x))
        refused = ~(np.isfinite(stop).all(axis=(1, 2)) & np.isfinite(ratio))
        ends, log_ratio = np.full_like(x, np.nan), np.full(len(x), -np.inf)
        evaluations = 0
        go = np.flatnonzero(~refused)
        if len(go):
            driven = self.driver.drive(walkers.take(go), stop[go], rng)
            ends[go], evaluations = driven.walkers.positions, driven.evaluations
            log_ratio[go] = ratio[go] - driven.work
        broken = ~refused & ~(log_ratio > -np.inf)
        accepted = log_u < np.where(broken | refused, -np.inf, log_ratio)
        x[accepted] = ends[accepted]
        return SoluteMoved(
            Walkers(x, None, walkers.box), ends, accepted, refused, broken, log_ratio, evaluations
        )
