"""One result from independent strategies whose errors are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from msgen.orchestrator.estimates import Estimate, StateEstimate, SurfaceEstimate
from msgen.systems.base import Array

CHANCE = 0.01
"""Chance that strategies are said to differ that do not, over all states and pairs of a look."""


@dataclass(frozen=True)
class Combined:
    """The free energies of several strategies as one.

    Attributes
    ----------
    estimate : Estimate
        That of the first, with states and surfaces of all that agree with it.
    names : tuple of str
        The strategies that it rests on.
    differ : tuple of str
        Where others differ from the first by more than chance, in words.
    """

    estimate: Estimate
    names: tuple[str, ...]
    differ: tuple[str, ...]

    @classmethod
    def of(cls, estimates: Mapping[str, Estimate]) -> Combined:
        """The first and what others add to it.

        Values are weighed by 1/σ², which is unbiased where the errors are known and the strategies
        independent: each has random numbers of its own. One that differs from the first is left
        out, and told.

        Parameters
        ----------
        estimates : Mapping of str to Estimate
            By strategy, the first being the one that is added to; all with errors that are known,
            of the same states.
        """
        (first, base), *others = estimates.items()
        names, differ = [first], list[str]()
        level = CHANCE / max(1, len(others) * (len(base.states) - 1))
        limit = float(norm.isf(0.5 * level))
        for name, other in others:
            apart = _apart(first, base, name, other, limit)
            differ += apart
            if not apart and tuple(other.states) == tuple(base.states):
                names.append(name)
        agreeing = [estimates[name] for name in names]
        if len(names) == 1:
            return cls(base, (first,), tuple(differ))
        states = {state: _one_state([e.states[state] for e in agreeing]) for state in base.states}
        surface = _one_surface([SurfaceEstimate(e.axes, e.f_kT, e.stderr_kT) for e in agreeing])
        surfaces = tuple(
            _one_surface(each) for each in zip(*(e.surfaces for e in agreeing), strict=True)
        )
        made = replace(
            base, f_kT=surface.f_kT, stderr_kT=surface.stderr_kT, states=states, surfaces=surfaces
        )
        return cls(made, tuple(names), tuple(differ))


def weighed(f: Array, stderr: Array) -> tuple[Array, Array]:
    """Means by 1/σ² along the first axis and their errors; what is not known weighs nothing.

    Parameters
    ----------
    f, stderr : Array, shape (n, …)
        NaN where not known.
    """
    known = np.isfinite(f) & np.isfinite(stderr) & (stderr > 0)
    weight = np.where(known, 1.0 / np.where(known, stderr, 1.0) ** 2, 0.0)
    total = weight.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (weight * np.where(known, f, 0.0)).sum(axis=0) / total
        error = 1.0 / np.sqrt(total)
    # the first one's where no error is known, as at what others are measured against
    none = total == 0
    return np.where(none, f[0], mean), np.where(none, stderr[0], error)


def _one_state(each: Sequence[StateEstimate]) -> StateEstimate:
    f = np.array([np.nan if s.f_kT is None else s.f_kT for s in each])
    stderr = np.array([np.nan if s.stderr_kT is None else s.stderr_kT for s in each])
    mean, error = weighed(f, stderr)
    return StateEstimate(float(mean), float(error))


def _one_surface(each: Sequence[SurfaceEstimate]) -> SurfaceEstimate:
    """Of surfaces that are known up to a constant each."""
    first = each[0]
    f = [first.f_kT]
    for other in each[1:]:
        spread = first.stderr_kT**2 + other.stderr_kT**2
        apart = other.f_kT - first.f_kT
        known = np.isfinite(spread) & np.isfinite(apart) & (spread > 0)
        shift = float(np.average(apart[known], weights=1.0 / spread[known])) if known.any() else 0.0
        f.append(other.f_kT - shift)
    mean, error = weighed(np.array(f), np.array([one.stderr_kT for one in each]))
    return SurfaceEstimate(first.axes, mean - np.nanmin(mean), error)


def _apart(first: str, base: Estimate, name: str, other: Estimate, limit: float) -> list[str]:
    """States whose free energies differ by more than `limit` σ."""
    out = []
    for state, mine in base.states.items():
        theirs = other.states.get(state)
        if theirs is None or None in (mine.f_kT, theirs.f_kT, mine.stderr_kT, theirs.stderr_kT):
            continue
        f, g = float(mine.f_kT or 0.0), float(theirs.f_kT or 0.0)
        spread = float(np.hypot(mine.stderr_kT or 0.0, theirs.stderr_kT or 0.0))
        if spread > 0 and abs(f - g) > limit * spread:
            z = abs(f - g) / spread
            out.append(f"{state}: {f:.2f} kT by {first}, {g:.2f} by {name}, {z:.1f} σ apart")
    return out
