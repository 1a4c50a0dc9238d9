"""Blocks that hold unequal shares of the data: what their sums tell of the error of a mean.

A mean is drawn towards the block that holds most of the data, so that this block deviates from it
too little, and an error from the deviations of all blocks is too small, the more so the larger the
share h. The mean without the block is what it should be held against: a deviation counts 1/(1 − h)
times, which is the jackknife (MacKinnon and White, J. Econometrics 29, 305, 1985, HC₃ of a mean;
for blocks Bell and McCaffrey, Surv. Methodol. 28, 169, 2002).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def correction(size: Array) -> Array:
    """Factors on the blocks' summed deviations from the common mean, 1 where all are of one size.

    .. math:: c_b = \\frac{1 - 1/R}{1 - h_b}

    With them R/(R − 1) times the sum of squares is the jackknife's variance.

    Parameters
    ----------
    size : Array, shape (R,)
        Data in each block, which weighs as much in the mean; those without any do not count.
    """
    size = np.asarray(size, dtype=np.float64)
    used = int(np.count_nonzero(size))
    if used < 2 or np.ptp(size[size > 0]) == 0.0:
        return np.ones(len(size))
    h = size / size.sum()
    return np.where(size > 0, (1.0 - 1.0 / used) / (1.0 - h), 1.0)


def degrees_of_freedom(size: Array) -> float:
    """Of that variance: R − 1 for blocks of one size, about 1 where one block holds nearly all.

    Satterthwaite's (Biometrics Bull. 2, 110, 1946), 2 E²/Var of the jackknife's sum of squares for
    block means of one variance each, as where a block remembers its beginning throughout: what is
    independent inside blocks makes the error too wide, never too narrow.

    Parameters
    ----------
    size : Array, shape (R,)
        As in `correction`; 0 for fewer than two blocks.
    """
    size = np.asarray(size, dtype=np.float64)
    h = size[size > 0] / max(float(size.sum()), 1e-300)
    if len(h) < 2 or np.ptp(h) == 0.0:
        return float(max(len(h) - 1, 0))
    # the form Σ a_b (y_b − Σ_c h_c y_c)² in independent y, by the traces of its matrix
    a, square = (h / (1.0 - h)) ** 2, float(np.sum(h**2))
    s0, s1, s2 = (float(np.sum(a * h**k)) for k in range(3))
    trace = s0 - 2.0 * s1 + square * s0
    of_square = float(np.sum(a**2 * (1.0 + 2.0 * (square - 2.0 * h))))
    of_square += square**2 * s0**2 + 2.0 * s0 * s2 - 4.0 * square * s0 * s1 + 2.0 * s1**2
    return max(trace**2 / of_square, 1.0)
