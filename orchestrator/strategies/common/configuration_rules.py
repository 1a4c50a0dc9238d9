"""What a model of whole configurations must agree on with the system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

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
    if campaign.has_atoms and not campaign.model.angles:
        what = "cannot model torsions, which are periodic"
        yield Problem(("model", "kind"), campaign.model.kind, what, "Take spline_flow")


def too_large(system: System) -> bool:
    """Whether no model of its whole configurations is fitted."""
    return system.n_dof > MOST_DOF
