"""From a spec to a model, and from a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgen.models.base import (
    GenerativeModel,
    ModelState,
    Space,
    Spec,
    Stated,
    StepModel,
    TrajectoryModel,
)
from msgen.models.config import SCHEMA_VERSION, number
from msgen.models.defensive_mixture import Broad, Defended
from msgen.models.kinds import KINDS
from msgen.models.tabulated import Tabulated
from msgen.systems.errors import SpecError


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
        For an unknown kind, one that learns no density, or a model that cannot live on `space`.
    PluginError
        If the plug-in that brings the kind cannot be used here.
    """
    model = _built(spec, space)
    if not isinstance(model, GenerativeModel):
        what = "learns dynamics, and tells no density"
        raise SpecError(("model", "kind"), spec["kind"], what, "Take spline_flow")
    return model


def build_trajectory_model(spec: Spec, space: Space) -> TrajectoryModel:
    """A model of trajectories whose frames are of `space`; its context are the conditions.

    Raises as `build` does, and for a kind that learns a density.
    """
    model = _built(spec, space)
    if not isinstance(model, TrajectoryModel):
        what = "learns no whole trajectories"
        raise SpecError(("model", "kind"), spec["kind"], what, "Take trajectory_diffusion")
    return model


def build_step_model(spec: Spec, space: Space) -> StepModel:
    """A model of steps; the context of `space` are its conditions.

    Raises as `build` does, and for a kind that learns something else.
    """
    model = _built(spec, space)
    if not isinstance(model, StepModel):
        what = "learns no steps of a molecule"
        raise SpecError(("model", "kind"), spec["kind"], what, "Take step_diffusion")
    return model


def _built(spec: Spec, space: Space) -> Stated:
    name = str(spec["kind"])
    if name not in KINDS:
        raise SpecError(("model", "kind"), name, "is no model", f"Use one of {', '.join(KINDS)}")
    return KINDS[name].build(space, **{key: v for key, v in spec.items() if key != "kind"})


def load(state: ModelState) -> GenerativeModel:
    """The model a state was taken from, with the same log_prob bit for bit.

    Raises
    ------
    ValueError
        If the state is of a newer schema, of no kind known here or of one that learns no density.
    PluginError
        If the plug-in that brings the kind cannot be used here.
    """
    model = _loaded(state)
    if not isinstance(model, GenerativeModel):
        raise ValueError(f"a model of kind {state.config['kind']} tells no density")
    return model


def load_trajectory_model(state: ModelState) -> TrajectoryModel:
    """The model of trajectories a state was taken from, with the same draws bit for bit.

    Raises as `load` does, and for a kind that learns a density.
    """
    model = _loaded(state)
    if not isinstance(model, TrajectoryModel):
        raise ValueError(f"a model of kind {state.config['kind']} makes no trajectories")
    return model


def load_step_model(state: ModelState) -> StepModel:
    """The model of steps a state was taken from, with the same draws bit for bit.

    Raises as `load` does, and for a kind that learns something else.
    """
    model = _loaded(state)
    if not isinstance(model, StepModel):
        raise ValueError(f"a model of kind {state.config['kind']} makes no steps")
    return model


def _loaded(state: ModelState) -> Stated:
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
        model: Stated = KINDS[name].load(state)
        return model
    raise ValueError(f"model state of unknown kind {name!r}; known here: {', '.join(KINDS)}")


def _defended(state: ModelState) -> Defended:
    broad = Broad.from_state(_part(state, "broad"))
    return Defended(load(_part(state, "model")), broad, number(state.config, "eps"))


def _part(state: ModelState, name: str) -> ModelState:
    prefix, config = f"{name}.", state.config[name]
    assert isinstance(config, Mapping)
    arrays = {k[len(prefix) :]: v for k, v in state.arrays.items() if k.startswith(prefix)}
    return ModelState(config, arrays)
