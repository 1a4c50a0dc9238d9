r"""Sampling of transition paths by two-way shooting at fixed length. Exact for reversible dynamics.

The ensemble is that of stationary paths X of F frames that begin in A and end in B. Both moves
regrow the whole path from one frame (`two_way`); what is grown from B to A is taken backwards.

**From a density** (Falkner, Coretti, Romano, Geissler and Dellago, Mach. Learn.: Sci. Technol. 4,
035050, 2023). The shooting point is drawn from a frozen q, whatever the present path is, and placed
at a frame drawn evenly. Any frame of X may have been it, so that X is made with

.. math:: P_q[X] = P[X]\, s[X], \quad s[X] = \frac1F \sum_j \frac{q(x_j)}{ρ(x_j)} e^{ℓ_j}, \quad
    a = \min\left(1, \frac{s[X_{old}]}{s[X_{new}]}\right)

Proposals are independent: 1/s[X] is also the weight of every path that is grown, reactive or not,
among all stationary paths.

**Aimless** (Peters and Trout, J. Chem. Phys. 125, 054108, 2006; Peters, Beckham and Trout, J. Chem.
Phys. 127, 034109, 2007). A frame within `window` frames of the middle of the present path becomes
the frame of another such place of the new one; with detailed balance every path from A to B is
accepted, else min(1, e^{ℓ_i[X_old] − ℓ_{i′}[X_new]}).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from msgen.actors.kernels.base import Mask, Target, log_uniform
from msgen.actors.kernels.two_way import Legs, Stepped, grow
from msgen.models.base import Drawn
from msgen.models.defensive_mixture import draw
from msgen.systems.base import Array
from msgen.systems.coordinates.representation import Exact

Ints = NDArray[np.int64]


Region = Callable[[Array], Ints]
"""Where configurations (n, D) are: 0 in A, 1 in B, −1 in neither, shape (n,)."""


class Shots(NamedTuple):
    """m paths that were grown.

    Attributes
    ----------
    legs : Legs
        As they were grown, not turned.
    label : int array, shape (m, F)
        0 in A, 1 in B, −1 in neither.
    origin : int array, shape (m,)
        Frame of the shooting point.
    log_share : Array, shape (m,)
        ln s up to the constant of ρ*; +inf for a path that has no density, so that it weighs
        nothing; NaN of aimless ones, whose proposals have none.
    evaluations : int
    """

    legs: Legs
    label: Ints
    origin: Ints
    log_share: Array
    evaluations: int

    @property
    def crossing(self) -> Ints:
        """1 from A to B, −1 from B to A, else 0; shape (m,)."""
        first, last = self.label[:, 0], self.label[:, -1]
        there = np.asarray((first == 0) & (last == 1), dtype=np.int64)
        return there - np.asarray((first == 1) & (last == 0), dtype=np.int64)


class Present(NamedTuple):
    """Where n chains stand.

    Attributes
    ----------
    legs : Legs
        Paths from A to B.
    there : Mask, shape (n,)
        Which chains have a path; others take the first that they are offered.
    """

    legs: Legs
    there: Mask


class Settled(NamedTuple):
    """One step of n chains.

    Attributes
    ----------
    present : Present
    accepted : Mask, shape (n,)
    """

    present: Present
    accepted: Mask


@dataclass(frozen=True)
class DensityShooting:
    """Two-way shooting from a frozen density.

    Parameters
    ----------
    kernel : Overdamped, Mala or Langevin
    proposal : Drawn
        q, of the very version recorded with the segment.
    coordinates : Exact
        In which q sees configurations; its volume belongs to ρ.
    frames, stride : int
    """

    kernel: Stepped
    proposal: Drawn
    coordinates: Exact
    frames: int
    stride: int

    def log_density(self, x: Array) -> Array:
        """ln q of configurations (n, D), as a density of configurations, shape (n,)."""
        y = self.coordinates.encode(x)
        return self.proposal.log_prob(y) - self.coordinates.log_det(y)

    def log_share(self, legs: Legs) -> Array:
        """ln s[X] up to the constant of ρ*, shape (n,); −inf where q could not have made it."""
        log_q = self.log_density(legs.positions.reshape(-1, legs.positions.shape[2]))
        log_q = log_q.reshape(legs.log_density.shape)
        with np.errstate(invalid="ignore"):
            parts = log_q - legs.log_density + legs.reversal
            return np.asarray(logsumexp(parts, axis=1) - np.log(self.frames))

    def shoot(self, target: Target, region: Region, n: int, rng: np.random.Generator) -> Shots:
        """n independent paths."""
        y, _ = draw(self.proposal, n, rng)
        x = self.coordinates.decode(y, rng)
        origin = rng.integers(self.frames, size=n)
        grown = grow(self.kernel, target, x, origin, self.frames, self.stride, rng)
        label = _labels(region, grown.legs)
        share = np.where(grown.sound, self.log_share(grown.legs), np.inf)
        return Shots(grown.legs, label, origin, share, grown.evaluations)

    def test(
        self, present: Present, log_share: Array, shots: Shots, rng: np.random.Generator
    ) -> tuple[Settled, Array]:
        """Hold one shot a chain against its path, whose ln s is `log_share`; and ln s after it.

        A path that no chain has yet is taken as it comes.
        """
        crossing = shots.crossing
        new = shots.legs.turned(crossing < 0)
        # s of a path that is turned is over its own P, which differs by e^ℓ at its other end
        share_new = shots.log_share - np.where(crossing < 0, shots.legs.reversal[:, -1], 0.0)
        log_u = log_uniform(rng, len(crossing))
        with np.errstate(invalid="ignore"):
            passes = log_u < log_share - share_new
        possible = (crossing != 0) & np.isfinite(share_new)
        accepted = possible & (passes | ~present.there)
        legs = new.where(accepted, present.legs)
        after = Settled(Present(legs, present.there | accepted), accepted)
        return after, np.where(accepted, share_new, log_share)


@dataclass(frozen=True)
class AimlessShooting:
    """Two-way shooting from the middle of the present path.

    Parameters
    ----------
    kernel : Overdamped, Mala or Langevin
    frames, stride : int
    window : int
        Frames to either side of the middle that may be shot from.
    """

    kernel: Stepped
    frames: int
    stride: int
    window: int

    def step(
        self, target: Target, region: Region, present: Present, rng: np.random.Generator
    ) -> tuple[Settled, Shots]:
        """One shot of every chain that has a path."""
        n = len(present.there)
        every = np.arange(n)
        old, origin = self.places(n, rng)
        x = present.legs.positions[every, old]
        grown = grow(self.kernel, target, x, origin, self.frames, self.stride, rng)
        shots = Shots(
            grown.legs,
            _labels(region, grown.legs),
            origin,
            np.full(n, np.nan),
            grown.evaluations,
        )
        crossing = shots.crossing
        new = grown.legs.turned(crossing < 0)
        at = np.where(crossing < 0, self.frames - 1 - origin, origin)
        log_ratio = present.legs.reversal[every, old] - new.reversal[every, at]
        log_u = log_uniform(rng, n)
        with np.errstate(invalid="ignore"):
            accepted = present.there & grown.sound & (crossing != 0) & (log_u < log_ratio)
        legs = new.where(accepted, present.legs)
        return Settled(Present(legs, present.there), accepted), shots

    def places(self, n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Frames of n present paths that are shot from, and which they become; alike and apart."""
        low = max(0, (self.frames - 1) // 2 - self.window)
        # as far from one end as from the other, so that a path may be turned round
        old, new = rng.integers(low, self.frames - low, size=(2, n))
        return old, new


def _labels(region: Region, legs: Legs) -> Ints:
    n, frames, dim = legs.positions.shape
    return region(legs.positions.reshape(-1, dim)).reshape(n, frames)
