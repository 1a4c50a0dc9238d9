"""The whole campaign file, every default filled in.

`Campaign.parse` reads a plain tree; `to_dict` writes it back with units, so that reading that again
gives the same campaign; the ``spec_*`` methods give what the builders of the lower floors take:
plain dicts in internal units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from msgen.orchestrator.schema.cvs import CVSpec
from msgen.orchestrator.schema.kinds import KindOf
from msgen.orchestrator.schema.models import ModelSpec, SplineFlow
from msgen.orchestrator.schema.quantities import (
    AutoSteps,
    AutoWall,
    FreeEnergy,
    Interval,
    Section,
    Wall,
    problem,
)
from msgen.orchestrator.schema.systems import SystemSpec, kT_of
from msgen.orchestrator.strategies.base import StrategySection
from msgen.orchestrator.strategies.registry import KINDS
from msgen.systems.kinds import SYSTEM_KINDS
from msgen.systems.plugins import PluginError, Registry

if TYPE_CHECKING:
    from msgen.models.base import Json

K = TypeVar("K")
T = TypeVar("T")

REST = "rest"
"""The state that holds whatever no named state holds."""

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
_SHELF_DOF = 30_000


def _whole(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise problem("is no whole number", "Write a number like 2.0e+7")
    if value != value or value in (float("inf"), float("-inf")) or value % 1:
        raise problem("is no whole number", "Write a number like 2.0e+7")
    return int(value)


Count = Annotated[int, BeforeValidator(_whole), Field(ge=1)]

StrategySpec = Annotated[
    StrategySection,
    KindOf(KINDS, StrategySection, {name: kind.section for name, kind in KINDS.own.items()}),
]


class ReplicaRange(Section):
    """Replicas that follow the workers: more while convergence is late and workers are idle."""

    tag: ClassVar[str] = "range"

    min: Annotated[int, Field(ge=1, le=100_000)]
    """Replicas to begin with; never fewer."""
    max: Annotated[int, Field(ge=1, le=100_000)]
    """Never more."""
    within: Wall | None = None
    """Convergence wanted within this time; left out: `budget.wall`, or as soon as can be."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise problem(f"min is {self.min}, max is {self.max}", "Let min be at most max")
        return self


Replicas = Annotated[
    Annotated[int, Field(ge=1, le=100_000), Tag("number")]
    | Annotated[ReplicaRange, Tag(ReplicaRange.tag)],
    Discriminator(lambda v: "range" if isinstance(v, dict | ReplicaRange) else "number"),
]


class Resources(Section):
    """What the campaign may use of the machine or the cluster."""

    workers: AutoSteps = "auto"
    """auto: one per `cpus_per_worker` CPUs found."""
    cpus_per_worker: int = Field(default=1, ge=1)
    trainer_gpus: Literal["auto"] | Annotated[float, Field(ge=0, allow_inf_nan=False)] = "auto"
    """auto: one where Ray sees one, half of it where the samplers need GPUs too; 0: the CPU."""
    threads: int = Field(default=1, ge=1)
    """Threads of torch, OpenMM and BLAS in one worker."""
    deadline: AutoWall = "auto"
    """When a worker that says nothing is given up and its work done elsewhere; auto: after ten
    times the slowest piece of work of that kind so far, and a minute at least."""


class Converge(Section):
    """When to stop: all of these hold."""

    state_error: FreeEnergy = 0.1
    """Largest standard error of any state's free energy."""
    surface_error: FreeEnergy = 0.2
    """Largest standard error of the surface below `below`."""
    below: FreeEnergy = 8.0
    """Height up to which the surface counts."""
    r_hat: float = Field(default=1.05, gt=1, allow_inf_nan=False)
    """Split R̂ of every CV at most."""
    round_trips: int = Field(default=10, ge=1)
    """Round trips between the states, where one chain runs over all of them."""
    ess: float = Field(default=100.0, gt=0, allow_inf_nan=False)
    """Effective sample size at least."""
    overlap: float = Field(default=0.03, gt=0, lt=1)
    """Overlap of forward and reverse work at least, for every pair of states used."""


class Budget(Section):
    """What the campaign may spend."""

    energy_evaluations: Count = 20_000_000
    """Energy (or energy and force) evaluations of one configuration."""
    wall: Wall | None = None
    """Wall-clock time of this call."""
    rounds: Count | None = None


class Output(Section):
    """What is written, and where."""

    directory: str = Field(default="runs", min_length=1)
    """Run directories lie below it, each named after its campaign."""
    trajectory: Literal["none", "dcd"] = "none"
    """dcd: molecules only."""
    tensorboard: bool = True
    stride: AutoSteps = "auto"
    """Local steps between stored samples; auto: 50, for mala 10, for hmc 1."""
    walkers: Literal["auto", "inline", "files"] = "auto"
    """files: written by the workers, below the run directory; auto: from 10,000 atoms on."""


class Campaign(Section):
    """One campaign file."""

    name: str = Field(default="campaign", pattern=_NAME)
    """Name of the run directory; by default that of the campaign file."""
    seed: int = Field(default=0, ge=0, lt=2**63, strict=True)
    """Every random number of the campaign follows from it."""
    executor: Literal["ray", "inline"] = "ray"
    """ray: workers on this machine or a cluster; inline: one process, the same samples."""
    system: SystemSpec
    cvs: dict[str, CVSpec]
    states: dict[str, dict[str, Interval]] | None = None
    """Regions of CV space; the rest is one more state. Left out: basins are found."""
    strategy: StrategySpec
    model: ModelSpec = Field(default_factory=lambda: SplineFlow(kind="spline_flow"))
    replicas: Replicas = 16
    """Independent chains; {min, max} lets their number follow the workers of a cluster. Of the
    umbrella strategy: walkers in each window, 4 by default; of parallel_tempering: ladders, 8 by
    default."""
    resources: Resources = Field(default_factory=Resources)
    converge: Converge = Field(default_factory=Converge)
    budget: Budget = Field(default_factory=Budget)
    output: Output = Field(default_factory=Output)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        """Defaults that depend on the system or the strategy.

        Molecules take langevin, potentials hmc.
        """
        if not isinstance(data, dict):
            return data
        system, strategy = data.get("system"), data.get("strategy")
        if not isinstance(system, dict) or not isinstance(strategy, dict):
            return data
        out = dict(data)
        if "local" not in strategy:
            kind = (
                "langevin"
                if _known(SYSTEM_KINDS, system.get("kind"), lambda kind: kind.openmm)
                else "hmc"
            )
            out["strategy"] = {**strategy, "local": {"kind": kind}}
        defaults = _known(KINDS, strategy.get("kind"), lambda kind: kind.section.defaults)
        return {**(defaults or {}), **out}

    @model_validator(mode="after")
    def _rules(self) -> Self:
        from msgen.orchestrator.schema.rules import cross_problems  # it needs this class

        problems = cross_problems(self)
        if problems:
            raise PydanticCustomError("campaign_rules", "inconsistent", {"problems": problems})
        return self

    @classmethod
    def parse(cls, tree: dict[str, Any]) -> Campaign:
        """A campaign from a plain tree; free energies in kJ/mol are turned into kT.

        Raises
        ------
        pydantic.ValidationError
            `msgen.orchestrator.schema.translate` makes it readable.
        """
        return cls.model_validate(tree, context={"kT": kT_of(tree.get("system"))})

    @property
    def first_replicas(self) -> int:
        """Replicas at the beginning."""
        return self.replicas if isinstance(self.replicas, int) else self.replicas.min

    @property
    def through_openmm(self) -> bool:
        """Whether the system is OpenMM's, so that OpenMM can be asked about it."""
        return SYSTEM_KINDS[self.system.kind].openmm

    @property
    def batched(self) -> bool:
        """Whether many walkers are stepped at once, by kernels whose step size can be tuned.

        OpenMM steps one after another, with the time step that is given.
        """
        return not self.through_openmm

    @property
    def has_atoms(self) -> bool:
        """Whether CVs of atoms are for the system."""
        return SYSTEM_KINDS[self.system.kind].atoms

    @property
    def has_units(self) -> bool:
        """Whether its energies are in kJ/mol, lengths in nm and times in ps."""
        return SYSTEM_KINDS[self.system.kind].units

    @property
    def uses_model(self) -> bool:
        """Whether anything is ever fitted."""
        return self.strategy.uses_model

    @property
    def temperature_K(self) -> float | None:
        """None for a system without units."""
        return self.system.temperature_K

    @property
    def own_step(self) -> tuple[float, float]:
        """Time step and friction where the strategy leaves them to the system."""
        return self.system.own_step

    @property
    def stride(self) -> int:
        """Local steps between stored samples."""
        if self.output.stride != "auto":
            return self.output.stride
        local = self.strategy.local
        return min(local.steps, {"mala": 10, "hmc": 1}.get(local.kind, 50))

    def shelved(self, n_dof: int) -> bool:
        """Whether walkers of so many degrees of freedom go to files of their own."""
        big = self.has_atoms and n_dof >= _SHELF_DOF
        return big if self.output.walkers == "auto" else self.output.walkers == "files"

    @property
    def state_names(self) -> tuple[str, ...] | None:
        """The named states and the rest, in order; None where they are to be found."""
        return None if self.states is None else (*self.states, REST)

    def to_dict(self) -> dict[str, Any]:
        """Every field, with units, as `campaign.resolved.yaml` holds them."""
        return self.model_dump(mode="json", context={"units": True})

    def spec_system(self) -> dict[str, Any]:
        """The system, floats in internal units; what is not given is not there."""
        return self.system.model_dump(exclude_none=True)

    def spec_cvs(self) -> dict[str, dict[str, Any]]:
        """The CVs in order, floats in internal units; `range` is [low, high] or None."""
        return {name: cv.model_dump() for name, cv in self.cvs.items()}

    def spec_states(self) -> dict[str, dict[str, tuple[float, float]]] | None:
        """Regions in internal units; low > high means the region wraps around ±π."""
        if self.states is None:
            return None
        return {
            state: {cv: (low.value, high.value) for cv, (low, high) in region.items()}
            for state, region in self.states.items()
        }

    def spec_model(self) -> dict[str, Json]:
        """The generative model, every setting of it."""
        return self.model.spec()

    def spec_strategy(self) -> dict[str, Any]:
        """The strategy, floats in internal units.

        `local.timestep` and `local.friction` are floats, never 'auto': those of the system, or 0.02
        and 1 for an analytic one; so is the `path.timestep` of a molecule whose CVs are pulled.
        `path.width` is 'auto' or one float per CV; `path.steps`, `path.friction`, `local.step_size`
        and any other `path.timestep` may be 'auto'. The path of a solute is `solute_path`, floats
        throughout.
        """
        return self.strategy.spec(self)


def _known(registry: Registry[K], name: object, ask: Callable[[K], T]) -> T | None:
    """What a kind says; None where there is none of the name, told where its section is read."""
    try:
        return ask(registry[name]) if isinstance(name, str) else None
    except (KeyError, PluginError):
        return None
