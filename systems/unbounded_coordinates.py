"""Coordinates of a potential that repeat, and those that nothing confines.

Neither has a distribution on the line: walkers go on along them for ever, so that spread, range and
differences between walkers tell nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from msgen.systems.base import Array, CVSet, System, Walkers

Bools = NDArray[np.bool_]

SAME = 1e-8
"""Differences of U/kT, and of CVs, up to which two configurations are one."""
MOST_COORDINATES = 64
"""Each of so many at most is looked at for walls."""
LONGEST, FINEST, MOST_RETURNS = 100.0, 0.01, 64
"""How far, how finely and at how many places a period is looked for, in thermal lengths √(kT/m)."""
FAR = (1e3, 1e4, 1e5)
"""How far off walls are looked for, in thermal lengths √(kT/m)."""
TRIED = 16
"""Places at each distance."""
HIGH = 30.0
"""What is this much higher everywhere far off is confined, kT."""


@dataclass(frozen=True)
class Unbounded:
    """What is known of the coordinates of a configuration.

    Attributes
    ----------
    periods : Array, shape (D,)
        x_d and x_d + L_d are the same in the energy and in all CVs; inf where it does not repeat.
    free : bool array, shape (D,)
        Coordinates along which the energy is as low as anywhere at any distance, and that are not
        known to repeat.
    seen : bool array, shape (D,)
        Periodic coordinates that a CV tells all of.
    """

    periods: Array
    free: Bools
    seen: Bools

    @classmethod
    def none(cls, n_dof: int) -> Unbounded:
        """All confined, as far as is known."""
        no = np.zeros(n_dof, dtype=bool)
        return cls(np.full(n_dof, np.inf), no, no)

    @property
    def repeats(self) -> Bools:
        """Which coordinates are periodic."""
        return np.isfinite(self.periods)

    def fold(self, positions: Array) -> Array:
        """Each periodic coordinate within half a period of 0; the others as they are."""
        if not self.repeats.any():
            return positions
        length = np.where(self.repeats, self.periods, 1.0)
        turns = np.floor(positions / length + 0.5)
        return np.asarray(np.where(self.repeats, positions - turns * length, positions))

    def centred(self, positions: Array) -> Array:
        """Less their mean; of a periodic coordinate, the way round to its circular mean."""
        if not self.repeats.any():
            return np.asarray(positions - positions.mean(axis=0))
        turn = 2j * np.pi * positions / np.where(self.repeats, self.periods, np.inf)
        middle = np.angle(np.exp(turn).mean(axis=0)) / (2.0 * np.pi)
        length = np.where(self.repeats, self.periods, 1.0)
        about = np.where(self.repeats, middle * length, positions.mean(axis=0))
        return np.asarray(self.fold(positions - about))

    def angles(self, positions: Array) -> Array:
        """2π x/L of each periodic coordinate, in [−π, π), shape (n, number of them)."""
        on = self.repeats
        turn = positions[:, on] / self.periods[on]
        return np.asarray(2.0 * np.pi * (turn - np.floor(turn + 0.5)))


def unbounded(system: System, cvs: CVSet) -> Unbounded:
    """Which coordinates of a potential repeat, and which nothing confines.

    A period is that in which a periodic CV goes round along a coordinate or, where nothing confines
    it, the first distance within `LONGEST` at which the force is what it was, if it changes neither
    the energy nor any CV at configurations about the start. Atoms and particles have none: what is
    looked at of them does not change with their place. The evaluations, some hundred a coordinate
    and 10,000 of one that nothing confines, are of setting up and count for no campaign.
    """
    # here: torch comes with them
    from msgen.systems.cvs.torch_cvs import coordinate_angles
    from msgen.systems.potentials.clusters import Particles

    d = system.n_dof
    if system.topology is not None or isinstance(system, Particles):
        return Unbounded.none(d)
    rng = np.random.default_rng(0)
    start = system.initial().positions[:1]
    length = np.sqrt(system.kT / np.asarray(system.masses, dtype=np.float64))
    scale = np.repeat([0.0, 0.3, 1.0, 3.0], 4)[:, None]
    about = start + scale * length * rng.standard_normal((16, d))
    periods = np.where(coordinate_angles(cvs, d), 2.0 * np.pi, np.inf)
    free, seen = np.zeros(d, dtype=bool), np.zeros(d, dtype=bool)
    for k, turn, alone in _candidates(cvs, about):
        if np.isinf(periods[k]):
            periods[k] = _period(system, cvs, about, k, np.array([turn]))
        seen[k] |= alone and bool(np.isclose(periods[k], turn, rtol=1e-9))
    if d <= MOST_COORDINATES:
        for k in np.flatnonzero(np.isinf(periods)).tolist():
            if not _confined(system, start, k, float(length[k]), rng):
                periods[k] = _first_return(system, cvs, about, k, float(length[k]))
                free[k] = np.isinf(periods[k])
    return Unbounded(periods, free, seen)


def _candidates(cvs: CVSet, about: Array) -> list[tuple[int, float, bool]]:
    """Coordinates along which a periodic CV grows evenly, 2π over its slope, and whether it changes
    along no other.
    """
    if not len(cvs) or not cvs.periodic.any():
        return []
    slopes = cvs.value_and_gradient(about)[1][:, cvs.periodic]
    slope = slopes[0]
    there = np.abs(slope) > 1e-12
    even = (np.abs(slopes - slope) <= 1e-6 * np.abs(slope)).all(axis=0) & there
    alone = (np.abs(slopes) > 1e-12).any(axis=0).sum(axis=1) == 1
    return [
        (int(k), float(2.0 * np.pi / abs(slope[c, k])), bool(alone[c]))
        for c, k in np.argwhere(even)
    ]


def _period(system: System, cvs: CVSet, about: Array, k: int, lengths: Array) -> float:
    """The first of some lengths after which nothing has changed; inf where there is none."""
    energy, xi = _energy(system, about), cvs(about)
    for length in lengths.tolist():
        there = np.array(about)
        there[:, k] += length
        off = cvs(there) - xi
        off = np.where(cvs.periodic, off - 2.0 * np.pi * np.round(off / (2.0 * np.pi)), off)
        other = _energy(system, there)
        one = np.isfinite(energy) & np.isfinite(other)
        alike = (np.isfinite(energy) == np.isfinite(other)).all() and one.any()
        close = np.abs(other - energy)[one] <= SAME * (1.0 + np.abs(energy[one]))
        if alike and close.all() and (np.abs(off) <= SAME).all():
            return float(length)
    return np.inf


def _first_return(system: System, cvs: CVSet, about: Array, k: int, length: float) -> float:
    """The first period of a coordinate that nothing confines; inf where none is found."""
    step, begin = FINEST * length, about[4]  # off the start, which may be at rest

    def force(along: Array) -> Array:
        x = np.repeat(begin[None], len(along), axis=0)
        x[:, k] += along
        with np.errstate(all="ignore"):
            return np.asarray(system.energy_and_force(Walkers(x))[1][:, k] / system.kT)

    first = float(force(np.zeros(1))[0])
    along = step * np.arange(1.0, LONGEST / FINEST)
    off = force(along) - first
    cross = np.flatnonzero(np.isfinite(off[1:] * off[:-1]) & (off[1:] * off[:-1] < 0.0))
    returns = np.array([
        brentq(lambda at: float(force(np.array([at]))[0]) - first, along[i], along[i + 1],
               xtol=1e-13 * length, rtol=1e-14)
        for i in cross[:MOST_RETURNS]
    ])  # fmt: skip
    return _period(system, cvs, about, k, returns)


def _confined(
    system: System, start: Array, k: int, length: float, rng: np.random.Generator
) -> bool:
    """Whether the energy is high, or not finite, far off along coordinate k on both sides."""
    far = np.multiply.outer([-1.0, 1.0], np.multiply.outer(FAR, rng.uniform(1.0, 2.0, TRIED)))
    x = np.repeat(start, 1 + far.size, axis=0)
    x[1:, k] += length * far.ravel()
    energy = _energy(system, x)
    energy = np.where(np.isfinite(energy), energy, np.inf)
    # of each side, the lowest at each distance
    above = energy[1:].reshape(far.shape).min(axis=2) - energy[0]
    return bool((above >= HIGH).any(axis=1).all())


def _energy(system: System, x: Array) -> Array:
    """U/kT."""
    with np.errstate(all="ignore"):
        return np.asarray(system.energy(Walkers(x)) / system.kT)
