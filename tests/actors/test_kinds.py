"""Every kind of model says the same of itself to the registry and to the campaign file."""

from __future__ import annotations

from typing import get_args

import pytest

from msgen.models import build
from msgen.models.registry import KINDS
from msgen.orchestrator.schema.models import ModelSpec

SECTIONS = {
    get_args(section.model_fields["kind"].annotation)[0]: section
    for section in get_args(get_args(ModelSpec)[0])
}


def test_every_kind_has_a_section() -> None:
    assert set(SECTIONS) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_section_holds_what_its_kind_takes(name: str) -> None:
    section, kind = SECTIONS[name], KINDS[name]
    assert set(section.model_fields) - {"kind"} == set(kind.settings)
    assert (section.angles, section.context) == (kind.angles, kind.context)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "equivariant_flow"])
def test_defaults_are_those_of_the_model(name: str) -> None:
    """What a section fills in builds the model that an empty one does."""
    spec = {k: v for k, v in SECTIONS[name](kind=name).model_dump().items() if v != "auto"}
    filled, empty = build(spec, 3, (False,) * 3), build({"kind": name}, 3, (False,) * 3)
    assert filled.state().config == empty.state().config
