"""What a model must agree on with the rest of the campaign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.models import EquivariantFlow, FlowMatching, Score
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.targets import DW4, LJ13
from msgen.orchestrator.strategies.base import ModelUse

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign


def model_problems(campaign: Campaign) -> Iterator[Problem]:
    """Its angles and labels, and what its kind has of its own."""
    model, use = campaign.model, campaign.strategy.model_use(campaign)
    circular = [name for name, cv in campaign.cvs.items() if cv.is_periodic]
    if not model.angles and use.variables == "cvs" and circular:
        what = f"cannot model the periodic CV {circular[0]}"
        yield Problem(("model", "kind"), model.kind, what, "Take spline_flow or kde")
    yield from campaign.strategy.model_problems(campaign)
    if isinstance(model, Score):
        yield from _score(campaign, model, use)
    if isinstance(model, EquivariantFlow) and use.variables != "solute":
        yield from _equivariant(campaign, model, use)
    transported = isinstance(model, FlowMatching) and model.coupling == "optimal_transport"
    if transported and use.label in ("state", "window"):
        what = "would let the noise depend on the label, which its base density does not"
        yield Problem(("model", "coupling"), "optimal_transport", what, "Take independent")


def _equivariant(campaign: Campaign, model: EquivariantFlow, use: ModelUse) -> Iterator[Problem]:
    """What it takes for particles must be particles, and all alike."""
    where, system = ("model", "kind"), campaign.system
    if use.variables in ("cvs", "conditional"):
        what = f"takes its variables for particles, and {campaign.strategy.kind} may model CVs"
        yield Problem(where, model.kind, what, "Take strategy: {kind: flow_mcmc}")
    elif not isinstance(system, DW4 | LJ13) and system.kind != "python":
        what = f"is for identical particles, which {system.kind} has not"
        yield Problem(where, model.kind, what, "Take spline_flow")
    elif isinstance(system, DW4 | LJ13) and system.spatial_dim != model.space:
        what = f"is not the dimension of the particles of {system.kind}"
        remedy = f"Write {system.spatial_dim}" if system.spatial_dim > 1 else "Take spline_flow"
        yield Problem(("model", "space"), model.space, what, remedy)


def _score(campaign: Campaign, model: Score, use: ModelUse) -> Iterator[Problem]:
    """Its noise, its sampler and its label, in the order of the file."""
    circular = [name for name, cv in campaign.cvs.items() if cv.is_periodic]
    if model.noise == "vp" and use.variables == "cvs" and circular:
        what = f"cannot noise the periodic CV {circular[0]}"
        yield Problem(("model", "noise"), "vp", what, "Take edm or ve")
    if model.sampler != "ode" and use.exact:
        what = "draws from another density than the model tells, and a Metropolis test needs it"
        yield Problem(("model", "sampler"), model.sampler, what, "Take ode")
    if model.churn and model.sampler != "heun":
        what = f"is noise that the sampler {model.sampler} does not add back"
        yield Problem(("model", "churn"), model.churn, what, "Take sampler: heun, or leave it out")
    if model.unconditional and use.label == "none":
        what = "has no meaning here: the model has no label"
        yield Problem(("model", "unconditional"), model.unconditional, what, "Leave it out")
