"""Exchange of configurations between temperatures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

Ints = NDArray[np.int64]


def exchange_temperatures(
    tau: Array, energy: Array, pairs: Ints, log_u: Array
) -> tuple[Ints, NDArray[np.bool_]]:
    """One sweep of Metropolis exchanges between rows held at different temperatures.

    .. math:: a = \\min\\big(1, e^{(β_i - β_j)(U_i - U_j)}\\big)

    (Swendsen and Wang, Phys. Rev. Lett. 57, 2607, 1986; Geyer, 1991), which leaves the product of
    the Boltzmann densities invariant.

    Parameters
    ----------
    tau : Array, shape (n,)
        Temperature of every row, in units of the lowest; β = 1/τ.
    energy : Array, shape (n,)
        U/kT of the configuration that stands there, at the lowest temperature.
    pairs : int array, shape (m, 2)
        Rows that try; no row twice.
    log_u : Array, shape (m,)
        ln of uniform draws on (0, 1].

    Returns
    -------
    order : int array, shape (n,)
        Row that each row's new configuration comes from.
    accepted : bool array, shape (m,)
        Never where an energy is not finite.
    """
    a, b = pairs[:, 0], pairs[:, 1]
    with np.errstate(invalid="ignore"):
        gain = (1.0 / tau[a] - 1.0 / tau[b]) * (energy[a] - energy[b])
    accepted = np.isfinite(gain) & (log_u < gain)
    order = np.arange(len(tau))
    order[a[accepted]], order[b[accepted]] = b[accepted], a[accepted]
    return order, accepted
