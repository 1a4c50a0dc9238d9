"""Means of skewed, heavy-tailed values over few blocks: how wide their errors have to be.

Where the largest values decide, a mean that missed them is too low, and the spread of few blocks
too small with it. So the error is not less than the one that all values have together by their
autocorrelation time, and both rest on the degrees of freedom of a variance of values of excess
kurtosis κ (O'Neill, Am. Stat. 68, 282, 2014; of N means of independent values it is κ/N),

.. math:: ν = 2N \\Big/ \\Big(κ + \\frac{2N}{N - 1}\\Big)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.diagnostics import autocorrelation_time
from msgen.orchestrator.estimators.errors import inflation

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BlockError:
    """What an error of a mean from few blocks lacks.

    Attributes
    ----------
    factor : float
        On the error by blocks, at least 1.
    dof : float
        Degrees of freedom that it has at most, at least 1; +inf where nothing varies.
    """

    factor: float = 1.0
    dof: float = float("inf")


def variance_dof(number: float, kurtosis: float) -> float:
    """ν of the variance of so many independent values of this excess kurtosis, at least 1."""
    if number <= 1.0:
        return 1.0
    return max(2.0 * number / (max(kurtosis, 0.0) + 2.0 * number / (number - 1.0)), 1.0)


def block_error(values: Array, block: Ints) -> BlockError:
    """Of the mean of values in R blocks.

    Parameters
    ----------
    values : Array, shape (n,)
        Those of a block in the order of time.
    block : Ints, shape (n,)
        0 … R − 1; different ones are independent, and those of one may be correlated.
    """
    n, r = len(values), int(block.max(initial=-1)) + 1
    centred = values - values.mean() if n else values
    variance = float(np.mean(centred**2)) if n else 0.0
    if r < 2 or variance <= 1e-24 * float(np.mean(values)) ** 2:
        return BlockError()
    g = 1.0
    if r < n:
        order = np.argsort(block, kind="stable")
        ends = np.flatnonzero(np.diff(block[order])) + 1
        g = autocorrelation_time(np.split(values[order], ends))
    effective = n / g
    kurtosis = float(np.mean(centred**4)) / variance**2 - 3.0
    dof = variance_dof(r, kurtosis * r / max(effective, r))
    sums = np.bincount(block, centred, minlength=r) / n
    by_blocks = float(np.sqrt(r / (r - 1) * np.sum(sums**2))) * inflation(dof)
    by_all = float(np.sqrt(variance / effective)) * inflation(variance_dof(effective, kurtosis))
    return BlockError(max(by_all / max(by_blocks, 1e-300), 1.0), dof)
