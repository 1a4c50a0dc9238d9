"""Whether the CVs and the system allow the switching paths that a campaign asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgen.orchestrator.schema import Campaign, Problem
from msgen.orchestrator.schema.strategies import Steered

if TYPE_CHECKING:
    from msgen.systems.base import CVSet, System

_WHERE = ("strategy", "path", "scheme")


def exact_path_problems(campaign: Campaign, system: System, cvs: CVSet) -> list[Problem]:
    """Why CVs cannot be moved exactly as `strategy.path.scheme` wants it; empty where they can."""
    strategy = campaign.strategy
    if not isinstance(strategy, Steered) or strategy.path.scheme == "extended":
        return []
    # torch comes with it
    from msgen.actors.kernels.switching.level_sets import level_sets

    scheme = strategy.path.scheme
    if campaign.is_molecular:
        # OpenMM is there, the system being one of its own
        from msgen.systems.openmm.system import OpenMMSystem

        assert isinstance(system, OpenMMSystem)
        made = system.openmm_system
        rigid = made.getNumConstraints()
        if rigid:
            what = f"does not go with the {rigid} rigid bonds of this molecule"
            remedy = "Write system.constraints: None with a shorter timestep, or scheme: extended"
            return [Problem(_WHERE, scheme, what, remedy)]
        if any(made.isVirtualSite(i) for i in range(made.getNumParticles())):
            what = "does not go with virtual sites"
            return [Problem(_WHERE, scheme, what, "Take scheme: extended")]
    levels = level_sets(cvs, system.masses)
    if scheme != "moving" and not levels.movable:
        what = "needs linear CVs or one distance"
        return [Problem(_WHERE, scheme, what, "Take scheme: moving or extended")]
    if scheme == "asymmetric" and not levels.linear:
        return [Problem(_WHERE, scheme, "needs linear CVs", "Take symmetric or coin_flip")]
    return []
