"""Looks at a campaign held against one another: one that passes by luck is no convergence.

A campaign is looked at after every round and ends at the first look that passes. What fluctuates
about a bound passes early by chance, the sooner the more often it is looked at. So everything but
the size of the errors has to hold over the last third of a production of a least length, and at the
end of it with its own uncertainty; and the production's halves have to agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from msgen.orchestrator.base import Estimate, Extent
from msgen.orchestrator.convergence.base import Array

HELD = 1.5
"""Production is so many times as long as when what has to last began to hold: its last third."""
LEAST_ROUNDS = 4
"""Rounds of production that count before a campaign may end."""
LEAST_MEMORIES = 10.0
"""Times that a replica has forgotten where it was before a campaign may end."""
CHANCE = 0.01
"""Chance that at one look halves are said to differ that do not, over all states."""


@dataclass(frozen=True)
class Look:
    """What a look leaves for later ones.

    Attributes
    ----------
    length : float
        Energy evaluations of the rounds that had counted by then.
    f, stderr : Array, shape (K,)
        Of the states, kT; NaN where unknown.
    """

    length: float
    f: Array
    stderr: Array


@dataclass(frozen=True)
class Looks:
    """All looks at one production; a production begun anew starts without any.

    Attributes
    ----------
    states : tuple of str
        Their names.
    rounds : int
        That counted at the last look.
    length : float
        Energy evaluations of these.
    held_since : float or None
        `length` at the first of the looks since when all has held that has to last; None where it
        does not.
    kept : tuple of Look
        Those in the second half of production, and the one before.
    """

    states: tuple[str, ...] = ()
    rounds: int = 0
    length: float = 0.0
    held_since: float | None = None
    kept: tuple[Look, ...] = ()

    def judged(self, estimate: Estimate, evaluations: float) -> tuple[Looks, Estimate]:
        """With one look more, and what the looks together say of it.

        Parameters
        ----------
        estimate : Estimate
            With what holds at this look alone.
        evaluations : float
            Of the round that it was made after.

        Returns
        -------
        looks : Looks
        estimate : Estimate
            Converged only where all looks together say so, with their reasons against it.
        """
        extent = estimate.extent
        if extent is None:
            # nothing counts, or what did is thrown away
            unmet = estimate.unmet or ("the strategy does not say how long production is",)
            return Looks(), replace(estimate, converged=False, unmet=unmet)
        names = tuple(estimate.states)
        before = self if names == self.states and extent.rounds > self.rounds else Looks(names)
        looks = before._with(estimate, extent, evaluations)
        short = looks._too_short(extent)
        reasons = (*(short or looks._not_held()), *looks._halves(extent))
        converged = estimate.converged and not reasons
        unmet = (*estimate.unmet, *reasons)
        return looks, replace(estimate, converged=converged, unmet=unmet)

    def _with(self, estimate: Estimate, extent: Extent, evaluations: float) -> Looks:
        length = self.length + evaluations
        since = length if self.held_since is None else self.held_since
        values = estimate.states.values()
        f = np.array([_or_nan(s.f_kT) for s in values])
        look = Look(length, f, np.array([_or_nan(s.stderr_kT) for s in values]))
        later = [one for one in self.kept if one.length > 0.5 * length]
        first = [one for one in self.kept if one.length <= 0.5 * length][-1:]
        return Looks(
            self.states,
            extent.rounds,
            length,
            since if estimate.standing else None,
            (*first, *later, look),
        )

    def _too_short(self, extent: Extent) -> list[str]:
        """What production lacks in length."""
        out = []
        if extent.rounds < LEAST_ROUNDS:
            out.append(f"{extent.rounds} rounds of production, at least {LEAST_ROUNDS}")
        if not extent.memories >= LEAST_MEMORIES:
            what = f"production is {extent.memories:.1f} decorrelation times long"
            out.append(f"{what}, at least {LEAST_MEMORIES:g}")
        return out

    def _not_held(self) -> list[str]:
        """Whether what holds now has not done so for long."""
        if self.held_since is None or self.length >= HELD * self.held_since:
            return []
        share = 1.0 - self.held_since / self.length
        return [f"what has to last holds over the last {share:.0%} of production, asked the third"]

    def _halves(self, extent: Extent) -> list[str]:
        """States of which the first half of production says something else than all of it."""
        past = self.kept[:-1]
        if not past:
            return []
        now = self.kept[-1]
        then = min(past, key=lambda one: abs(one.length - 0.5 * now.length))
        spread = _spread(then, now, extent.left_out)
        differ = np.abs(then.f - now.f)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(spread > 0, differ / spread, 0.0)
        limit = float(norm.isf(0.5 * CHANCE / max(1, len(self.states) - 1)))
        return [
            f"{self.states[k]}: {then.f[k]:.2f} kT after {then.length / now.length:.0%} of "
            f"production, {now.f[k]:.2f} now, {z[k]:.1f} σ apart"
            for k in np.flatnonzero(z > limit)
        ]


def _spread(then: Look, now: Look, left_out: float) -> Array:
    """Standard deviation of the change between two looks at one production, NaN where unknown.

    Of means over a sample and over a part of it: the variance of the change is the difference of
    their variances (Hausman, Econometrica 46, 1251, 1978). That is noisy where units are few, and
    never less than what σ ∝ 1/√t makes of the later one.
    """
    kept, ratio = 1.0 - left_out, then.length / now.length
    shared = max(0.0, ratio - left_out) / (kept * ratio)
    by_time = now.stderr**2 * (1.0 / ratio + 1.0 - 2.0 * shared)
    return np.asarray(np.sqrt(np.maximum(by_time, then.stderr**2 - now.stderr**2)))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
