"""Every kind of model, ours and those of plug-ins: from a spec to a model, and from a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from msgen.models.base import GenerativeModel, Json, ModelState, Space, Spec
from msgen.models.config import SCHEMA_VERSION, number
from msgen.models.defensive_mixture import Broad, Defended
from msgen.models.tabulated import Tabulated
from msgen.systems.errors import SpecError
from msgen.systems.plugins import Registry

if TYPE_CHECKING:
    from pydantic import BaseModel

GROUP = "msgen.models"
"""Entry points of models outside this repository; each is a `ModelKind`."""


@dataclass(frozen=True)
class ModelKind:
    """One kind of model; a plug-in names one as its entry point.

    Attributes
    ----------
    name : str
        The word after ``kind:`` in a campaign's `model:` section, and in the config of a state.
    build : callable
        ``build(space, **settings)``: a model on a `Space`, not yet fitted. The settings are the
        fields of the section but `kind`, checked and with every default filled in: what is left to
        refuse, by a `SpecError`, is what does not fit the space.
    load : callable
        The inverse of the model's `state`, bit for bit.
    section : type or None
        A `msgen.orchestrator.schema.models.ModelSection`, which says, checks and defaults the
        settings. Those of our own kinds, in the same module, are not named here.
    """

    name: str
    build: Callable[..., GenerativeModel]
    load: Callable[[ModelState], GenerativeModel]
    section: type[BaseModel] | None = None


def _ours(name: str, module: str, model: str) -> ModelKind:
    """A kind of this package; its module, and torch with it, is imported when there is one."""

    def build(variables: Space, /, **settings: Json) -> GenerativeModel:
        made: GenerativeModel = import_module(f"msgen.models.{module}").build(variables, **settings)
        return made

    def load(state: ModelState) -> GenerativeModel:
        kind = getattr(import_module(f"msgen.models.{module}"), model)
        made: GenerativeModel = kind.from_state(state)
        return made

    return ModelKind(name, build, load)


_OWN = (
    _ours("spline_flow", "coupling.spline_flow", "SplineFlow"),
    _ours("realnvp", "coupling.realnvp", "RealNVP"),
    _ours("copula_flow", "coupling.copula_flow", "CopulaFlow"),
    _ours("cnf", "continuous.cnf", "ContinuousFlow"),
    _ours("flow_matching", "continuous.flow_matching", "FlowMatching"),
    _ours("equivariant_flow", "continuous.equivariant_flow", "EquivariantFlow"),
    _ours("kde", "kde", "KernelDensity"),
    _ours("score", "score.model", "ScoreModel"),
)

KINDS: Registry[ModelKind] = Registry(GROUP, ModelKind, {kind.name: kind for kind in _OWN})
"""Models by the ``kind:`` of their section."""


def build(spec: Spec, space: Space) -> GenerativeModel:
    """A model as a campaign's `model:` section asks for it, not yet fitted.

    Parameters
    ----------
    spec : Mapping
        ``kind`` and every setting of that kind, as `ModelSection.spec` gives them.
    space : Space

    Raises
    ------
    SpecError
        For an unknown kind, or a model that cannot live on `space`.
    PluginError
        If the plug-in that brings the kind cannot be used here.
    """
    name = str(spec["kind"])
    if name not in KINDS:
        raise SpecError(("model", "kind"), name, "is no model", f"Use one of {', '.join(KINDS)}")
    return KINDS[name].build(space, **{key: v for key, v in spec.items() if key != "kind"})


def load(state: ModelState) -> GenerativeModel:
    """The model a state was taken from, with the same log_prob bit for bit.

    Raises
    ------
    ValueError
        If the state is of a newer schema or of no kind known here.
    PluginError
        If the plug-in that brings the kind cannot be used here.
    """
    name, version = str(state.config.get("kind")), state.config.get("schema_version")
    # densities that no campaign asks for by name
    others: Mapping[str, Callable[[ModelState], GenerativeModel]] = {
        "defended": _defended,
        "broad": Broad.from_state,
        "tabulated": Tabulated.from_state,
    }
    ours = name in others or name in KINDS.own
    if ours and version != SCHEMA_VERSION:
        raise ValueError(f"model state of schema {version}; this msgen reads {SCHEMA_VERSION}")
    if name in others:
        return others[name](state)
    if name in KINDS:
        return KINDS[name].load(state)
    raise ValueError(f"model state of unknown kind {name!r}; known here: {', '.join(KINDS)}")


def _defended(state: ModelState) -> Defended:
    broad = Broad.from_state(_part(state, "broad"))
    return Defended(load(_part(state, "model")), broad, number(state.config, "eps"))


def _part(state: ModelState, name: str) -> ModelState:
    prefix, config = f"{name}.", state.config[name]
    assert isinstance(config, Mapping)
    arrays = {k[len(prefix) :]: v for k, v in state.arrays.items() if k.startswith(prefix)}
    return ModelState(config, arrays)
