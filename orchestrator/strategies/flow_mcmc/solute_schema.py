"""A solute whose coordinates a model proposes: the `path:` section, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from msgen.orchestrator.schema.dimensions import wrong_dimension
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import AutoQuantity, Section
from msgen.orchestrator.schema.units import Dimension, Quantity

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.schema.strategies import FlowMCMC

OWN = ("torsions", "distances")


class SolutePath(Section):
    """How a solute is driven to where the model proposes."""

    steps: int = Field(default=1000, ge=0, le=1_000_000)
    """Steps of every path; 0: the solute is put there and the solvent stays where it is."""
    friction: AutoQuantity = "auto"
    """Friction of the solvent on the path; auto: that of the local sampling."""
    timestep: AutoQuantity = "auto"
    """auto: that of the local sampling. Its error is part of the work."""
    orientation: Literal["kept", "random"] = "kept"
    """kept: a new shape is laid on the old one as well as it can; random: turned anyhow."""
    screen: bool = True
    """Whether draws are thinned by the energy of the solute alone before a path is begun; for
    molecules."""


def solute_problems(campaign: Campaign, strategy: FlowMCMC) -> Iterator[Problem]:
    """What a solute, its coordinates, its path and the model must agree on."""
    if strategy.solute is None:
        if strategy.path is not None:
            what = "is that of a solute, and none is named"
            yield Problem(("strategy", "path"), "given", what, "Write solute: [0, 1, 2, …]")
        if strategy.coordinates in OWN:
            what, remedy = "are those of a solute, and none is named", "Write solute: [0, 1, 2, …]"
            yield Problem(("strategy", "coordinates"), strategy.coordinates, what, remedy)
        return
    if strategy.coordinates not in ("auto", *OWN):
        what = "leave open where the atoms of a solute are placed"
        remedy = "Write torsions or distances"
        yield Problem(("strategy", "coordinates"), strategy.coordinates, what, remedy)
    if strategy.coordinates != "distances" and not campaign.model.angles:
        what = "cannot model torsions, which are periodic"
        remedy = "Take spline_flow, or coordinates: distances"
        yield Problem(("model", "kind"), campaign.model.kind, what, remedy)
    if campaign.model.kind == "equivariant_flow":
        what = "takes its variables for particles, and those of a solute are its shape"
        yield Problem(("model", "kind"), campaign.model.kind, what, "Take spline_flow")
    assert strategy.path is not None
    timed: list[tuple[str, object, Dimension]] = [
        ("timestep", strategy.path.timestep, "time"),
        ("friction", strategy.path.friction, "rate"),
    ]
    for name, value, dimension in timed:
        if isinstance(value, Quantity):
            needed: Dimension = dimension if campaign.is_molecular else "number"
            wrong = wrong_dimension(("strategy", "path", name), value, needed)
            if wrong:
                yield wrong
