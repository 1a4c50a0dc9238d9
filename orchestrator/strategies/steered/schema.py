"""The section of the steered strategy, and its `path:`: how CVs are driven from λ₀ to λ_N."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import (
    AutoOrZero,
    AutoQuantity,
    AutoSteps,
    FreeEnergyOrZero,
    Section,
    Width,
    plain_field,
    problem,
)
from msgen.orchestrator.strategies.base import ModelUse, StrategySection, Timed, or_own, per_cv
from msgen.orchestrator.strategies.common.exploration_schema import Broad, Explorers, ExploreSpec
from msgen.orchestrator.strategies.common.rounds import MASS_ROUNDS
from msgen.orchestrator.strategies.steered import rules

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.systems.base import CVSet, System


MOST_READINGS = 128
"""Of one path; each is kept in the store."""


def _read_readings(value: object) -> object:
    if value == "auto":
        return value
    if value in (False, "off"):  # YAML makes a boolean of `off`; 0 is its resolved form
        return 0
    most = f"Write auto, off, or an even number up to {MOST_READINGS}"
    if isinstance(value, bool) or not isinstance(value, int) or value < 2:
        raise problem("is no number of readings", most)
    if value % 2:
        raise problem("is odd: readings lie in pairs about the middle of a path", most)
    if value > MOST_READINGS:
        raise problem("is too many readings of one path", most)
    return value


Readings = Annotated[
    int | Literal["auto"],
    *plain_field(
        _read_readings,
        {
            "anyOf": [
                {"enum": ["auto", "off", False, 0]},
                {"type": "integer", "minimum": 2, "maximum": MOST_READINGS, "multipleOf": 2},
            ]
        },
    ),
]
"""`auto`, `off` (0 when resolved) or an even number."""

FIT_ROUNDS = (0, 2)
"""Rounds of the adaptation in which a fit begins, after the first local samples and the masses."""


class PathSpec(Section):
    """The switching path of a steered move."""

    scheme: Literal["extended", "moving", "symmetric", "coin_flip", "asymmetric"] = "extended"
    """extended: restraints pull the CVs after λ; the others hold them exactly at λ. moving: λ moves
    during each step, one force a step. symmetric, coin_flip, asymmetric: it moves between steps."""
    inner: Literal["unadjusted", "metropolised"] = "unadjusted"
    """Whether steps between moves of λ are tested (symmetric, coin_flip) or their error is booked
    as work."""
    steps: AutoSteps = "auto"
    """Steps of one path; auto: grows with the CV distance and is tuned for cost per crossing."""
    friction: AutoOrZero = "auto"
    """Friction on the path, 0 for none; auto: tuned."""
    timestep: AutoQuantity = "auto"
    """auto: tuned; for a molecule with the scheme extended that of the local sampling. Without a
    unit for an analytic system."""
    dynamics: Literal["inertial", "overdamped"] = "inertial"
    """Weakly damped switching takes far fewer steps per crossing than overdamped."""
    width: Width = "auto"
    """σ of g(λ|ξ), one for all CVs or one per CV name; auto: from the local fluctuations. For the
    scheme extended."""
    tuning: float = Field(default=0.15, ge=0.0, le=1.0)
    """Largest share of the evaluations that the campaign is expected to spend that adaptation may
    take for the sake of its paths; 0: no more than it takes without."""
    profile: Readings = "auto"
    """Points of a path, an even number, where CV and work are read for F along the whole CV; auto:
    16 where there is one CV; off: none."""


class Places(Section):
    """Places of a density in CV space, wherever the walker is."""

    kind: Literal["independence"]


class LearntDynamics(Section):
    """Where a learnt dynamics of the CVs is a lag later, from where the walker is."""

    kind: Literal["dynamics"]
    lags: list[Annotated[int, Field(ge=1)]] = Field(min_length=1)
    """Local steps that a step of the model stands for; one of them is drawn for each path,
    evenly. Multiples of output.stride."""


Proposal = Annotated[Places | LearntDynamics, Field(discriminator="kind")]


class Steered(StrategySection):
    """CV flow and steered (Jarzynski–Crooks) moves between the states."""

    uses_dense_metric: ClassVar[bool] = True
    resizes: ClassVar[bool] = True
    finds_states_as: ClassVar[str | None] = "{kind: steered, stratify: off}"

    extends: ClassVar[str | None] = None

    works_on_points: ClassVar[bool] = True

    kind: Literal["steered"]
    path: PathSpec = Field(default_factory=PathSpec)
    broad: Broad = 0.1
    """Share of broad proposals."""
    proposal: Proposal = Field(default_factory=lambda: Places(kind="independence"))
    """Where paths go to. independence: a density of CV space. dynamics: one of where the CVs are a
    lag later, learnt from the local moves; for stratify: off and flatten: 0 kT."""
    stratify: bool = True
    """Replicas spread over the states and bridged by BAR; off: one Metropolis chain over all."""
    flatten: FreeEnergyOrZero = 8.0
    """Height up to which the frozen model bias flattens the local sampling; 0 kT is off."""
    lag: int = Field(default=1, ge=1, le=100)
    """Round r proposes with the model fitted on rounds up to r − lag."""
    explore: ExploreSpec = Field(default_factory=ExploreSpec)

    def model_use(self, campaign: Campaign) -> ModelUse:
        if isinstance(self.proposal, LearntDynamics):
            # of each place one density, conditional on it
            return ModelUse("cvs", "window")
        return ModelUse("cvs", "state" if self.stratify else None)

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.steered_problems(campaign, self)

    def model_problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.label_problems(campaign, self)

    def timed(self) -> Iterator[Timed]:
        yield from super().timed()
        yield ("strategy", "path", "timestep"), self.path.timestep, "time"
        yield ("strategy", "path", "friction"), self.path.friction, "rate"

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        return rules.exact_path_problems(campaign, self, system, cvs)

    def spec(self, campaign: Campaign) -> dict[str, Any]:
        spec = super().spec(campaign)
        path, local = spec["path"], spec["local"]
        if not campaign.batched and path["scheme"] == "extended":
            own = local.get("timestep", campaign.own_step[0])
            path["timestep"] = or_own(path["timestep"], own)
        path["width"] = per_cv(path["width"], campaign)
        return spec

    def along_more(self, name: str) -> dict[str, Any]:
        """One chain over all: replicas that stay in one state would not cross along `name`."""
        tree = super().along_more(name)
        width = tree["path"]["width"]
        if isinstance(width, dict):
            tree["path"]["width"] = "auto"
        tree["path"]["profile"] = "auto"  # of one CV only
        return {**tree, "stratify": False}

    @property
    def kept_samples(self) -> int:
        # numpy comes with them
        from msgen.orchestrator.strategies.steered.flattening import KEEP
        from msgen.orchestrator.strategies.steered.sightings import MOST

        return KEEP * 2 * MOST

    def most_strata(self, campaign: Campaign) -> int:
        if not self.stratify:
            return 1
        from msgen.orchestrator.strategies.common.basins import MAX_BASINS  # scipy comes with it

        named = campaign.state_names
        return MAX_BASINS if named is None else len(named)

    @property
    def sends_ahead(self) -> Explorers | None:
        return self.explore.explorers

    def search_evaluations(self, campaign: Campaign) -> int:
        return self.explore.evaluations(self.local.evaluations // self.local.steps)

    def least_adaptation(self, campaign: Campaign) -> int:
        # masses, both fits, and paths of the second one
        return (MASS_ROUNDS if campaign.batched else 1) + FIT_ROUNDS[-1] + 1

    def round_in_words(self, campaign: Campaign) -> str:
        steps = self.path.steps
        length = "tuned" if steps == "auto" else f"{steps:,} evaluations"
        each = super().round_in_words(campaign)
        return f"1 to 8 times {each} at first, and steered paths ({length} each)"
