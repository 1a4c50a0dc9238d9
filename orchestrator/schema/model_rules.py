"""What a model must agree on with the rest of the campaign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.models import EquivariantFlow, FlowMatching, Score
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.strategies import FlowMCMC, Steered, Umbrella
from msgen.orchestrator.schema.targets import DW4, LJ13
from msgen.orchestrator.strategies.flow_mcmc.solute_schema import solute_problems

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign


def model_problems(campaign: Campaign) -> Iterator[Problem]:
    """Its angles and labels, and what its kind has of its own."""
    model, strategy = campaign.model, campaign.strategy
    circular = [name for name, cv in campaign.cvs.items() if cv.is_periodic]
    if not model.angles and strategy.kind == "steered" and circular:
        what = f"cannot model the periodic CV {circular[0]}"
        yield Problem(("model", "kind"), model.kind, what, "Take spline_flow or kde")
    stratified = isinstance(strategy, Steered) and strategy.stratify
    if not model.context and stratified:
        what = "cannot hold one density for each state"
        yield Problem(("model", "kind"), model.kind, what, "Take spline_flow, or stratify: off")
    if isinstance(model, Score):
        yield from _score(campaign, model)
    solute = isinstance(strategy, FlowMCMC) and strategy.solute is not None
    if isinstance(model, EquivariantFlow) and not solute:
        yield from _equivariant(campaign, model)
    if isinstance(model, FlowMatching) and model.coupling == "optimal_transport":
        labelled = isinstance(strategy, Umbrella) and strategy.seeds == "model"
        if stratified or labelled:
            what = "would let the noise depend on the label, which its base density does not"
            yield Problem(("model", "coupling"), model.coupling, what, "Take independent")


def _equivariant(campaign: Campaign, model: EquivariantFlow) -> Iterator[Problem]:
    """What it takes for particles must be particles, and all alike."""
    where, system = ("model", "kind"), campaign.system
    if campaign.strategy.kind in ("steered", "umbrella"):
        what = f"takes its variables for particles, and {campaign.strategy.kind} may model CVs"
        yield Problem(where, model.kind, what, "Take strategy: {kind: flow_mcmc}")
    elif not isinstance(system, DW4 | LJ13) and system.kind != "python":
        what = f"is for identical particles, which {system.kind} has not"
        yield Problem(where, model.kind, what, "Take spline_flow")
    elif isinstance(system, DW4 | LJ13) and system.spatial_dim != model.space:
        what = f"is not the dimension of the particles of {system.kind}"
        remedy = f"Write {system.spatial_dim}" if system.spatial_dim > 1 else "Take spline_flow"
        yield Problem(("model", "space"), model.space, what, remedy)


def _score(campaign: Campaign, model: Score) -> Iterator[Problem]:
    """Its noise, its sampler and its label, in the order of the file."""
    strategy = campaign.strategy
    windows = strategy if isinstance(strategy, Umbrella) else None
    if model.noise == "vp":
        circular = [name for name, cv in campaign.cvs.items() if cv.is_periodic]
        torsions = campaign.is_molecular and windows and windows.coordinates in ("auto", "internal")
        if strategy.kind == "steered" and circular:
            what = f"cannot noise the periodic CV {circular[0]}"
            yield Problem(("model", "noise"), "vp", what, "Take edm or ve")
        elif torsions:
            what = "cannot noise torsions, which are periodic"
            yield Problem(("model", "noise"), "vp", what, "Take edm or ve")
    if model.sampler != "ode":
        unmoved = windows and (windows.global_steps == 0 or campaign.is_molecular)
        if strategy.kind != "local" and not unmoved:
            what = "draws from another density than the model tells, and a Metropolis test needs it"
            yield Problem(("model", "sampler"), model.sampler, what, "Take ode")
    if model.churn and model.sampler != "heun":
        what = f"is noise that the sampler {model.sampler} does not add back"
        yield Problem(("model", "churn"), model.churn, what, "Take sampler: heun, or leave it out")
    if model.unconditional and strategy.kind == "flow_mcmc":
        what = "has no meaning here: the model has no label"
        yield Problem(("model", "unconditional"), model.unconditional, what, "Leave it out")


def coordinate_problems(campaign: Campaign, coordinates: str) -> Iterator[Problem]:
    """Of a model of whole configurations: what it sees of them, and whether it can."""
    where, model = ("strategy", "coordinates"), campaign.model
    if isinstance(campaign.strategy, FlowMCMC):
        yield from solute_problems(campaign, campaign.strategy)
        if campaign.strategy.solute is not None:
            return
    if coordinates == "cartesian" and campaign.is_molecular:
        what = "of a molecule depend on how it lies"
        yield Problem(where, "cartesian", what, "Take internal")
    if coordinates == "internal" and not campaign.is_molecular:
        what = f"are those of a molecule, and {campaign.system.kind} has no atoms"
        yield Problem(where, "internal", what, "Write auto")
    if campaign.is_molecular and not model.angles:
        what = "cannot model torsions, which are periodic"
        yield Problem(("model", "kind"), model.kind, what, "Take spline_flow")
