"""The `targeted` strategy: free energies of states through a model of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from msgen.orchestrator.schema.explore import ExploreSpec
from msgen.orchestrator.schema.local import HMC, LocalSpec
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import Section

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

_BIJECTIVE = ("spline_flow", "realnvp")


class Targeted(Section):
    """A model of the full configuration for each state; free energies by Bennett's estimator."""

    kind: Literal["targeted"]
    local: LocalSpec = Field(default_factory=lambda: HMC(kind="hmc"))
    """By default langevin for molecules, hmc for analytic systems."""
    estimator: Literal["deep_bar", "bar", "tfep"] = "deep_bar"
    """What the result is: deep_bar sets each state against its own model and knows ln Z; bar and
    tfep map states onto each other, with samples of both ends or of the first state only. All that
    can be known is in the diagnostics."""
    draws: int = Field(default=4, ge=1)
    """Draws of the state's model for each configuration that is kept of a replica."""
    maps: Literal["auto", "on", "off"] = "auto"
    """Whether kept configurations are mapped to other states; auto: where the model is a flow."""
    rest: Literal["sample", "leave_out"] = "sample"
    """Whether what no named state holds is a state as well, or left out of everything."""
    coordinates: Literal["auto", "cartesian", "internal"] = "auto"
    """What the models see of a configuration; auto: internal for molecules, else cartesian."""
    lag: int = Field(default=1, ge=1, le=100)
    """Round r uses the models fitted on rounds up to r − lag."""
    explore: ExploreSpec = Field(default_factory=ExploreSpec)

    def mapped(self, model_kind: str) -> bool:
        """Whether configurations are mapped, with a model of this kind."""
        return self.maps == "on" or (self.maps == "auto" and model_kind in _BIJECTIVE)


def targeted_problems(campaign: Campaign, strategy: Targeted) -> Iterator[Problem]:
    """Its states, its estimator and its models, in the order of the file."""
    model = campaign.model.kind
    wants_map = strategy.estimator != "deep_bar" or strategy.maps == "on"
    where = "maps" if strategy.maps == "on" else "estimator"
    given = strategy.maps if strategy.maps == "on" else strategy.estimator
    if wants_map and model not in _BIJECTIVE:
        what = f"maps states onto each other, and {model} is no bijection"
        remedy = f"Take {' or '.join(_BIJECTIVE)}, or estimator: deep_bar"
        yield Problem(("strategy", where), given, what, remedy)
    elif strategy.estimator != "deep_bar" and strategy.maps == "off":
        what = f"leaves estimator: {strategy.estimator} nothing to work on"
        yield Problem(("strategy", "maps"), "off", what, "Leave it out")
    if strategy.rest == "leave_out" and campaign.states is None:
        what = "has no meaning where the states are found: they fill all of CV space"
        yield Problem(("strategy", "rest"), "leave_out", what, "Name the states, or leave it out")
    if strategy.rest == "leave_out" and campaign.states is not None and len(campaign.states) < 2:
        what = "leaves one state, which differs from nothing"
        yield Problem(("strategy", "rest"), "leave_out", what, "Name another state")
    if strategy.coordinates == "cartesian" and campaign.is_molecular:
        what = "of a molecule depend on how it lies"
        yield Problem(("strategy", "coordinates"), "cartesian", what, "Take internal")
    if strategy.coordinates == "internal" and not campaign.is_molecular:
        what = f"are those of a molecule, and {campaign.system.kind} has no atoms"
        yield Problem(("strategy", "coordinates"), "internal", what, "Write auto")
    if campaign.is_molecular and not campaign.model.angles:
        what = "cannot model torsions, which are periodic"
        yield Problem(("model", "kind"), model, what, "Take spline_flow")
    if campaign.states is not None:
        n = len(campaign.states) + (strategy.rest == "sample")
        if campaign.first_replicas < 2 * n:
            what = f"too few for {n} states, two in each (errors rest on independent replicas)"
            yield Problem(("replicas",), campaign.first_replicas, what, f"Take at least {2 * n}")
