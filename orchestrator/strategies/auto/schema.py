"""The section of the `auto` strategy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import plain_field, problem
from msgen.orchestrator.strategies.auto import candidates
from msgen.orchestrator.strategies.base import ModelUse, StrategySection

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import CVSet, System

_REMEDY = "Write auto, or sections by kind, as {steered: {}, umbrella: {replicas: 2}}"


def _read(value: object) -> object:
    if value == "auto":
        return value
    if isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values()):
        return {str(name): section for name, section in value.items()}
    raise problem("names no strategies", _REMEDY)


Strategies = Annotated[
    Literal["auto"] | dict[str, dict[str, Any]],
    *plain_field(
        _read,
        {
            "anyOf": [
                {"const": "auto"},
                {
                    "type": "object",
                    "additionalProperties": {"type": "object"},
                    "minProperties": 1,
                },
            ],
            "examples": ["auto", {"steered": {}, "umbrella": {"replicas": 2}}],
        },
    ),
]
"""`auto`, or the sections of those to try by their kind."""


class Auto(StrategySection):
    """Short trials of other strategies, then whichever is projected to converge the soonest."""

    works_on_points: ClassVar[bool] = True
    resizes: ClassVar[bool] = True
    extends: ClassVar[str | None] = "what moves along the CVs is chosen on the way"

    kind: Literal["auto"]
    strategies: Strategies = "auto"
    """Strategies to try, each with the keys of its section, and `replicas` and `model` of its own;
    auto: all that this system, its CVs and `surfaces` allow, as they are by default."""
    trials: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.25
    """Largest share that trials may take of the evaluations that the chosen strategy is expected to
    spend."""

    @property
    def named(self) -> Mapping[str, Mapping[str, Any]] | None:
        """The sections that the file has; None for all that can be."""
        return self.strategies if isinstance(self.strategies, dict) else None

    def model_use(self, campaign: Campaign) -> ModelUse:
        return ModelUse(exact=False)

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        yield from candidates.problems(campaign, self)

    def nested(self, campaign: Campaign) -> Mapping[str, Campaign]:
        return candidates.parsed(campaign, self)[0]

    def unreadable(self, campaign: Campaign) -> Mapping[str, ValidationError]:
        found, wrong = candidates.parsed(campaign, self)
        # where nothing is named, one that cannot be is not meant, unless none can be
        return wrong if self.named is not None or not found else {}

    def placed_inside(self, name: str, problems: Iterable[Problem]) -> list[Problem]:
        return list(candidates.placed(name, problems))

    def settled(self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet) -> Campaign:
        if self.named is not None:
            return campaign
        kept = candidates.able(campaign, self, base_dir, system, cvs)
        tree = campaign.to_dict()
        section = {**tree["strategy"], "strategies": {name: {} for name in kept}}
        return type(campaign).parse({**tree, "strategy": section})

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        if self.named is None:
            if candidates.able(campaign, self, base_dir, system, cvs):
                return []
            what = "finds no strategy for this system"
            return [Problem(("strategy", "kind"), self.kind, what, "Name one, to see why")]
        found = self.nested(campaign)
        against = [
            problem
            for name, one in found.items()
            for problem in candidates.placed(name, candidates.checked(one, base_dir, system, cvs))
        ]
        for name in self.named:
            if name not in found:
                what = "does not fit this campaign"
                against.append(Problem((*candidates.FIELD, name), name, what, "Leave it out"))
        return against

    def replicas_in_words(self, campaign: Campaign) -> str:
        each = self.nested(campaign).items()
        return "; ".join(f"{name}: {c.strategy.replicas_in_words(c)}" for name, c in each)

    def round_in_words(self, campaign: Campaign) -> str:
        return f"of one of {', '.join(self.nested(campaign))}, whichever promises most"
