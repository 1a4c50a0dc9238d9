"""What strategies with a proposal model share: the search for states, and the broad proposals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from msgen.orchestrator.schema.model_kinds import ModelSpec
from msgen.orchestrator.schema.problems import Path, Problem
from msgen.orchestrator.schema.quantities import AutoSteps, Section, problem
from msgen.orchestrator.schema.trajectory_models import SHORTEST, TrajectoryDiffusion

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

Broad = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""Share ε of broad proposals in q = (1−ε)·model + ε·broad; it bounds the weights."""


EXPLORERS: Path = ("strategy", "explore", "explorers")
DYNAMICS = ("langevin", "overdamped")
"""Kinds of local moves that are a dynamics in time."""


class Learn(Section):
    """A model of the dynamics that the search fits by itself."""

    model: ModelSpec
    """trajectory_diffusion, or of a molecule step_diffusion; the campaign's `model:` is another."""
    frames: int = Field(default=64, ge=SHORTEST)
    """For which each replica is followed before each fit, output.stride steps apart; fits see all
    that was followed."""


class Explorers(Section):
    """Walkers sent where a learnt model of the dynamics goes from every state that is known."""

    run: str | None = Field(default=None, alias="from", min_length=1)
    """Run directory of a finished campaign of strategy dynamics; relative to this file. Whole
    snippets: of the same CVs. Steps: of the same molecule. Its temperature and surroundings may be
    others."""
    learn: Learn | None = None
    """Instead: the search fits a model to walkers that it follows from every known state."""
    paths: int = Field(default=64, ge=1)
    """Roll-outs of a round, which ask for no energy."""
    frames: AutoSteps = "auto"
    """Of each; auto: those of one snippet, or of as many steps as the trajectories learnt from."""
    walkers: int = Field(default=16, ge=1)
    """Pushed to where these went, the rather the farther from all that was seen; each costs as much
    as a push."""
    rounds: int = Field(default=5, ge=1)
    """At the most: until all states with a name are found, or else until one shows no new state."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.run is None) == (self.learn is None):
            what = "are both missing" if self.run is None else "are both given"
            raise problem(f"from and learn: {what}", "Give one of the two", at=("from",))
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        tree: dict[str, Any] = write(self)
        return {"from": tree.pop("run"), **tree}


class ExploreSpec(Section):
    """The search for states nobody has seen, before any move is tested."""

    pushes: int = Field(default=64, ge=0)
    """Short hard pushes to targets spread over the CV range. 0 for a steered chain (stratify: off)
    that finds its states by itself, through its broad proposals."""
    push_steps: int = Field(default=250, ge=1)
    """Steps of one push."""
    relax_steps: int = Field(default=500, ge=0)
    """Free steps after it."""
    isomers: Literal["exclude", "include"] = "exclude"
    """Whether seeds with a flipped peptide bond or chiral centre count as states."""
    explorers: Explorers | None = None
    """A learnt dynamics that goes ahead, after the pushes or in their place."""

    def evaluations(self, each: int) -> int:
        """Energy evaluations of a search at the least, where a free step takes `each`."""
        # of roll-outs one round at the least
        walkers = self.pushes + (0 if self.explorers is None else self.explorers.walkers)
        return walkers * (self.push_steps + self.relax_steps * each)


def explore_problems(campaign: Campaign, explore: ExploreSpec, chain: bool) -> Iterator[Problem]:
    """Without pushes only a chain finds other states than the one it starts in."""
    yield from explorer_problems(campaign, explore)
    if explore.pushes == 0 and explore.explorers is None and not chain:
        what = "leaves every replica in the state of the start structure"
        remedy = f"Give 64, or take strategy: {_finding_states(campaign)}: its moves find states"
        yield Problem(("strategy", "explore", "pushes"), 0, what, remedy)


def explorer_problems(campaign: Campaign, explore: ExploreSpec) -> Iterator[Problem]:
    """What goes ahead knows the CVs that it has learnt, and no more."""
    section = explore.explorers
    if section is None:
        return
    if campaign.extend != "off":
        what = "go ahead along the CVs given, and `extend: auto` may bring more"
        yield Problem(EXPLORERS, "explorers", what, "Leave out explorers, or write extend: off")
    if section.learn is None:
        return
    model, at = section.learn.model, (*EXPLORERS, "learn")
    if campaign.strategy.local.kind not in DYNAMICS:
        what, remedy = "are moves, and no dynamics in time to learn", "Take langevin or overdamped"
        where = ("strategy", "local", "kind")
        yield Problem(where, campaign.strategy.local.kind, what, remedy)
    if model.learns == "density":
        what = "learns a density, and explorers need a model of dynamics"
        yield Problem((*at, "model", "kind"), model.kind, what, "Take trajectory_diffusion")
    if model.learns == "steps" and not campaign.has_atoms:
        what = f"learns steps of a molecule, and {campaign.system.kind} has no atoms"
        yield Problem((*at, "model", "kind"), model.kind, what, "Take trajectory_diffusion")
    if isinstance(model, TrajectoryDiffusion) and model.length[1] > section.learn.frames:
        what = f"is less than the {model.length[1]} frames of a snippet (model.length)"
        remedy = "Follow them for longer, or take a shorter snippet"
        yield Problem((*at, "frames"), section.learn.frames, what, remedy)


def _finding_states(campaign: Campaign) -> str:
    """What to write for strategies that need no search."""
    written = (section.finds_states_as for section in campaign.strategy_sections().values())
    return " or ".join(text for text in written if text is not None)
