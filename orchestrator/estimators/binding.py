"""The standard free energy of binding, from populations along a distance of two centres.

A profile of ours is F(r) = −ln p(r) in kT, p being the density along r, which holds the Jacobian
4πr² of a distance in space. What the molecules do to each other is the potential of mean force

.. math:: w(r) = F(r) + \\ln 4πr^2 + \\text{const}, \\qquad w \\to 0 \\text{ in the bulk,}

and the constant follows from the population of a shell of volume V_f where w = 0: the density of
the one molecule about the other is P_free / V_f there. So with V° = 1/C° = 1.6605 nm³

.. math::
    K &= \\int_\\text{bound} 4πr^2 e^{-w(r)} dr = V_f P_\\text{bound} / P_\\text{free}, \\\\
    ΔG°/kT &= -\\ln (K/V°) = F_\\text{bound} - F_\\text{free} - \\ln (V_f/V°)

with F of each as a campaign tells its states. The Jacobian is in the bound population already and
stands in V_f once. Nothing may hold the molecules' directions to each other, and the shell has to
lie inside the range and, in a box, nearer than half of its least width. No symmetry number is in
it: molecules that may bind in several ways alike have done so in the samples.

M. K. Gilson, J. A. Given, B. L. Bush and J. A. McCammon, Biophys. J. 72, 1047 (1997); S. Doudou,
N. A. Burton and R. H. Henchman, J. Chem. Theory Comput. 5, 909 (2009).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.systems.constants import STANDARD_VOLUME

Array = NDArray[np.float64]
Span = tuple[float, float]


def shell_volume(span: Span) -> float:
    """4π/3 (b³ − a³) between two distances."""
    low, high = span
    return 4.0 * math.pi / 3.0 * (high**3 - low**3)


def standard_free_energy(difference: float, bulk: Span) -> float:
    """ΔG°/kT at 1 mol/L.

    Parameters
    ----------
    difference : float
        F(bound) − F(bulk) in kT, F = −ln P.
    bulk : (float, float)
        Where the shell of the bulk begins and ends, nm.
    """
    return difference - math.log(shell_volume(bulk) / STANDARD_VOLUME)


@dataclass(frozen=True)
class MeanForce:
    """w(r), the profile without its Jacobian.

    Attributes
    ----------
    r : Array, shape (B,)
        Bin centres, nm.
    w, stderr : Array, shape (B,)
        kT, 0 in the bulk on average; NaN where never visited, and where an error is not known.
    drift, drift_error : float
        w of the outer half of the bulk less that of its inner half, 0 where the bulk is one; NaN
        where it is not known. The error is an upper bound.
    """

    r: Array
    w: Array
    stderr: Array
    drift: float
    drift_error: float


def mean_force(r: Array, f: Array, stderr: Array, bulk: Span) -> MeanForce:
    """The potential of mean force from a profile.

    Parameters
    ----------
    r : Array, shape (B,)
        Centres of bins of one width, nm.
    f, stderr : Array, shape (B,)
        −ln of each bin's population and its standard error, kT.
    bulk : (float, float)
        nm; bins count whose centres lie in it.
    """
    half = 0.5 * (r[1] - r[0])
    volume = np.array([shell_volume((max(x - half, 0.0), x + half)) for x in r])
    inside = (r >= bulk[0]) & (r < bulk[1]) & np.isfinite(f)
    outer = inside & (r >= 0.5 * (bulk[0] + bulk[1]))
    levels = []
    for part in (inside, inside & ~outer, outer):
        value, error = population(f, stderr, part)
        levels.append((value + math.log(max(volume[part].sum(), 1e-300)), error))
    (level, _), (near, near_error), (far, far_error) = levels
    return MeanForce(r, f + np.log(volume) - level, stderr, far - near, far_error + near_error)


def binding_of_profile(
    r: Array, f: Array, stderr: Array, bound: Span, bulk: Span
) -> tuple[float, float]:
    """ΔG°/kT of a profile alone, and an upper bound on its error.

    What a campaign tells of its states is better: a profile does not say how its bins' errors go
    together, so each region's is the bound Σ w σ with w the share of a bin, and both are added.

    Parameters
    ----------
    r, f, stderr : Array, shape (B,)
        As of `mean_force`: F with its Jacobian, in kT.
    bound, bulk : (float, float)
        nm; bins count whose centres lie in them.
    """
    half = 0.5 * (r[1] - r[0])
    home, away = ((r >= span[0]) & (r < span[1]) & np.isfinite(f) for span in (bound, bulk))
    (here, here_error), (there, there_error) = (population(f, stderr, one) for one in (home, away))
    if not math.isfinite(here - there):
        return math.nan, math.nan
    shell = (float(r[away].min() - half), float(r[away].max() + half))
    return standard_free_energy(here - there, shell), here_error + there_error


def population(f: Array, stderr: Array, part: NDArray[np.bool_]) -> tuple[float, float]:
    """−ln of the population of some bins together, and a bound on its error; NaN of none."""
    if not part.any():
        return math.nan, math.nan
    low = float(f[part].min())
    p = np.exp(low - f[part])
    return low - math.log(p.sum()), float((p / p.sum() * stderr[part]).sum())
