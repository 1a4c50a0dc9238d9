"""Estimates from sums over blocks of whole trajectories, and their errors.

Whatever is told of dynamics is a function of sums over frames, or over pairs of frames of one
trajectory: counts, products, times. Frames of a trajectory remember each other, trajectories do
not; so the sums are kept by blocks of whole trajectories, and the error is that of leaving out one
block after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.leverage import degrees_of_freedom
from msgen.orchestrator.estimators.units import Units

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

ALONE = "one trajectory does not tell how much others differ from it: give several"
CARRIED = "without one block of trajectories nothing could be told, or none differs from another"


@dataclass(frozen=True)
class Estimated:
    """Estimates from all blocks.

    Attributes
    ----------
    value : Array, shape (M,)
    stderr : Array, shape (M,)
        Inflated for few blocks (`errors.inflation`); NaN where there is no ground for one.
    bias : Array, shape (M,)
        Jackknife estimate of the bias; not subtracted from `value`.
    why : str
        Why an error is NaN, where one is.
    """

    value: Array
    stderr: Array
    bias: Array
    why: str


@dataclass(frozen=True)
class Sums:
    """Sums over each of B independent blocks.

    Attributes
    ----------
    values : Array, shape (B, K)
    group : int array, shape (B,)
        Trajectories of one group began alike; what a group weighs is not left to chance, and stays
        when one of its blocks is left out.
    weight : Array, shape (B,)
        What each block weighs; those that weigh nothing do not count.
    """

    values: Array
    group: Ints
    weight: Array

    def beside(self, other: Sums) -> Sums:
        """With those of other, independent trajectories, shape (B + B′, K + K′)."""
        (b, k), (b2, k2) = self.values.shape, other.values.shape
        values = np.zeros((b + b2, k + k2))
        values[:b, :k], values[b:, k:] = self.values, other.values
        behind = int(self.group.max(initial=-1)) + 1
        return Sums(
            values,
            np.concatenate([self.group, other.group + behind]),
            np.concatenate([self.weight, other.weight]),
        )

    def joined(self, other: Sums) -> Sums:
        """With more sums over the same blocks, shape (B, K + K′)."""
        return Sums(np.hstack([self.values, other.values]), self.group, self.weight)

    def estimate(self, of: Callable[[Array], Array]) -> Estimated:
        r"""What `of` makes of the sums, with its error by leaving out blocks.

        Without block b the others of its group g weigh what the group weighed. The first-order
        change of the estimate due to b is then

        .. math:: δ_b = (1 - h_b)(θ - θ_{(b)}), \quad h_b = w_b / W_g

        exact for a ratio of sums; :math:`σ^2 = \sum_g \frac{R_g}{R_g-1} \sum_b (δ_b - \bar δ)^2`
        is for blocks of one weight the jackknife's (Efron and Stein, Ann. Stat. 9, 586, 1981), and
        :math:`-\sum_b δ_b` its bias.

        Parameters
        ----------
        of : callable
            (n, K) → (n, M), row by row.
        """
        used = self.weight > 0
        values, group, weight = self.values[used], self.group[used], self.weight[used]
        total = values.sum(axis=0)
        if not len(values) or min(np.count_nonzero(group == g) for g in group) < 2:
            value = of(total[None])[0]
            unknown = np.full(len(value), np.nan)
            return Estimated(value, unknown, unknown, ALONE)
        share, dof = np.zeros(len(values)), np.zeros(len(values))
        without = np.zeros_like(values)
        for g in np.unique(group):
            mine = group == g
            share[mine] = weight[mine] / weight[mine].sum()
            dof[mine] = degrees_of_freedom(weight[mine])
            inside = values[mine].sum(axis=0)
            kept = (inside - values[mine]) / (1.0 - share[mine, None])
            without[mine] = total - inside + kept
        every = of(np.concatenate([total[None], without]))
        with np.errstate(invalid="ignore"):
            moved = (1.0 - share[:, None]) * (every[0] - every[1:])
        ones = np.ones(len(values))
        units = Units(group, np.arange(len(values)), ones, np.inf * ones, dof)
        fine = np.isfinite(moved).all(axis=0)
        stderr, bias = np.full(len(every[0]), np.nan), np.full(len(every[0]), np.nan)
        stderr[fine] = units.standard_error(moved[:, fine])
        bias[fine] = -moved[:, fine].sum(axis=0)
        # blocks that are all alike do not tell how much others would differ
        alike = stderr <= 1e-12 * (1.0 + np.abs(every[0]))
        stderr[alike], bias[alike] = np.nan, np.nan
        return Estimated(every[0], stderr, bias, CARRIED)
