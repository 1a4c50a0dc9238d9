"""What strategies with a proposal model share: the search for states, and the broad proposals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import Section

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

Broad = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""Share ε of broad proposals in q = (1−ε)·model + ε·broad; it bounds the weights."""


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

    def evaluations(self, each: int) -> int:
        """Energy evaluations of a search, where a free step takes `each`."""
        return self.pushes * (self.push_steps + self.relax_steps * each)


def explore_problems(campaign: Campaign, explore: ExploreSpec, chain: bool) -> Iterator[Problem]:
    """Without pushes only a chain finds other states than the one it starts in."""
    if explore.pushes == 0 and not chain:
        what = "leaves every replica in the state of the start structure"
        remedy = f"Give 64, or take strategy: {_finding_states(campaign)}: its moves find states"
        yield Problem(("strategy", "explore", "pushes"), 0, what, remedy)


def _finding_states(campaign: Campaign) -> str:
    """What to write for strategies that need no search."""
    written = (section.finds_states_as for section in campaign.strategy_sections().values())
    return " or ".join(text for text in written if text is not None)
