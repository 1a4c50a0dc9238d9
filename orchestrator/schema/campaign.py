"""The whole campaign file, every default filled in.

`Campaign.parse` reads a plain tree; `to_dict` writes it back with units, so that reading that again
gives the same campaign; the ``spec_*`` methods give what the builders of the lower floors take:
plain dicts in internal units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from msgen.orchestrator.schema.cvs import CVSpec
from msgen.orchestrator.schema.kinds import KindOf
from msgen.orchestrator.schema.model_kinds import ModelSpec
from msgen.orchestrator.schema.models import SplineFlow
from msgen.orchestrator.schema.quantities import (
    Interval,
    Section,
    problem,
)
from msgen.orchestrator.schema.run_sections import Budget, Converge, Output, Replicas, Resources
from msgen.orchestrator.schema.systems import SystemSpec, kT_of
from msgen.orchestrator.strategies.base import StrategyKind, StrategySection
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
MOST_ON_GRID = 3
"""CVs up to which one grid over all of them is kept where no surfaces are asked for."""


StrategySpec = Annotated[
    StrategySection,
    KindOf(KINDS, StrategySection, {name: kind.section for name, kind in KINDS.own.items()}),
]


def _extend_among_cvs(schema: dict[str, Any]) -> None:
    """`extend` where a file has it."""
    schema["properties"]["cvs"]["properties"] = {"extend": schema["properties"].pop("extend")}


class Campaign(Section):
    """One campaign file."""

    model_config = ConfigDict(json_schema_extra=_extend_among_cvs)

    name: str = Field(default="campaign", pattern=_NAME)
    """Name of the run directory; by default that of the campaign file."""
    seed: int = Field(default=0, ge=0, lt=2**63, strict=True)
    """Every random number of the campaign follows from it."""
    executor: Literal["ray", "inline"] = "ray"
    """ray: workers on this machine or a cluster; inline: one process, the same samples."""
    system: SystemSpec
    cvs: dict[str, CVSpec]
    extend: Literal["off", "auto"] = Field(default="off", exclude=True)
    """`cvs: {extend: auto}`: where replicas of a state disagree in a coordinate or a torsion that
    is no CV, the campaign begins anew and moves along that too; surfaces and states stay those of
    the CVs given."""
    states: dict[str, dict[str, Interval]] | None = None
    """Regions of CV space; the rest is one more state. A pattern stands for every CV whose name it
    fits, as in {phi_*: [0 deg, 130 deg]}. Left out: basins are found."""
    surfaces: list[list[str]] | None = None
    """CVs of each surface that is wanted, three at most in one; criteria apply to these. Left out:
    the one over all CVs, and from four of them on each CV and each with the next."""
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

        Molecules take langevin, potentials hmc, unless the strategy has moves of its own.
        """
        if not isinstance(data, dict):
            return data
        data = _with_patterns(_with_extend(data))
        system, strategy = data.get("system"), data.get("strategy")
        if not isinstance(system, dict) or not isinstance(strategy, dict):
            return data
        out = dict(data)
        if "local" not in strategy:
            own = _known(KINDS, strategy.get("kind"), lambda kind: kind.section.own_local)
            kind = own or (
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

    @property
    def frame_spacing(self) -> tuple[float, str]:
        """Time between stored samples, and its unit: 'ps', or 'steps' where no time is known."""
        timestep = self.spec_strategy()["local"].get("timestep")
        if self.has_units and timestep is not None:
            return float(f"{self.stride * timestep:.9g}"), "ps"
        return float(self.stride), "steps"

    def shelved(self, n_dof: int) -> bool:
        """Whether walkers of so many degrees of freedom go to files of their own."""
        big = self.has_atoms and n_dof >= _SHELF_DOF
        return big if self.output.walkers == "auto" else self.output.walkers == "files"

    @property
    def surface_columns(self) -> tuple[tuple[int, ...], ...]:
        """CVs of each surface, by their number; empty for the one on the grid of all."""
        names = list(self.cvs)
        shown = tuple(c for c, cv in enumerate(self.cvs.values()) if cv.reported)
        few = len(names) <= MOST_ON_GRID
        if self.surfaces is None:
            return () if few else (*((c,) for c in shown), *pairwise(shown))
        asked = tuple(tuple(names.index(name) for name in cvs) for cvs in self.surfaces)
        return () if few and asked == (shown,) else asked

    @property
    def state_names(self) -> tuple[str, ...] | None:
        """The named states and the rest, in order; None where they are to be found."""
        return None if self.states is None else (*self.states, REST)

    def to_dict(self) -> dict[str, Any]:
        """Every field, with units, as `campaign.resolved.yaml` holds them."""
        tree = self.model_dump(mode="json", context={"units": True})
        if self.extend != "off":
            tree["cvs"] = {**tree["cvs"], "extend": self.extend}
        return tree

    def along_more(self, name: str, section: Mapping[str, Any], seed: int) -> Campaign:
        """The campaign that moves along one more CV, with another seed."""
        tree = self.to_dict()
        cvs = {k: v for k, v in tree["cvs"].items() if k != "extend"}
        names = list(cvs)
        if self.surface_columns:
            tree["surfaces"] = [[names[c] for c in columns] for columns in self.surface_columns]
        tree["cvs"] = {**cvs, name: dict(section), "extend": self.extend}
        return Campaign.parse({**tree, "strategy": self.strategy.along_more(name), "seed": seed})

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

    @property
    def strategy_kind(self) -> StrategyKind:
        """What the kind of its strategy says of itself."""
        return KINDS[self.strategy.kind]

    @staticmethod
    def strategy_sections() -> Mapping[str, type[StrategySection]]:
        """The sections of our own strategies by kind, for remedies that name one."""
        return {name: kind.section for name, kind in KINDS.own.items()}

    def spec_strategy(self) -> dict[str, Any]:
        """The strategy, floats in internal units.

        `local.timestep` and `local.friction` are floats, never 'auto': those of the system, or 0.02
        and 1 for an analytic one; so is the `path.timestep` of a molecule whose CVs are pulled.
        `path.width` is 'auto' or one float per CV; `path.steps`, `path.friction`, `local.step_size`
        and any other `path.timestep` may be 'auto'. The path of a solute is `solute_path`, floats
        throughout.
        """
        return self.strategy.spec(self)


def _with_extend(data: dict[str, Any]) -> dict[str, Any]:
    """`cvs.extend`, which is no CV, as the field it is."""
    if "extend" in data:
        remedy = "Write it in the cvs section, as cvs: {extend: auto}"
        raise problem("belongs to cvs", remedy, at=("extend",), value=data["extend"])
    cvs = data.get("cvs")
    if not isinstance(cvs, dict) or isinstance(cvs.get("extend"), dict):
        return data
    given = cvs.get("extend", "off")
    given = "off" if given is False else given  # YAML makes a boolean of `off`
    if given not in ("off", "auto"):
        what = "is neither off nor auto, and no CV"
        remedy = "Write auto, off, or a CV, as extend: {kind: …}"
        raise problem(what, remedy, at=("cvs", "extend"), value=given)
    return {**data, "cvs": {k: v for k, v in cvs.items() if k != "extend"}, "extend": given}


def _with_patterns(data: dict[str, Any]) -> dict[str, Any]:
    """`states` with the intervals of a pattern said for every CV that it fits."""
    states, cvs = data.get("states"), data.get("cvs")
    if not isinstance(states, dict) or not isinstance(cvs, dict):
        return data
    out = dict[Any, Any]()
    for state, region in states.items():
        if not isinstance(region, dict):
            out[state] = region
            continue
        made = dict[Any, Any]()
        for name, interval in region.items():
            fits = [cv for cv in cvs if isinstance(name, str) and fnmatchcase(str(cv), name)]
            # a CV that is named for itself is meant by that
            for cv in fits or [name]:
                if cv == name or cv not in region:
                    made[cv] = interval
        out[state] = made
    return {**data, "states": out}


def _known(registry: Registry[K], name: object, ask: Callable[[K], T]) -> T | None:
    """What a kind says; None where there is none of the name, told where its section is read."""
    try:
        return ask(registry[name]) if isinstance(name, str) else None
    except (KeyError, PluginError):
        return None
