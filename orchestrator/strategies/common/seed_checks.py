"""What keeps a model of whole configurations from learning: found before anything starts."""

from __future__ import annotations

from pathlib import Path

from msgen.orchestrator.schema import Campaign, Problem
from msgen.orchestrator.schema.strategies import FlowMCMC, Umbrella
from msgen.systems.base import System

MOST_DOF = 3000
"""Degrees of freedom that a model of whole configurations is fitted to."""


def seed_problems(campaign: Campaign, base_dir: Path, system: System) -> list[Problem]:
    """Problems with the configurations it is to learn from, and the coordinates it sees them in.

    Raises
    ------
    SpecError
        For a molecule that these coordinates do not suit.
    """
    strategy = campaign.strategy
    if isinstance(strategy, FlowMCMC) and strategy.solute is not None:
        _check_solute(campaign, system)
        return []
    if isinstance(strategy, FlowMCMC):
        return _whole(strategy.kind, strategy.coordinates, system)
    if not isinstance(strategy, Umbrella) or strategy.seeds != "model":
        return []
    if system.n_dof > MOST_DOF:
        what = f"learns whole configurations, and {system.n_dof // 3:,} atoms are too many"
        remedy = "Take seeds: neighbour, or strip the solvent and use an implicit one"
        return [Problem(("strategy", "seeds"), "model", what, remedy)]
    if campaign.is_molecular:
        _check_coordinates(strategy.coordinates, system)
    return _file(strategy, base_dir, system)


def _whole(strategy: str, coordinates: str, system: System) -> list[Problem]:
    """Of a strategy whose proposals are whole configurations, tested by their density."""
    from msgen.actors.configurations.coordinates import exact_coordinates

    if system.n_dof > MOST_DOF:
        what = f"proposes whole configurations, and {system.n_dof:,} coordinates are too many"
        remedy = "Take kind: steered, whose model lives on the CVs"
        return [Problem(("strategy", "kind"), strategy, what, remedy)]
    exact_coordinates(coordinates, system)
    return []


def _check_solute(campaign: Campaign, system: System) -> None:
    """Its atoms, and whether they can be driven."""
    from msgen.actors.solute.solute import SoluteCoordinates

    atoms = SoluteCoordinates.of(campaign.spec_strategy(), system).atoms
    if campaign.is_molecular:
        from msgen.actors.solute.openmm_legs import check_free
        from msgen.systems.openmm.system import OpenMMSystem

        assert isinstance(system, OpenMMSystem)
        check_free(system, atoms)


def _check_coordinates(kind: str, system: System) -> None:
    from msgen.systems.coordinates.representation import build_representation
    from msgen.systems.openmm.system import OpenMMSystem

    assert isinstance(system, OpenMMSystem)
    reference = system.initial().positions[0]
    build_representation(kind, system.n_dof, system.topology, reference)


def _file(strategy: Umbrella, base_dir: Path, system: System) -> list[Problem]:
    from msgen.actors.roles.configurations import read_configurations

    file = strategy.training.file
    if file is None:
        return []
    try:
        read_configurations(base_dir / file, system.n_dof)
    except ValueError as error:
        remedy = "Write it with numpy.savez(file, positions=x), x of shape (n, D) or (n, atoms, 3)"
        return [Problem(("strategy", "training", "file"), file, str(error), remedy)]
    return []
