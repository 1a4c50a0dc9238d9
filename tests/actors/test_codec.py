"""Dataclasses as trees: there and back without a difference, and refused where they do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from driving import same
from numpy.typing import NDArray

from msgen.actors.codec import (
    FLAT,
    CodecError,
    Numbered,
    Tree,
    copy_tree,
    decode,
    encode,
    keys_of,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Inner:
    kappa: Array
    periodic: NDArray[np.bool_]


@dataclass(frozen=True)
class Tuner:
    step: float
    updates: int = 0


@dataclass(frozen=True)
class Grid:
    edges: Annotated[tuple[Array, ...], Numbered("edge")]
    g: Annotated[Inner, FLAT]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Base:
    round: int
    phase: Literal["adapt", "produce"]


@dataclass(frozen=True, kw_only=True)
class State(Base):
    grid: Grid
    tuner: Tuner | None = None
    tuners: dict[int, Tuner] = field(default_factory=dict)
    xi: Array | None = None
    recent: tuple[Array, ...] = ()
    width: float | str = "auto"
    spec: Tree = field(default_factory=dict)
    weights: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    share: float = 1.0


STATE = State(
    round=3,
    phase="adapt",
    grid=Grid(
        (np.array([0.0, 1.0]), np.array([2.0])), Inner(np.ones(2), np.array([True, False])), ("a",)
    ),
    tuners={2: Tuner(0.5, 7)},
    recent=(np.arange(3.0), np.zeros((0, 2))),
    spec={"kind": "x", "hidden": [8]},
    weights={"loc": np.zeros(2, dtype=np.float32)},
)


def test_there_and_back() -> None:
    tree = encode(STATE)
    assert tree["grid"].keys() == {"edge0", "edge1", "kappa", "periodic", "names"}
    assert tree["tuner"] == {}  # None, of a dataclass
    assert "xi" not in tree  # None, of an array
    assert tree["tuners"] == {"2": {"step": 0.5, "updates": 7}}
    assert same(encode(decode(State, copy_tree(tree))), tree)
    back = decode(State, copy_tree(tree))
    assert (back.round, back.phase, back.tuner, back.xi) == (3, "adapt", None, None)
    assert back.tuners == STATE.tuners
    assert back.grid.names == ("a",)


def test_a_tree_stays_as_it_is() -> None:
    tree: Tree = {"x": np.arange(3), "nested": {"list": [1, "a", None]}}
    assert same(encode(tree), tree)


def test_what_was_not_written_has_its_default() -> None:
    tree = encode(STATE)
    for name in ("tuner", "tuners", "recent", "share", "spec", "width"):
        del tree[name]
    back = decode(State, tree)
    assert back.recent == ()
    assert back.share == 1.0


def test_numbers_come_back_plain_and_arrays_with_their_type() -> None:
    tree = encode(STATE)
    tree["share"], tree["round"] = np.float64(0.5), np.int64(4)
    tree["grid"]["kappa"] = [1, 2]
    back = decode(State, tree)
    assert (type(back.share), type(back.round)) == (float, int)
    assert back.grid.g.kappa.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"round": "3"}, "State.round: '3' is not a whole number"),
        ({"round": True}, "State.round"),
        ({"phase": "explore"}, "State.phase: 'explore' is not one of"),
        ({"stride": 1}, "State: has no field 'stride'"),
        ({"tuner": {"step": 0.1, "frozen": False}}, "State.tuner: has no field 'frozen'"),
        ({"tuners": {"1": {"updates": 3}}}, r"State.tuners\[1\].step: is missing"),
        ({"recent": 4}, "State.recent: 4 is not a list"),
        ({"share": None}, "State.share: None is not a number"),
        ({"grid": {"kappa": "x", "periodic": []}}, "State.grid.g.kappa: str is no array"),
        ({"width": []}, "State.width"),
    ],
)
def test_what_does_not_fit_is_named(change: Tree, said: str) -> None:
    with pytest.raises(CodecError, match=said):
        decode(State, {**encode(STATE), **change})


def test_a_missing_field_is_named() -> None:
    tree = encode(STATE)
    del tree["round"]
    with pytest.raises(CodecError, match=r"State\.round: is missing"):
        decode(State, tree)


@dataclass(frozen=True)
class Asked:
    clip: float | None
    hot: float | None


def test_none_that_has_no_default_comes_back() -> None:
    tree = encode(Asked(None, 2.0))
    assert tree == {"hot": 2.0}
    assert decode(Asked, tree) == Asked(None, 2.0)


@dataclass(frozen=True)
class Empty:
    xi: Array | None = None


@dataclass(frozen=True)
class Holds:
    empty: Empty | None = None


def test_nothing_is_written_that_would_be_read_as_none() -> None:
    assert decode(Holds, encode(Holds(Empty(np.ones(2))))).empty is not None
    with pytest.raises(CodecError, match=r"Holds\.empty: would be read back as None"):
        encode(Holds(Empty()))


def test_the_keys_of_a_dataclass_are_those_of_its_tree() -> None:
    assert keys_of(Grid) == {"kappa", "periodic", "names"}  # and what is numbered


@dataclass(frozen=True)
class Part:
    x: int


@dataclass(frozen=True)
class Holder:
    part: Part
    number: int


def test_what_many_trees_hold_is_encoded_once() -> None:
    part, shared = Part(3), {}
    trees = [encode(Holder(part, k), shared) for k in range(3)]
    assert [tree["number"] for tree in trees] == [0, 1, 2]
    assert all(tree["part"] is trees[0]["part"] for tree in trees)
    assert trees == [encode(Holder(part, k)) for k in range(3)]
    # an equal one is another
    assert encode(Holder(Part(3), 0), shared)["part"] is not trees[0]["part"]
