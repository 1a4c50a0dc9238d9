"""Every kind of model is said by its section, and built of what the section says."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import get_args, get_type_hints

import pytest

from msgen.models import (
    Space,
    build,
    build_step_model,
    build_trajectory_model,
    load,
    load_step_model,
    load_trajectory_model,
)
from msgen.models.base import Bijective, Reparametrised
from msgen.models.kinds import KINDS
from msgen.models.training.settings import Fit
from msgen.orchestrator.schema.model_alone import model_spec
from msgen.orchestrator.schema.model_kinds import SECTIONS
from msgen.systems.errors import SpecError

DENSITIES = [name for name, section in SECTIONS.items() if section.learns == "density"]
OTHERS = [name for name, section in SECTIONS.items() if section.learns == "trajectories"]
STEPS = [name for name, section in SECTIONS.items() if section.learns == "steps"]


def test_every_kind_has_a_section() -> None:
    assert list(SECTIONS) == list(KINDS.own)
    for name, section in SECTIONS.items():
        assert get_args(section.model_fields["kind"].annotation) == (name,)


@pytest.mark.parametrize("name", DENSITIES)
def test_a_kind_is_built_of_what_its_section_says(name: str) -> None:
    """Of every setting, and the state tells the same model again."""
    model = build(model_spec({"kind": name}), Space((False,) * 6))
    module = import_module(type(model).__module__)
    asked = set(inspect.signature(module.build).parameters) - {"fit", "variables"}
    assert asked - ({"space"} if name != "equivariant_flow" else set()) == settings_of(name)
    assert load(model.state()).state().config == model.state().config


@pytest.mark.parametrize("name", DENSITIES)
def test_a_section_says_what_its_model_can(name: str) -> None:
    section, spec = SECTIONS[name], model_spec({"kind": name})
    model = build(spec, Space((False,) * 6))
    # a kind may be able to, and not be meant to
    assert isinstance(model, Bijective) or not section.bijective
    assert isinstance(model, Reparametrised) or not section.on_energy
    for space, able in (
        (Space((True,) * 6), section.angles),
        (Space((False,) * 6, (False,)), section.context),
    ):
        if able:
            build(spec, space)
        else:
            with pytest.raises(SpecError) as caught:
                build(spec, space)
            assert caught.value.path == "model.kind"


def settings_of(name: str) -> set[str]:
    """What a section says beside the kind and the fit."""
    return set(SECTIONS[name].model_fields) - {"kind"} - set(get_type_hints(Fit))


@pytest.mark.parametrize("name", OTHERS)
def test_a_kind_of_trajectories_is_no_density(name: str) -> None:
    """It is built of its section and loaded again by functions of its own alone."""
    space = Space((False, True), (False,))
    model = build_trajectory_model(model_spec({"kind": name}), space)
    module = import_module(type(model).__module__)
    assert set(inspect.signature(module.build).parameters) - {"fit", "space"} == settings_of(name)
    state = model.state()
    assert load_trajectory_model(state).state().config == state.config
    with pytest.raises(SpecError, match="tells no density"):
        build(model_spec({"kind": name}), space)
    with pytest.raises(ValueError, match="tells no density"):
        load(state)
    with pytest.raises(SpecError, match="no whole trajectories"):
        build_trajectory_model(model_spec({"kind": "kde"}), Space((False,)))
    with pytest.raises(ValueError, match="no trajectories"):
        load_trajectory_model(build(model_spec({"kind": "kde"}), Space((False,))).state())


@pytest.mark.parametrize("name", STEPS)
def test_a_kind_of_steps_is_nothing_else(name: str) -> None:
    """It is built of its section and loaded again by functions of its own alone."""
    space, spec = Space((), (False,)), model_spec({"kind": name})
    model = build_step_model(spec, space)
    module = import_module(type(model).__module__)
    assert set(inspect.signature(module.build).parameters) - {"fit", "space"} == settings_of(name)
    state = model.state()
    assert load_step_model(state).state().config == state.config
    for other in (build, build_trajectory_model):
        with pytest.raises(SpecError, match=r"tells no density|no whole trajectories"):
            other(spec, space)
    for read in (load, load_trajectory_model):
        with pytest.raises(ValueError, match=r"tells no density|makes no trajectories"):
            read(state)
    density = build(model_spec({"kind": "kde"}), Space((False,)))
    with pytest.raises(SpecError, match="no steps of a molecule"):
        build_step_model(model_spec({"kind": "kde"}), Space((False,)))
    with pytest.raises(ValueError, match="makes no steps"):
        load_step_model(density.state())
    with pytest.raises(SpecError, match="no angles"):
        build_step_model(spec, Space((), (True,)))
