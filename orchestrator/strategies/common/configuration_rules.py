"""What a model of whole configurations must agree on with the system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.cvs import Coordinate, FunctionCV, LinearCombination
from msgen.orchestrator.schema.problems import Path, Problem

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import System

MOST_DOF = 3000
"""Degrees of freedom that a model of whole configurations is fitted to."""


def coordinate_problems(campaign: Campaign, coordinates: str) -> Iterator[Problem]:
    """What it sees of configurations, and whether it can."""
    where: Path = ("strategy", "coordinates")
    if coordinates == "cartesian" and campaign.has_atoms:
        what = "of a molecule depend on how it lies"
        yield Problem(where, "cartesian", what, "Take internal")
    if coordinates == "internal" and not campaign.has_atoms:
        what = f"are those of a molecule, and {campaign.system.kind} has no atoms"
        yield Problem(where, "internal", what, "Write auto")
    angle = "torsions" if campaign.has_atoms else angular_coordinate(campaign)
    if angle is not None and not campaign.model.angles:
        what = f"cannot model {angle}, which {'are' if campaign.has_atoms else 'is'} periodic"
        yield Problem(("model", "kind"), campaign.model.kind, what, "Take spline_flow")


def angular_coordinate(campaign: Campaign) -> str | None:
    """A CV that knows a coordinate of the configuration as an angle; None where there is none."""
    for name, cv in campaign.cvs.items():
        parts: list[CVSection] = [cv]
        if isinstance(cv, LinearCombination):
            parts = [t.cv for t in cv.terms]
        elif isinstance(cv, FunctionCV):
            parts = list(cv.of.values())
        if any(isinstance(p, Coordinate) and p.periodic for p in parts):
            return name
    return None


def too_large(system: System) -> bool:
    """Whether no model of its whole configurations is fitted."""
    return system.n_dof > MOST_DOF


def covered(campaign: Campaign, n_dof: int) -> list[int] | None:
    """Which coordinate each CV is, where every coordinate is one; else None."""
    place = [cv.index for cv in campaign.cvs.values() if isinstance(cv, Coordinate)]
    whole = len(place) == len(campaign.cvs) and sorted(place) == list(range(n_dof))
    return place if whole else None
