"""Whole trajectories, gathered, learnt and made anew, beside a campaign that is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgen.orchestrator.strategies.base import Mend, StrategyKind
from msgen.orchestrator.strategies.dynamics.schema import Dynamics

if TYPE_CHECKING:
    from msgen.orchestrator.base import Array, Strategy
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.orchestrator.strategies.common.reweighting import StoredSamples
    from msgen.systems.base import System


def _build(problem: Problem, system: System, campaign: Campaign) -> Strategy[Any]:
    from msgen.orchestrator.strategies.common.exact_run import exact_of
    from msgen.orchestrator.strategies.dynamics.strategy import loop_of

    if problem.begun_with is None:
        raise ValueError("there is no exact run to begin with")
    exact = exact_of(problem.begun_with, campaign, system.n_dof)
    own = loop_of(problem, system, campaign, exact)
    if not problem.beside:
        return own
    from msgen.orchestrator.strategies.dynamics.several import SeveralMolecules

    section, loops = campaign.strategy, {}
    assert isinstance(section, Dynamics)
    learnt = {name for name, one in section.molecules.items() if one.learn}
    for name, one in problem.beside.items():
        if one.problem.begun_with is None:
            raise ValueError(f"there is no exact run of {name} to begin with")
        its = exact_of(one.problem.begun_with, one.campaign, one.system.n_dof)
        loops[name] = loop_of(one.problem, one.system, one.campaign, its)
    return SeveralMolecules(own, loops, frozenset(learnt | ({""} if section.learn else set())))


def _reweight(samples: StoredSamples) -> Array:
    """By the free energy of the state that each trajectory began in."""
    from msgen.orchestrator.strategies.common.exact_run import weights_of_stored

    return weights_of_stored(samples)


KIND = StrategyKind(
    "dynamics",
    Dynamics,
    _build,
    samples=("trajectory",),
    reweight=_reweight,
    runs_on=True,
    keeps_velocities=True,
    mends=(Mend("requests", "a model could be asked for paths of one kind and temperature alone"),),
)
