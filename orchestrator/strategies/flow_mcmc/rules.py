"""What a flow_mcmc campaign must agree on: its variables, and the path of a solute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.dimensions import wrong_dimension
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.units import Dimension, Quantity
from msgen.orchestrator.strategies.common.configuration_rules import (
    coordinate_problems,
    too_large,
)
from msgen.orchestrator.strategies.common.exploration_schema import explore_problems

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.flow_mcmc.schema import FlowMCMC
    from msgen.systems.base import System

_OWN = ("torsions", "distances")
"""Coordinates of a solute."""


def flow_problems(campaign: Campaign, strategy: FlowMCMC) -> Iterator[Problem]:
    """Everything about its search and its variables, in the order in which they are told."""
    yield from explore_problems(campaign, strategy.explore, chain=False)
    yield from _solute(campaign, strategy)
    if strategy.solute is None:
        yield from coordinate_problems(campaign, strategy.coordinates)
    yield from _steps(campaign, strategy)


def _steps(campaign: Campaign, strategy: FlowMCMC) -> Iterator[Problem]:
    """Lags that a stretch of local moves is long enough for."""
    lags: list[int] = getattr(strategy.proposal, "lags", [])
    where = ("strategy", "proposal")
    if lags and strategy.solute is not None:
        what = "is for whole configurations, and a solute is named"
        yield Problem((*where, "kind"), strategy.proposal.kind, what, "Write kind: independence")
    for i, lag in enumerate(lags):
        if lag > strategy.local.steps // 2:
            what = f"is more than half of the {strategy.local.steps} steps of a stretch of local "
            remedy = "Take longer stretches (strategy.local.steps), or a shorter lag"
            yield Problem((*where, "lags", i), lag, f"{what}moves", remedy)


def label_problems(campaign: Campaign, strategy: FlowMCMC) -> Iterator[Problem]:
    """A step of a learnt dynamics is drawn given where the walker is."""
    if strategy.proposal.kind == "propagator" and not campaign.model.context:
        what = "holds one density, and strategy.proposal needs one for each configuration"
        yield Problem(("model", "kind"), campaign.model.kind, what, "Take spline_flow or realnvp")


def _solute(campaign: Campaign, strategy: FlowMCMC) -> Iterator[Problem]:
    """What a solute, its coordinates, its path and the model must agree on."""
    if strategy.solute is None:
        if strategy.path is not None:
            what = "is that of a solute, and none is named"
            yield Problem(("strategy", "path"), "given", what, "Write solute: [0, 1, 2, …]")
        if strategy.coordinates in _OWN:
            what, remedy = "are those of a solute, and none is named", "Write solute: [0, 1, 2, …]"
            yield Problem(("strategy", "coordinates"), strategy.coordinates, what, remedy)
        return
    if strategy.coordinates not in ("auto", *_OWN):
        what = "leave open where the atoms of a solute are placed"
        remedy = "Write torsions or distances"
        yield Problem(("strategy", "coordinates"), strategy.coordinates, what, remedy)
    if strategy.coordinates != "distances" and not campaign.model.angles:
        what = "cannot model torsions, which are periodic"
        remedy = "Take spline_flow, or coordinates: distances"
        yield Problem(("model", "kind"), campaign.model.kind, what, remedy)
    if campaign.model.particles:
        what = "takes its variables for particles, and those of a solute are its shape"
        yield Problem(("model", "kind"), campaign.model.kind, what, "Take spline_flow")
    assert strategy.path is not None
    timed: list[tuple[str, object, Dimension]] = [
        ("timestep", strategy.path.timestep, "time"),
        ("friction", strategy.path.friction, "rate"),
    ]
    for name, value, dimension in timed:
        if isinstance(value, Quantity):
            needed: Dimension = dimension if campaign.has_units else "number"
            wrong = wrong_dimension(("strategy", "path", name), value, needed)
            if wrong:
                yield wrong


def variable_problems(campaign: Campaign, strategy: FlowMCMC, system: System) -> list[Problem]:
    """Whether the system has the variables that the model is to propose.

    Raises
    ------
    SpecError
        For a molecule or a solute that these coordinates do not suit.
    """
    # torch comes with it
    from msgen.actors.configurations.coordinates import check_alone

    if strategy.solute is not None:
        _check_solute(campaign, system)
        return []
    if too_large(system):
        what = f"proposes whole configurations, and {system.n_dof:,} coordinates are too many"
        remedy = "Take kind: steered, whose model lives on the CVs"
        return [Problem(("strategy", "kind"), strategy.kind, what, remedy)]
    check_alone(strategy.coordinates, system)
    return []


def _check_solute(campaign: Campaign, system: System) -> None:
    """Its atoms, and whether they can be driven."""
    from msgen.actors.solute.solute import SoluteCoordinates

    atoms = SoluteCoordinates.of(campaign.spec_strategy(), system).atoms
    if campaign.through_openmm:
        from msgen.actors.solute.openmm_legs import check_free
        from msgen.systems.openmm.system import OpenMMSystem

        assert isinstance(system, OpenMMSystem)
        check_free(system, atoms)
