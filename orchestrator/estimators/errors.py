"""Error bars from independent replicas or blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

Array = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Jackknife:
    """An estimate with its delete-one error.

    Attributes
    ----------
    value : Array
        The estimate from all replicas.
    stderr : Array, same shape
        Its jackknife standard error, not inflated; NaN where a deletion leaves no estimate.
    bias : Array, same shape
        Jackknife estimate of its bias; not subtracted from `value`.
    dof : int
        Degrees of freedom of `stderr`, one less than the number of replicas.
    """

    value: Array
    stderr: Array
    bias: Array
    dof: int


def jackknife(
    estimator: Callable[[Sequence[T]], Array | float], replicas: Sequence[T]
) -> Jackknife:
    """Delete-one jackknife of an arbitrary estimator.

    .. math:: σ^2 = \\frac{R-1}{R} \\sum_r (θ_{(r)} - \\bar θ_{(·)})^2

    (Efron & Stein, Ann. Stat. 9, 586, 1981).

    Parameters
    ----------
    estimator : callable
        Takes the (sufficient statistics of) some replicas and gives the estimate.
    replicas : sequence
        One entry per independent replica or block.

    Raises
    ------
    ValueError
        For fewer than two replicas.
    """
    r = len(replicas)
    if r < 2:
        raise ValueError(f"{r} replica(s): an error needs at least two")
    value = np.asarray(estimator(replicas), dtype=np.float64)
    rest = np.array(
        [
            np.asarray(estimator([replicas[j] for j in range(r) if j != i]), dtype=np.float64)
            for i in range(r)
        ]
    )
    mean = rest.mean(axis=0)
    stderr = np.sqrt((r - 1) / r * np.sum((rest - mean) ** 2, axis=0))
    return Jackknife(value, stderr, np.asarray((r - 1) * (mean - value)), r - 1)


def interval(
    value: Array | float, stderr: Array | float, dof: float, level: float = 0.95
) -> tuple[Array, Array]:
    """Student-t interval that covers with probability `level` for a stderr with `dof`."""
    half = np.asarray(stderr) * float(t.ppf(0.5 * (1.0 + level), dof))
    return np.asarray(value - half), np.asarray(value + half)


def inflation(dof: float) -> float:
    """Factor that makes ±1 and ±1.96 of a stderr from few replicas cover about 68 and 95 %.

    A stderr from R replicas is itself uncertain, and (estimate − truth)/stderr follows Student's t
    with R − 1 degrees of freedom. No single factor mends both levels; this is the geometric mean of
    the two that mend one each, t₆₈/1 and t₉₅/1.96. With 8 replicas it is 1.14, and the two
    intervals cover 71 and 94 % (uninflated: 65 and 91 %); with 32, 1.03. NaN below one.
    """
    return float(inflations(np.array([dof]))[0])


def inflations(dof: Array) -> Array:
    """`inflation` of each of several degrees of freedom, which need not be whole numbers."""
    known, where = np.unique(np.where(dof >= 1.0, dof, np.nan), return_inverse=True)
    factors = [t.ppf(norm.cdf(z), known) / z for z in (1.0, 1.959964)]
    # of infinitely many: a normal distribution
    factor = np.where(np.isinf(known), 1.0, np.sqrt(factors[0] * factors[1]))
    return np.asarray(factor[where].reshape(np.shape(dof)))
