"""The section of the metadynamics strategy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import FreeEnergy, Width
from msgen.orchestrator.strategies.base import StrategySection, per_cv
from msgen.orchestrator.strategies.common.local_schema import Langevin, LocalSpec
from msgen.orchestrator.strategies.common.rounds import BLOCKS
from msgen.orchestrator.strategies.metadynamics import rules

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

LOOKS = (16, 32, 64, 128, 256, 512)
"""Rounds of growth after which the bias is held against the one at half that time. Each is one
stretch of local steps long: walkers hear of one another's hills after it."""


class Metadynamics(StrategySection):
    """Well-tempered metadynamics through OpenMM, its bias frozen in production; molecules."""

    extends: ClassVar[str | None] = None
    only_openmm: ClassVar[bool] = True

    stretches: ClassVar[int] = BLOCKS
    works_on_points: ClassVar[bool] = True

    kind: Literal["metadynamics"]
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """langevin or ghmc."""
    height: FreeEnergy = 0.5
    """Height of the first hills, of each walker."""
    bias_factor: float = Field(default=10.0, gt=1, allow_inf_nan=False)
    """γ: the CVs are sampled as though at γ times the temperature."""
    width: Width = "auto"
    """σ of a hill, one for all CVs, or one for each of the CVs to bias by name (two at most); auto:
    all CVs, an eighteenth of the range of each."""
    frequency: int = Field(default=200, ge=1)
    """Steps of a walker between two hills."""

    @property
    def uses_model(self) -> bool:
        return False

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.metadynamics_problems(campaign, self)

    def spec(self, campaign: Campaign) -> dict[str, Any]:
        spec = super().spec(campaign)
        return {**spec, "width": per_cv(spec["width"], campaign)}

    def along_more(self, name: str) -> dict[str, Any]:
        """With hills along `name` as well, of the width that is taken where none is given."""
        return {**super().along_more(name), "width": "auto"}

    def least_adaptation(self, campaign: Campaign) -> int:
        return LOOKS[0]

    def round_in_words(self, campaign: Campaign) -> str:
        biased = self.width if isinstance(self.width, dict) else campaign.cvs
        each = super().round_in_words(campaign)
        return f"10 times {each}, under a bias along {' and '.join(biased)}"
