"""What a flow of whole configurations and a system must agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import Problem

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import System


def flow_problems(campaign: Campaign, system: System) -> list[Problem]:
    """Whether the model suits what the configurations are: a potential, a molecule, free atoms.

    Raises
    ------
    SpecError
        For a molecule that has no internal coordinates, and where the energy depends on where it
        is and how it lies.
    """
    # torch comes with it
    from msgen.actors.configurations.coordinates import check_alone
    from msgen.actors.configurations.whole import free_particles
    from msgen.systems.external_field import field_felt

    model, where = campaign.model, ("model", "kind")
    if not free_particles(system):
        if model.particles and campaign.has_atoms:
            what = "takes atoms for like particles, and bonds join these"
            return [Problem(where, model.kind, what, "Take spline_flow")]
        check_alone("auto", system)
        return []
    if not model.particles:
        what = "needs internal coordinates, and no bonds join these atoms"
        return [
            Problem(where, model.kind, what, "Take equivariant_flow, or leave strategy.flow out")
        ]
    elements = sorted({str(a.element.symbol) for a in system.topology.atoms if a.element})
    if len(elements) > 1:
        what = f"takes all atoms for alike, and they are {' and '.join(elements)}"
        return [Problem(where, model.kind, what, "Leave strategy.flow out")]
    felt = field_felt(system)
    if felt:
        what = f"leaves open where atoms are, and moved as a whole their U changes by {felt:.3g} kT"
        return [Problem(("strategy", "flow"), "given", what, "Leave strategy.flow out")]
    return []
