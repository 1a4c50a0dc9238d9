"""Where the temperatures of a ladder are placed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import erfc, erfcinv

from msgen.systems.base import Array

GOAL = 0.3
"""Acceptance wanted between neighbours; round trips are fastest between about .2 and .4 (Kone and
Kofke, J. Chem. Phys. 122, 206101, 2005: .23)."""
MOST = 64
"""Temperatures of one ladder."""

_BISECTIONS = 60


def acceptance(gap: Array | float) -> Array:
    """Mean acceptance of exchanges whose ln ratio is −Δβ ΔU with mean `gap` = Δβ (⟨U⟩' − ⟨U⟩).

    Where energies are Gaussian the ln ratio is so too, of variance twice its mean, and then
    ⟨min(1, e^r)⟩ = erfc(√gap/2) (Kofke, J. Chem. Phys. 117, 6911, 2002).
    """
    return np.asarray(erfc(0.5 * np.sqrt(np.maximum(gap, 0.0))))


def first_ladder(n_dof: int, highest: float, number: int | None) -> Array:
    """Geometric temperatures before any energy is known, in units of the lowest.

    A harmonic system of D degrees of freedom has ⟨U⟩ = D τ/2, and so the same acceptance between
    all neighbours of one ratio. Of a molecule some are held by constraints: a few temperatures too
    many, until they are placed by its energies.

    Parameters
    ----------
    n_dof : int
    highest : float
        In units of the lowest.
    number : int or None
        Of temperatures; None for as many as a harmonic system needs.
    """
    if number is None:
        number = len(_place(lambda tau: 0.5 * n_dof * tau, highest, None))
    return np.geomspace(1.0, highest, number)


def place(tau: Array, energy: Array, number: int | None) -> Array:
    """Temperatures from 1 to the highest of `tau` with equal acceptance between neighbours.

    Parameters
    ----------
    tau : Array, shape (K,)
        Rising, in units of the lowest.
    energy : Array, shape (K,)
        ⟨U⟩/kT of the lowest, measured at each.
    number : int or None
        Of temperatures; None for as few as reach `GOAL`.
    """
    # ⟨U⟩ rises with temperature; where a measurement does not, it is noise
    rising = np.maximum.accumulate(energy)
    log_tau = np.log(tau)

    def mean(t: float) -> float:
        return float(np.interp(np.log(t), log_tau, rising))

    return _place(mean, float(tau[-1]), number)


def _place(mean: Callable[[float], float], highest: float, number: int | None) -> Array:
    goal = float((2.0 * erfcinv(GOAL)) ** 2)
    if number is None:
        number = min(MOST, len(_march(mean, highest, goal)))
    # the gap with which so many temperatures end at the highest
    low, high = 0.0, goal
    while len(_march(mean, highest, high)) > number:
        high *= 2.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if len(_march(mean, highest, middle)) > number:
            low = middle
        else:
            high = middle
    ladder = _march(mean, highest, high)
    if len(ladder) < number:
        # flat energies: there is nothing to tell temperatures apart by
        return np.geomspace(1.0, highest, number)
    return np.array(ladder)


def _march(mean: Callable[[float], float], highest: float, gap: float) -> list[float]:
    """Temperatures from 1, each `gap` from the one before, the last being the highest."""
    ladder = [1.0]
    while ladder[-1] < highest and len(ladder) <= MOST:
        here = ladder[-1]
        low, high = here, highest
        if (1.0 / here - 1.0 / highest) * (mean(highest) - mean(here)) > gap:
            for _ in range(_BISECTIONS):
                middle = 0.5 * (low + high)
                if (1.0 / here - 1.0 / middle) * (mean(middle) - mean(here)) > gap:
                    high = middle
                else:
                    low = middle
        ladder.append(high)
    return ladder
