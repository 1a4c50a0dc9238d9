"""Standard errors from the influences of independent units, few of them as well.

Replicas and ladders never meet, and are independent. Where they are few, an error rests on hardly
any degrees of freedom, and a campaign that stops once it is small enough stops at one that is too
small by chance. Each is then cut into stretches of time that are long against its memory, group by
group: a state with two replicas in more than one with sixteen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from msgen.orchestrator.estimators.errors import inflations

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

ENOUGH = 32
"""Units that an error rests on, where time allows."""
LEAST_EFFECTIVE = 5.0
"""Effective samples of a stretch that counts as a unit."""
NO_GROUP = -1
"""Of a unit that has nothing to do with what is asked."""
CHANCE = 0.01
"""Chance that members which agree are taken for ones that differ by more than their stretches."""


@dataclass(frozen=True)
class Units:
    """What the rows of influences (U, …) are.

    Attributes
    ----------
    group : int array, shape (U,)
        Members of one group do the same, those of different ones differ in their variances: a group
        is a stratum, or all ladders. `NO_GROUP`: left out.
    member : int array, shape (U,)
        Replica or ladder; numbers are of all groups together.
    share : Array, shape (U,)
        Of the member's time that a unit holds; 1 where it is the whole member.
    effective : Array, shape (U,)
        Effective samples in the unit, as the slowest observable has them; +inf for whole members.
    dof : Array, shape (U,)
        Degrees of freedom that the unit's group has at most, as some units hold more of the data
        than others (`leverage.degrees_of_freedom`); +inf: nothing is known of that.
    """

    group: Ints
    member: Ints
    share: Array
    effective: Array
    dof: Array

    @classmethod
    def whole(cls, group: Ints) -> Units:
        """Each unit a member of its own."""
        ones = np.ones(len(group))
        return cls(group, np.arange(len(group)), ones, np.inf * ones, np.inf * ones)

    @classmethod
    def stretched(cls, members: int, shares: Array, effective: float) -> Units:
        """One group; unit = member + `members` · stretch.

        Parameters
        ----------
        members : int
        shares : Array, shape (S,)
            Of the time that each stretch holds; they sum to 1.
        effective : float
            Samples of all members in all of the time.
        """
        n = members * len(shares)
        share = np.repeat(shares, members)
        each = effective / members * share if len(shares) > 1 else np.full(n, np.inf)
        free = np.full(n, np.inf)
        return cls(np.zeros(n, dtype=np.int64), np.arange(n) % members, share, each, free)

    @classmethod
    def grouped(cls, parts: Mapping[int, Units]) -> Units:
        """Units of groups by these numbers, one part after the other."""
        before = np.cumsum([0, *(int(u.member.max(initial=-1)) + 1 for u in parts.values())])
        held = list(parts.values())
        return cls(
            np.repeat(np.array(list(parts), dtype=np.int64), [len(u.group) for u in held]),
            np.concatenate([u.member + b for u, b in zip(held, before, strict=False)]),
            np.concatenate([u.share for u in held]),
            np.concatenate([u.effective for u in held]),
            np.concatenate([u.dof for u in held]),
        )

    def take(self, rows: Ints) -> Units:
        """Some of them."""
        return Units(
            self.group[rows],
            self.member[rows],
            self.share[rows],
            self.effective[rows],
            self.dof[rows],
        )

    def standard_error(self, influence: Array, whole: Whole | None = None) -> Array:
        """Of quantities from their influences (U, …), shape (…).

        The variance is that of the groups together, its degrees of freedom Welch's and
        Satterthwaite's (Biometrics Bull. 2, 110, 1946), so that a group of two that adds little
        costs little; and the error is inflated for their being few (`errors.inflation`). NaN where
        a group has fewer than two members.

        Parameters
        ----------
        influence : Array, shape (U, …)
        whole : (Units, Array), optional
            The members of the same groups, uncut, and their influences (M, …), for members that
            hold unequal shares of the data; by default those of their stretches summed.
        """
        x = np.asarray(influence, dtype=np.float64).reshape(len(self.group), -1)
        total, square = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for g in np.unique(self.group[self.group != NO_GROUP]):
            mine = np.flatnonzero(self.group == g)
            uncut = None
            if whole is not None:
                rows = np.flatnonzero(whole[0].group == g)
                uncut = whole[0].take(rows)._variance(whole[1][rows].reshape(len(rows), -1))
            variance, dof = self.take(mine)._variance(x[mine], uncut)
            total += variance
            square += variance**2 / dof
        with np.errstate(divide="ignore", invalid="ignore"):
            few = inflations(np.where(total > 0, np.maximum(total**2 / square, 1.0), np.inf))
        few = np.where(np.isfinite(total), few, np.nan)
        out: Array = (np.sqrt(total) * few).reshape(np.shape(influence)[1:])
        return out

    def _variance(self, x: Array, uncut: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
        """Of the sum of influences (U, n) of one group, and its degrees of freedom.

        `uncut`: the same of its members as they are; by default from their stretches summed.
        """
        labels, member = np.unique(self.member, return_inverse=True)
        r = len(labels)
        if r < 2:
            unknown = np.full(x.shape[1], np.nan)
            return unknown, unknown
        most = max(float(self.dof.min()), 1.0)
        sums = np.zeros((r, x.shape[1]))
        np.add.at(sums, member, x)
        if uncut is None:
            free = min(r - 1.0, most) if len(x) == r else r - 1.0
            square = np.sum((sums - sums.mean(axis=0)) ** 2, axis=0)
            uncut = r / (r - 1) * square, np.full(x.shape[1], free)
        if len(x) == r:
            return uncut
        # equal members, each of them in stretches of any length
        number = r**2 / float(np.sum(self.share**2))
        centred = x - self.share[:, None] * sums.mean(axis=0)
        # of stretches of n effective samples the variance is less by 1/2n: neighbours correlate
        short = 1.0 / (1.0 - 0.5 / max(float(np.mean(self.effective)), 1.0))
        pooled = short * number / (number - 1) * np.sum(centred**2, axis=0)
        alone = np.sum((x - self.share[:, None] * sums[member]) ** 2, axis=0)
        within = short * alone / (1.0 - r / number)
        limit = f_distribution.ppf(1.0 - CHANCE / x.shape[1], uncut[1], number - r)
        differ = ~(uncut[0] <= limit * within)
        return np.where(differ, uncut[0], pooled), np.where(
            differ, uncut[1], min(number - 1.0, most)
        )


Whole = tuple[Units, Array]
"""Members and their influences."""


def stretches(members: int, effective: float, readings: Ints) -> tuple[Ints, Array]:
    """Stretches of about equal time in which `members` make up enough units, each long enough.

    Parameters
    ----------
    members : int
    effective : float
        Samples of all members in all of the time, by the slowest observable; NaN where unknown.
    readings : int array, shape (n,)
        Of a member in each of the pieces of time there are.

    Returns
    -------
    stretch : int array, shape (n,)
        Of each piece.
    shares : Array, shape (S,)
        Of the time, by stretch.
    """
    wanted = -(-ENOUGH // max(members, 1))
    most = effective / (LEAST_EFFECTIVE * max(members, 1))
    number = int(np.clip(min(wanted, most), 1, max(len(readings), 1))) if most > 0 else 1
    total = max(float(readings.sum()), 1.0)
    middle = (np.cumsum(readings) - 0.5 * readings) / total
    _, stretch = np.unique(np.floor(number * middle), return_inverse=True)
    stretch = stretch.reshape(-1).astype(np.int64)
    return stretch, np.bincount(stretch, readings) / total
