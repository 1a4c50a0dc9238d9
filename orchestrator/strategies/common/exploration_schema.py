"""What strategies with a proposal model share: the search for states, and the broad proposals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from msgen.orchestrator.schema.problems import Path, Problem
from msgen.orchestrator.schema.quantities import AutoSteps, Section

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

Broad = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""Share ε of broad proposals in q = (1−ε)·model + ε·broad; it bounds the weights."""


EXPLORERS: Path = ("strategy", "explore", "explorers")


class Explorers(Section):
    """Walkers sent where a learnt model of the dynamics goes from every state that is known."""

    run: str = Field(alias="from", min_length=1)
    """Run directory of a finished campaign of strategy dynamics; relative to this file. Whole
    snippets: of the same CVs. Steps: of the same molecule. Its temperature and surroundings may be
    others."""
    paths: int = Field(default=64, ge=1)
    """Roll-outs of a round, which ask for no energy."""
    frames: AutoSteps = "auto"
    """Of each; auto: those of one snippet, or of as many steps as the trajectories learnt from."""
    walkers: int = Field(default=16, ge=1)
    """Pushed to where these went, the rather the farther from all that was seen; each costs as much
    as a push."""
    rounds: int = Field(default=5, ge=1)
    """At the most; the first that shows no state is the last, unless a named one is missing."""

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
        """Energy evaluations of a search, where a free step takes `each`."""
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
    if explore.explorers is not None and campaign.extend != "off":
        what = "go ahead along the CVs given, and `extend: auto` may bring more"
        remedy = "Leave out explorers, or write extend: off"
        yield Problem(EXPLORERS, explore.explorers.run, what, remedy)


def _finding_states(campaign: Campaign) -> str:
    """What to write for strategies that need no search."""
    written = (section.finds_states_as for section in campaign.strategy_sections().values())
    return " or ".join(text for text in written if text is not None)
