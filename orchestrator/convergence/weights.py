"""Whether weighted draws have converged, and what a model that misses a state is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgen.orchestrator.convergence.judge import Array, Criteria, large_errors, rough_surface, shown
from msgen.orchestrator.estimators.pareto import USABLE


def judge_weights(
    criteria: Criteria,
    *,
    state_errors: Mapping[str, float | None],
    surface_f: Array,
    surface_err: Array,
    ess: float,
    pareto_k: float,
    collapsed: Sequence[str],
) -> tuple[bool, tuple[str, ...]]:
    """As `convergence.judge`, for independent draws that have weights.

    Parameters
    ----------
    criteria, state_errors, surface_f, surface_err
        As in `convergence.judge`.
    ess : float
        Kish's effective number of draws.
    pareto_k : float
        k̂ of the weights; above 0.7 they have no error that could be believed.
    collapsed : sequence of str
        States that the model misses, in words.
    """
    # errors mean nothing where a state is missing: this is told first
    unmet = [*collapsed]
    if not pareto_k <= USABLE:
        what = f"tail of the weights: k̂ {shown(pareto_k)}, asked at most {USABLE:g}"
        unmet.append(f"{what}; what was never drawn may decide")
    unmet += large_errors(criteria, state_errors) + rough_surface(criteria, surface_f, surface_err)
    if criteria.ess is not None and not ess >= criteria.ess:
        unmet.append(f"effective draws {shown(ess, 0)}, asked {criteria.ess:g}")
    if len(state_errors) < 2:
        unmet.append(f"only {len(state_errors)} state known: there is no difference to converge")
    return not unmet, tuple(unmet)
