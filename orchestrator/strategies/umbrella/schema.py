"""The section of the umbrella strategy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import (
    SEVERAL,
    AutoCount,
    Section,
    Width,
    plain_field,
    problem,
    read_quantity,
)
from msgen.orchestrator.schema.units import Quantity
from msgen.orchestrator.strategies.base import ModelUse, StrategySection, per_cv
from msgen.orchestrator.strategies.common.exploration_schema import Broad
from msgen.orchestrator.strategies.common.rounds import BLOCKS
from msgen.orchestrator.strategies.umbrella import rules

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import CVSet, System


def _read_windows(value: object) -> object:
    if value == "auto":
        return value
    if not isinstance(value, dict) or not value:
        raise problem("names no CV", "Write auto, or {phi: 24}, or {phi: [-90 deg, -75 deg, …]}")
    out: dict[str, int | tuple[Quantity, ...]] = {}
    for name, asked in value.items():
        if isinstance(asked, list | tuple) and len(asked) > 1:
            out[str(name)] = tuple(read_quantity(v) for v in asked)
        elif isinstance(asked, int) and not isinstance(asked, bool) and asked > 1:
            out[str(name)] = asked
        else:
            what = f"{name}: {asked} is neither a number of windows nor a list of centres"
            raise problem(what, "Write at least 2 windows, or at least two centres")
    return out


WindowsSpec = Annotated[
    Literal["auto"] | dict[str, int | tuple[Quantity, ...]],
    *plain_field(
        _read_windows,
        {
            "anyOf": [
                {"const": "auto"},
                {"type": "object", "additionalProperties": SEVERAL, "minProperties": 1},
            ],
            "examples": ["auto", {"phi": 24}, {"z": [0.5, 1.0, 1.5]}],
        },
    ),
]
"""`auto`, or by CV name a number of windows or their centres; see `rules`."""

SETTLE = 2
"""Rounds after walkers were seeded that do not count."""


class SeedTraining(Section):
    """What the first model of the windows learns from."""

    steps: int = Field(default=20_000, ge=0)
    """Free steps of each walker, held by no window."""
    file: str | None = Field(default=None, min_length=1)
    """Configurations to learn from as well: an .npz file with `positions`, shape (n, D) or
    (n, atoms, 3) in nm."""


class Umbrella(StrategySection):
    """Windows along the CVs, seeded by a conditional model, joined by MBAR."""

    defaults: ClassVar[Mapping[str, object]] = {"replicas": 4, "model": {"kind": "score"}}

    stretches: ClassVar[int] = BLOCKS
    resizes: ClassVar[bool] = True
    extends: ClassVar[str | None] = None
    kind: Literal["umbrella"]
    windows: WindowsSpec = "auto"
    """auto: evenly over the range of every CV, more where neighbours do not overlap. A number is
    kept where `width` is given; at our own width it is how many there are at first."""
    width: Width = "auto"
    """σ of a window, its restraint being kT (ξ−λ)²/2σ²; auto: half the spacing, and along one CV
    half of that, again and again, where one holds two wells or neighbours hardly meet."""
    seeds: Literal["model", "neighbour"] = "model"
    """Where a window's walkers start: the model's samples at the window, or its neighbour's end."""
    exchange: bool = True
    """Whether neighbouring windows exchange configurations (Metropolis)."""
    global_steps: AutoCount = "auto"
    """Moves of the model inside a window after each stretch of local steps; auto: 1 where the model
    has the whole configuration of an analytic system, else 0."""
    broad: Broad = 0.1
    """Share of broad proposals in these moves."""
    turns: int = Field(default=4, ge=0, le=100)
    """Times that all walkers start again from a better model before production."""
    training: SeedTraining = Field(default_factory=SeedTraining)
    coordinates: Literal["auto", "cartesian", "internal", "aligned", "aligned_heavy"] = "auto"
    """What the model sees of a configuration; auto: internal for a molecule, aligned for several,
    cartesian of what has no atoms."""
    minimise: int = Field(default=50, ge=0)
    """Steps of minimisation of a molecule's seed."""
    relax: int = Field(default=1000, ge=1)
    """Steps of a seed in its window before it counts as one."""
    lag: int = Field(default=1, ge=1, le=100)
    """Round r uses the model fitted on rounds up to r − lag."""

    @property
    def uses_model(self) -> bool:
        return self.seeds == "model"

    def model_use(self, campaign: Campaign) -> ModelUse:
        unmoved = self.global_steps == 0 or not campaign.batched
        label: Literal["window"] | None = "window" if self.seeds == "model" else None
        return ModelUse("conditional", label, exact=not unmoved)

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.umbrella_problems(campaign, self)

    def model_problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.noise_problems(campaign, self)

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        return rules.seed_problems(campaign, self, base_dir, system)

    def along_more(self, name: str) -> dict[str, Any]:
        """With windows along `name` as well, as many as `auto` begins with along one of two."""
        from msgen.orchestrator.strategies.umbrella.windows import FIRST  # numpy comes with it

        tree = super().along_more(name)
        if isinstance(tree["windows"], dict):
            tree["windows"] = {**tree["windows"], name: FIRST[2]}
        if isinstance(tree["width"], dict):
            tree["width"] = "auto"
        return tree

    def spec(self, campaign: Campaign) -> dict[str, Any]:
        spec = super().spec(campaign)
        spec["width"] = per_cv(spec["width"], campaign)
        if spec["global_steps"] == "auto":
            own_moves = 1 if campaign.batched else 0
            spec["global_steps"] = own_moves if self.seeds == "model" else 0
        return spec

    def replicas_in_words(self, campaign: Campaign) -> str:
        return f"{campaign.replicas} walkers in each window, windows: {self._windows()}"

    def _windows(self) -> str:
        if self.windows == "auto":
            return "placed over the range of the CVs, more where they do not overlap"
        counts = {n: w if isinstance(w, int) else len(w) for n, w in self.windows.items()}
        said = " × ".join(f"{number} along {name}" for name, number in counts.items())
        number = all(isinstance(w, int) for w in self.windows.values()) and self.width == "auto"
        return f"{said}, more where they do not overlap" if number else said

    def search_evaluations(self, campaign: Campaign) -> int:
        return self.walkers(campaign) * self.relax * (self.local.evaluations // self.local.steps)

    def walkers(self, campaign: Campaign) -> int:
        if self.windows == "auto":
            # two along each CV: they are still to be placed
            return campaign.first_replicas * int(2 ** len(campaign.cvs))
        counts = (w if isinstance(w, int) else len(w) for w in self.windows.values())
        return campaign.first_replicas * math.prod(counts)

    def least_adaptation(self, campaign: Campaign) -> int:
        return SETTLE

    def round_in_words(self, campaign: Campaign) -> str:
        return f"10 times {super().round_in_words(campaign)} for each window"
