"""What every production says of the states and of the surface, whatever it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.base import Estimate, Extent, StateEstimate, SurfaceEstimate
from msgen.orchestrator.convergence.base import Criterion
from msgen.orchestrator.convergence.errors import error_sizes
from msgen.orchestrator.convergence.judge import Verdict, judge
from msgen.orchestrator.estimators.marginals import Marginal
from msgen.orchestrator.estimators.stratified import Populations
from msgen.orchestrator.estimators.units import Units
from msgen.orchestrator.estimators.windows.pooling import Pooled
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class FreeEnergies:
    """Of the surfaces' bins and of the states, in kT, with their standard errors.

    Attributes
    ----------
    surfaces : tuple of SurfaceEstimate
        Those asked for, or the one over all CVs that are reported.
    states : Mapping of str to StateEstimate
        Against the first.
    """

    surfaces: tuple[SurfaceEstimate, ...]
    states: Mapping[str, StateEstimate]

    @classmethod
    def of_populations(
        cls,
        problem: Problem,
        bins: Sequence[Populations],
        states: Populations,
        names: Sequence[str],
    ) -> FreeEnergies:
        """From populations over the bins of each surface and over the states called `names`."""
        surfaces, values = [], {}
        for marginal, own in zip(problem.marginals, bins, strict=True):
            grid = marginal.grid
            shown = grid.surface
            if shown.shape != grid.shape:
                own = own.merged(grid.surface_bins, shown.size)
            found = own.surface(shown.shape)
            surfaces.append(SurfaceEstimate(_axes(problem, marginal), found.f, found.stderr))
        for k, name in enumerate(names):
            f, error = states.difference(0, k) if k else (0.0, 0.0)
            known = np.isfinite(f) and bool(np.isfinite(states.f[0]))
            values[name] = _state(f, error, known=known)
        return cls(tuple(surfaces), values)

    @classmethod
    def of_pooled(
        cls,
        problem: Problem,
        pooled: Pooled,
        units: Units,
        bins: Ints,
        members: Ints,
        names: Sequence[str],
    ) -> FreeEnergies:
        """From cells joined by MBAR; `bins` and `members`, shape (M,), say where each one lies."""
        grid, values = problem.grid.surface, {}
        bins = np.where(bins >= 0, problem.grid.surface_bins[bins], -1)
        units = units.take(pooled.units)
        log_p = pooled.log_probability(bins, grid.size)
        error = units.standard_error(pooled.influence(bins, grid.size))
        seen = np.isfinite(log_p)
        f = np.where(seen, np.max(log_p[seen], initial=-np.inf) - log_p, np.nan)
        error = np.where(seen, error, np.nan)
        log_s = pooled.log_probability(members, len(names))
        push = pooled.influence(members, len(names))
        for i, name in enumerate(names):
            known = bool(np.isfinite(log_s[[0, i]]).all())
            value = float(log_s[0] - log_s[i]) if known else np.nan
            stderr = float(units.standard_error(push[:, i] - push[:, 0])) if i else 0.0
            values[name] = _state(value, stderr, known=known)
        (marginal,) = problem.marginals
        surface = SurfaceEstimate(
            _axes(problem, marginal), f.reshape(grid.shape), error.reshape(grid.shape)
        )
        return cls((surface,), values)

    def judged(
        self,
        problem: Problem,
        diagnostics: Mapping[str, Any],
        extent: Extent,
        *,
        first: Iterable[Criterion] = (),
        then: Iterable[Criterion] = (),
    ) -> Estimate:
        """With the verdict on convergence.

        Parameters
        ----------
        problem : Problem
        diagnostics : Mapping
        extent : Extent
            Of production.
        first, then : iterable of Criterion
            What is told before the errors, for it takes the meaning from them, and after them.
        """
        sizes = error_sizes(self.states, self.surfaces, named=bool(problem.surfaces))
        verdict = judge(problem.criteria, (*first, *sizes, *then))
        return _estimate(problem, self, diagnostics, verdict, extent)


def pre_production_estimate(
    problem: Problem,
    phase: str,
    diagnostics: Mapping[str, Any],
    states: Mapping[str, StateEstimate] | None = None,
) -> Estimate:
    """Before production: no errors and no surface, of `states` or else of those that are named."""
    empty = []
    for marginal in problem.marginals:
        unknown = np.full(marginal.grid.surface.shape, np.nan)
        empty.append(SurfaceEstimate(_axes(problem, marginal), unknown, unknown))
    if states is None:
        named = problem.states()
        states = {} if named is None else dict.fromkeys(named.names, StateEstimate(None, None))
    unmet = (f"phase {phase}: nothing counts yet",)
    nothing = Verdict(unmet, standing=False, ungrounded=())
    return _estimate(problem, FreeEnergies(tuple(empty), states), diagnostics, nothing, None)


def _estimate(
    problem: Problem,
    found: FreeEnergies,
    diagnostics: Mapping[str, Any],
    verdict: Verdict,
    extent: Extent | None,
) -> Estimate:
    first = found.surfaces[0]
    return Estimate(
        first.axes,
        first.f_kT,
        first.stderr_kT,
        found.states,
        diagnostics,
        verdict.converged,
        verdict.unmet,
        ungrounded=verdict.ungrounded,
        standing=verdict.standing,
        extent=extent,
        surfaces=found.surfaces if problem.surfaces else (),
    )


def _axes(problem: Problem, marginal: Marginal) -> dict[str, Array]:
    """Bin centres of the CVs that a surface tells of, by name."""
    told = zip(marginal.columns, marginal.grid.reported, strict=True)
    shown = [problem.names[c] for c, reported in told if reported]
    return dict(zip(shown, marginal.grid.surface.centres, strict=True))


def _state(f: float, error: float, *, known: bool) -> StateEstimate:
    """Numbers that mean nothing are not told."""
    finite = known and bool(np.isfinite(error))
    return StateEstimate(float(f) if known else None, float(error) if finite else None)
