"""What a kind of strategy says of itself, so that nothing else has to know all kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, ValidationError

from msgen.orchestrator.schema.problems import Path as Where
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import Section
from msgen.orchestrator.schema.units import Dimension
from msgen.orchestrator.strategies.common.local_schema import GHMC, Langevin, LocalSpec

if TYPE_CHECKING:
    from msgen.orchestrator.base import Array, Strategy, Tree
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.common import inputs
    from msgen.orchestrator.strategies.common.exploration_schema import Explorers
    from msgen.orchestrator.strategies.common.finished_run import FinishedRun
    from msgen.orchestrator.strategies.common.learnt_run import LearntRun
    from msgen.orchestrator.strategies.common.reweighting import StoredSamples
    from msgen.systems.base import CVSet, System

Timed = tuple[Where, object, Dimension]
"""Where a value stands, the value, and its dimension where the system has units."""


@dataclass(frozen=True)
class ModelUse:
    """What a strategy asks of the campaign's model.

    Attributes
    ----------
    variables : {'none', 'cvs', 'conditional', 'configurations', 'solute', 'particles', \
'trajectories'}
        What it models; 'conditional': configurations, given the CVs; 'particles': those of atoms
        without bonds; of 'trajectories' none tells a density.
    label : {'state', 'window', 'none'} or None
        What it holds one density each for; None: it is not said.
    exact : bool
        Whether a Metropolis test or a weight rests on the density that it tells.
    """

    variables: Literal[
        "none", "cvs", "conditional", "configurations", "solute", "particles", "trajectories"
    ] = "none"
    label: Literal["state", "window", "none"] | None = None
    exact: bool = True


class StrategySection(Section):
    """The `strategy:` section of one kind, and what follows from it before anything is built."""

    defaults: ClassVar[Mapping[str, object]] = {}
    """What the campaign's other sections are where the file leaves them out, by their key."""
    own_local: ClassVar[str | None] = None
    """Kind of its local moves where the file has none; None: as the system would have it."""
    uses_dense_metric: ClassVar[bool] = False
    """Whether `local.metric: dense` is for it."""
    models_configurations: ClassVar[bool] = False
    """Whether its model is one of whole configurations."""
    finds_states_as: ClassVar[str | None] = None
    """What to write where its own moves shall find the states; None: they do not."""

    borrows_free_energies: ClassVar[bool] = False
    """Whether its free energies are those of the exact run that it begins with."""
    stretches: ClassVar[int] = 1
    """Of local moves in a round of production, at the least."""
    resizes: ClassVar[bool] = False
    """Whether its walkers may be at constant pressure."""
    extends: ClassVar[str | None] = "it does not move along the CVs"
    """Why more CVs are no remedy for what is hidden from those given; None: they are one."""

    only_openmm: ClassVar[bool] = False
    """Whether it is for what OpenMM moves."""
    arrives: ClassVar[bool] = False
    """Whether replicas fill the states on their way into equilibrium, which does not count."""
    works_on_points: ClassVar[bool] = False
    """Whether it needs no grid of all CVs, so that there may be many, and surfaces asked for."""

    kind: str
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """By default langevin for molecules, hmc for analytic systems."""

    @property
    def uses_model(self) -> bool:
        """Whether anything is ever fitted."""
        return True

    def model_use(self, campaign: Campaign) -> ModelUse:
        """What is asked of the model, so that one that cannot do it is refused."""
        return ModelUse()

    def nested(self, campaign: Campaign) -> Mapping[str, Campaign]:
        """Campaigns of other strategies that it runs inside itself, by their names."""
        return {}

    def beside(self, campaign: Campaign) -> Mapping[str, Campaign]:
        """Campaigns of other systems whose orders go along with its own, by their names."""
        return {}

    def unreadable(self, campaign: Campaign) -> Mapping[str, ValidationError]:
        """Those of them that cannot be, by their names."""
        return {}

    def placed_inside(self, name: str, problems: Iterable[Problem]) -> list[Problem]:
        """Problems of one of them, where they stand in the file of this one."""
        return list(problems)

    def settled(self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet) -> Campaign:
        """The campaign with what only the system and the CVs decide of its strategy written out."""
        return campaign

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        """What does not agree with the rest of the campaign, in the order of the file."""
        return iter(())

    def model_problems(self, campaign: Campaign) -> Iterator[Problem]:
        """What the model lacks beyond that which `model_use` says."""
        return iter(())

    def timed(self) -> Iterator[Timed]:
        """Values whose dimension depends on whether the system has units."""
        if isinstance(self.local, Langevin | GHMC):
            yield ("strategy", "local", "timestep"), self.local.timestep, "time"
            yield ("strategy", "local", "friction"), self.local.friction, "rate"

    def checks(
        self, campaign: Campaign, base_dir: Path, system: System, cvs: CVSet
    ) -> list[Problem]:
        """What only the system and the CVs can tell, before anything starts.

        Raises
        ------
        SpecError
        """
        return []

    def checks_together(self, campaign: Campaign, systems: Mapping[str, System]) -> list[Problem]:
        """What only its system, '', and those that go along can tell, once each is in order."""
        return []

    @property
    def begins_with(self) -> tuple[Where, str] | None:
        """Where the run directory of a finished campaign that it needs is named, and its name."""
        return None

    @property
    def sends_ahead(self) -> Explorers | None:
        """The learnt dynamics that goes ahead where states are looked for."""
        return None

    def learnt_run(self, campaign: Campaign, kept: Tree) -> LearntRun | None:
        """What a run of it that has `kept` this has learnt of the dynamics; None: it does not."""
        return None

    def first(self, campaign: Campaign) -> Campaign | None:
        """A campaign that runs before this one, in a folder of its run directory; None: none.

        Raises
        ------
        pydantic.ValidationError
            If the file says it wrongly.
        """
        return None

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems of that campaign, where they stand in the file of this one."""
        return list(problems)

    def after_first(self, campaign: Campaign, run_dir: Path) -> Campaign:
        """The campaign as it goes on when that is done, in `run_dir`."""
        return campaign

    def admit(self, campaign: Campaign, run: FinishedRun, system: System) -> None:
        """See that it can begin with that run.

        Raises
        ------
        SpecError
        """

    def spec(self, campaign: Campaign) -> dict[str, Any]:
        """The section in internal units; see `Campaign.spec_strategy`."""
        spec = self.model_dump()
        local = spec["local"]
        if "timestep" in local:
            timestep, friction = campaign.own_step
            local["timestep"] = or_own(local["timestep"], timestep)
            local["friction"] = or_own(local["friction"], friction)
        return spec

    def along_more(self, name: str) -> dict[str, Any]:
        """The section where the CV `name` comes beside those given; see `extends`."""
        return self.model_dump(mode="json", context={"units": True})

    def replicas_in_words(self, campaign: Campaign) -> str:
        """The replicas, as ``--dry-run`` tells them."""
        asked = campaign.replicas
        return str(asked) if isinstance(asked, int) else f"{asked.min}, up to {asked.max}"

    def round_in_words(self, campaign: Campaign) -> str:
        """What a round costs, as ``--dry-run`` tells it."""
        steps = campaign.first_replicas * self.local.evaluations
        return f"{steps:,} energy evaluations of local sampling"

    def search_evaluations(self, campaign: Campaign) -> int:
        """Energy evaluations before the first round of sampling, at the least."""
        return 0

    def walkers(self, campaign: Campaign) -> int:
        """That move in every round, at the least."""
        return campaign.first_replicas

    @property
    def kept_samples(self) -> int:
        """Samples of a stratum that the adaptation keeps where there is no grid of all CVs."""
        return 0

    def most_strata(self, campaign: Campaign) -> int:
        """Parts of CV space in which replicas are kept, at the most."""
        return 1

    def stretch(self, campaign: Campaign) -> int:
        """Energy evaluations of a stretch of local moves of all walkers."""
        return self.walkers(campaign) * self.local.evaluations

    def least_adaptation(self, campaign: Campaign) -> int:
        """Rounds of the adaptation, of a stretch of local moves each, at the least."""
        return 1

    def least_production(self) -> int:
        """Rounds of production, of `stretches` each, before it can be over."""
        from msgen.orchestrator.convergence.looks import LEAST_ROUNDS  # numpy comes with it

        return LEAST_ROUNDS + int(self.arrives)

    def least_rounds(self, campaign: Campaign) -> int:
        """Rounds of all, before it can be over."""
        search = int(self.search_evaluations(campaign) > 0)
        return search + self.least_adaptation(campaign) + self.least_production()


def _by_cells(samples: StoredSamples) -> Array:
    from msgen.orchestrator.strategies.common.reweighting import by_cells  # numpy comes with it

    left_out = samples.estimate.diagnostics.get("rounds_left_out", 0)
    return by_cells(samples, int(left_out))


def _always(campaign: Campaign, platform: str | None) -> bool:
    return True


@dataclass(frozen=True)
class Mend:
    """A change of what campaigns sample, by which runs begun before it are told.

    Attributes
    ----------
    key : str
        What provenance knows it by.
    about : str
        What was wrong, to complete "begun before it was mended that …".
    touches : callable
        From the campaign and the OpenMM platform that it runs on (None: no platform) to whether
        its samples are others since; by default those of every campaign are.
    """

    key: str
    about: str
    touches: Callable[[Campaign, str | None], bool] = _always


@dataclass(frozen=True)
class StrategyKind:
    """One kind of strategy; a plug-in names one as its entry point.

    Attributes
    ----------
    name : str
        The ``kind:`` of its section.
    section : type of StrategySection
        The only place with its defaults, and the one that validates.
    build : callable
        ``build(problem, system, campaign) -> Strategy``. What it needs is imported when it is
        called: a campaign file is checked without torch and OpenMM.
    samples : tuple of str
        Order kinds whose stored ``cvs`` are samples of the local moves; the first of them that the
        store has is exported.
    reweight : callable
        Equilibrium weights of these samples, shape (n,): they sum to 1, and what does not count
        weighs nothing.
    roles : Mapping of str to str
        Order kinds of its own, and the functions that do them, as ``package.module:function``; see
        `msgen.actors.roles.registry` for those that every worker knows. Kinds that begin with
        ``fit_`` run where fits do.
    overlap : str
        What ``overlap`` in its diagnostics is of, as the progress block calls it.
    runs_on : bool
        Whether what a replica stores runs on from order to order as one trajectory of the local
        moves, without a bias and without any other move: `msgen dynamics` then tells its times.
    keeps_velocities : bool
        Whether its velocities do, too, and are not drawn anew at the beginning of orders.
    probes_inside : bool
        Whether it makes the probes of the strategies that it runs inside itself.
    mends : tuple of Mend
        Of its own sampling; see `run_directory.sampling_rules` for those of several kinds.
    """

    name: str
    section: type[StrategySection]
    build: Callable[[inputs.Problem, System, Campaign], Strategy[Any]]
    samples: tuple[str, ...] = ("sample",)
    reweight: Callable[[StoredSamples], Array] = _by_cells
    roles: Mapping[str, str] = field(default_factory=dict)
    overlap: str = "worst overlap of works"
    runs_on: bool = False
    keeps_velocities: bool = False
    probes_inside: bool = False
    mends: tuple[Mend, ...] = ()


def or_own(value: float | str, own: float) -> float:
    """A value in internal units, or `own` where it is 'auto'."""
    return own if isinstance(value, str) else value


def per_cv(width: object, campaign: Campaign) -> object:
    """One width for all CVs, said for each of them; anything else as it is."""
    return dict.fromkeys(campaign.cvs, width) if isinstance(width, float) else width
