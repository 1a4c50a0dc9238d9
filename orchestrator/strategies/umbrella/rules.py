"""What an umbrella campaign must agree on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.dimensions import plain, width_problems, wrong_dimension
from msgen.orchestrator.schema.models import Score
from msgen.orchestrator.schema.problems import MISSING, Path, Problem, choose
from msgen.orchestrator.schema.units import Quantity
from msgen.orchestrator.strategies.common.configuration_rules import (
    angular_coordinate,
    too_large,
)

if TYPE_CHECKING:
    import pathlib

    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.umbrella.schema import Umbrella
    from msgen.systems.base import System

LOOKED_AT = 4096
"""Configurations of a file whose bonds are looked at; the first."""

_AUTO_CVS = 3
"""Most CVs over which windows are placed by themselves."""


def umbrella_problems(campaign: Campaign, strategy: Umbrella) -> Iterator[Problem]:
    """Everything about its windows, seeds and moves, in the order of the file."""
    here: Path = ("strategy",)
    if not isinstance(campaign.replicas, int):
        what = "windows hold a fixed number of walkers"
        yield Problem(("replicas",), "a range", what, "Write one number, as 4")
    elif campaign.replicas < 2:
        what = "walkers in a window cannot be held against one another"
        yield Problem(("replicas",), campaign.replicas, what, "Take at least 2, better 4")
    yield from _windows(campaign, strategy, (*here, "windows"))
    if strategy.windows == "auto":
        wanted = list(campaign.cvs)
    else:
        wanted = [name for name in strategy.windows if name in campaign.cvs]
    yield from width_problems(campaign.cvs, strategy.width, (*here, "width"), wanted)
    yield from _moves(campaign, strategy, here)


def _windows(campaign: Campaign, strategy: Umbrella, here: Path) -> Iterator[Problem]:
    if strategy.windows == "auto":
        if len(campaign.cvs) > _AUTO_CVS:
            what = f"{len(campaign.cvs)} CVs would take very many windows"
            yield Problem(here, "auto", what, "Name the CVs to bias, as {phi: 24}")
        return
    for name, asked in strategy.windows.items():
        cv = campaign.cvs.get(name)
        if cv is None:
            yield Problem((*here, name), MISSING, "no such CV", choose(name, campaign.cvs))
            continue
        if isinstance(asked, int):
            continue
        for i, centre in enumerate(asked):
            if wrong := wrong_dimension((*here, name, i), centre, cv.dimension):
                yield wrong
            elif cv.is_periodic and abs(centre.value) > math.pi + 1e-9:
                what = "lies outside of one period"
                yield Problem((*here, name, i), plain(centre), what, "Stay within -180 to 180 deg")
        if len({round(c.value, 9) for c in asked if isinstance(c, Quantity)}) < len(asked):
            yield Problem(
                (*here, name), [plain(c) for c in asked], "holds a centre twice", "Drop it"
            )


def _moves(campaign: Campaign, strategy: Umbrella, here: Path) -> Iterator[Problem]:
    by_model = strategy.seeds == "model"
    if by_model and not campaign.model.context:
        what, remedy = "cannot be conditional on the CVs", "Take score or spline_flow"
        yield Problem(
            ("model", "kind"), campaign.model.kind, what, f"{remedy}, or seeds: neighbour"
        )
    if by_model and strategy.training.steps == 0 and strategy.training.file is None:
        what = "leaves the first model nothing to learn from"
        yield Problem((*here, "training", "steps"), 0, what, "Give steps, or a file")
    moves = strategy.global_steps
    if moves != "auto" and moves > 0 and not by_model:
        what = "need a model, and seeds: neighbour has none"
        yield Problem((*here, "global_steps"), moves, what, "Write 0 or auto")
    elif moves != "auto" and moves > 0 and not campaign.batched:
        what = "propose whole configurations, so far of analytic systems only"
        yield Problem((*here, "global_steps"), moves, what, "Write 0 or auto")
    if strategy.coordinates == "cartesian" and campaign.has_atoms:
        what = "of a molecule depend on how it lies"
        yield Problem((*here, "coordinates"), "cartesian", what, "Take internal or aligned")
    elif strategy.coordinates not in ("auto", "cartesian") and not campaign.has_atoms:
        what = f"are those of a molecule, and {campaign.system.kind} has no atoms"
        yield Problem((*here, "coordinates"), strategy.coordinates, what, "Write auto")


def noise_problems(campaign: Campaign, strategy: Umbrella) -> Iterator[Problem]:
    """Whether a score model can noise what it sees of a molecule."""
    model = campaign.model
    angle = angular_coordinate(campaign)
    if campaign.has_atoms:
        angle = "torsions" if strategy.coordinates in ("auto", "internal") else None
    if isinstance(model, Score) and model.noise == "vp" and angle:
        what = f"cannot noise {angle}, which {'are' if campaign.has_atoms else 'is'} periodic"
        yield Problem(("model", "noise"), "vp", what, "Take edm or ve")


def seed_problems(
    campaign: Campaign, strategy: Umbrella, base_dir: pathlib.Path, system: System
) -> list[Problem]:
    """Problems with the configurations that the model is to learn from, and what it sees of them.

    Raises
    ------
    SpecError
        For a molecule that these coordinates do not suit.
    """
    if strategy.seeds != "model":
        return []
    if too_large(system):
        what = f"learns whole configurations, and {system.n_dof // 3:,} atoms are too many"
        remedy = "Take seeds: neighbour, or strip the solvent and use an implicit one"
        return [Problem(("strategy", "seeds"), "model", what, remedy)]
    if campaign.has_atoms:
        _check_coordinates(strategy.coordinates, system)
    return _file(strategy, base_dir, system)


def _check_coordinates(kind: str, system: System) -> None:
    from msgen.systems.coordinates.representation import build_representation

    reference = system.initial().positions[0]
    build_representation(kind, system.n_dof, system.topology, reference)


def _file(strategy: Umbrella, base_dir: pathlib.Path, system: System) -> list[Problem]:
    from msgen.actors.roles.configurations import read_configurations
    from msgen.systems.topology.bond_lengths import torn_bonds

    file = strategy.training.file
    if file is None:
        return []
    try:
        x = read_configurations(base_dir / file, system.n_dof)
    except ValueError as error:
        remedy = "Write it with numpy.savez(file, positions=x), x of shape (n, D) or (n, atoms, 3)"
        return [Problem(("strategy", "training", "file"), file, str(error), remedy)]
    if (torn := torn_bonds(system, x[:LOOKED_AT])) is not None:
        remedy = "Write positions of the system's atoms, in their order, in nm"
        return [Problem(("strategy", "training", "file"), file, torn, remedy)]
    return []
