"""Trees on disk: exact both ways, or refused."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from msgen.actors.base import Tree, copy_tree
from msgen.orchestrator.run_directory.tree_file import TreeError, load_tree, save_tree, tree_hash

TREE: Tree = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "empty": np.zeros((0, 4), dtype=np.int16),
    "zero-d": np.array(3.5),
    "nan": np.array([np.nan, -0.0, np.inf]),
    "flags": np.array([True, False]),
    "text": np.array(["ab", "ξ"]),
    "complex": np.array([1 + 2j]),
    "scalar": np.float32(0.1),
    "x": float("nan"),
    "inf": float("-inf"),
    "third": 1 / 3,
    "big": 2**80,
    "none": None,
    "yes": True,
    "nested": {"": {}, "list": [1, 2.5, "x", None, {"deep": np.arange(3)}, []]},
}


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray | np.generic):
        return (
            type(a) is type(b)
            and isinstance(b, np.ndarray | np.generic)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


def test_round_trip_is_exact(tmp_path: Path) -> None:
    save_tree(tmp_path / "t.npz", TREE)
    back = load_tree(tmp_path / "t.npz")
    assert same(TREE, back)
    assert tree_hash(back) == tree_hash(TREE)
    assert not same(TREE, {**back, "third": np.nextafter(1 / 3, 1)})


@pytest.mark.parametrize("name", ["a", "empty", "x", "third", "none", "nested"])
def test_the_hash_sees_every_leaf(name: str) -> None:
    assert tree_hash({**TREE, name: 7}) != tree_hash(TREE)
    assert tree_hash({"a": np.zeros((2, 3))}) != tree_hash({"a": np.zeros((3, 2))})
    assert tree_hash({"a": np.zeros(2)}) != tree_hash({"a": np.zeros(2, dtype=np.int64)})


@pytest.mark.parametrize("leaf", [(1, 2), {1: 2}, {"$array": 0}, object(), np.array([None]), {1}])
def test_what_cannot_be_kept_is_refused_by_name(tmp_path: Path, leaf: object) -> None:
    with pytest.raises(TreeError, match="/outer/inner"):
        save_tree(tmp_path / "t.npz", {"outer": {"inner": leaf}})
    assert not (tmp_path / "t.npz").exists()


@pytest.mark.parametrize("at", [0, 200, 400, -30])
def test_damage_is_an_error_or_changes_the_hash(tmp_path: Path, at: int) -> None:
    file = tmp_path / "t.npz"
    save_tree(file, TREE)
    content = bytearray(file.read_bytes())
    content[at] ^= 0xFF
    file.write_bytes(bytes(content))
    with contextlib.suppress(TreeError):
        assert tree_hash(load_tree(file)) != tree_hash(TREE)
    file.write_bytes(bytes(content[: len(content) // 2]))
    with pytest.raises(TreeError):
        load_tree(file)


def test_copies_are_contiguous_writable_and_apart() -> None:
    source = np.arange(12.0).reshape(3, 4).T
    source.flags.writeable = False
    copy = copy_tree({"x": [source], "s": np.array(1.0)})
    assert copy["x"][0].flags.c_contiguous
    assert copy["x"][0].flags.writeable
    assert np.array_equal(copy["x"][0], source)
    assert copy["s"].shape == ()
