"""An order's model is the frozen version that it names, whatever the worker had before."""

from __future__ import annotations

import pytest

from msgen.actors.base import encode
from msgen.actors.context import WorkerContext
from msgen.actors.roles.frozen_models import frozen
from msgen.models.base import ModelState


def made(name: str) -> ModelState:
    return ModelState({"kind": name}, {})


def first(state: ModelState) -> list[object]:
    return ["first", state.config["kind"]]


def other(state: ModelState) -> list[object]:
    return ["other", state.config["kind"]]


def test_a_version_is_built_once_and_no_other_is_taken_for_it() -> None:
    context = WorkerContext({})
    for version, name in ((3, "a"), (4, "b")):
        context.models.publish(version, encode(made(name)))
    kept = frozen(context, 3, first)
    assert kept == ["first", "a"]
    assert frozen(context, 3, first) is kept
    assert frozen(context, 4, first) == ["first", "b"]
    assert frozen(context, 3, first) == ["first", "a"]
    assert frozen(context, 3, other) == ["other", "a"]
    # what is published anew under the same number is another model
    context.models.publish(3, encode(made("c")))
    assert frozen(context, 3, first) == ["first", "c"]
    with pytest.raises(KeyError, match="was never published"):
        frozen(context, 5, first)
