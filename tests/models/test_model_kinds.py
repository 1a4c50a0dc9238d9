"""Every kind of model is said by its section, and built of what the section says."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import get_args, get_type_hints

import pytest

from msgen.models import Space, build, load
from msgen.models.base import Bijective, Reparametrised
from msgen.models.kinds import KINDS
from msgen.models.training.settings import Fit
from msgen.orchestrator.schema.model_alone import model_spec
from msgen.orchestrator.schema.models import SECTIONS
from msgen.systems.errors import SpecError


def test_every_kind_has_a_section() -> None:
    assert list(SECTIONS) == list(KINDS.own)
    for name, section in SECTIONS.items():
        assert get_args(section.model_fields["kind"].annotation) == (name,)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_kind_is_built_of_what_its_section_says(name: str) -> None:
    """Of every setting, and the state tells the same model again."""
    model = build(model_spec({"kind": name}), Space((False,) * 6))
    module = import_module(type(model).__module__)
    asked = set(inspect.signature(module.build).parameters) - {"fit", "variables"}
    fields = set(SECTIONS[name].model_fields) - {"kind"}
    settings = fields - set(get_type_hints(Fit))
    assert asked - ({"space"} if name != "equivariant_flow" else set()) == settings
    assert load(model.state()).state().config == model.state().config


@pytest.mark.parametrize("name", SECTIONS)
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
