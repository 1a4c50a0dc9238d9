"""Trees (nested dicts of arrays and scalars) on disk: one .npz without pickle, exact both ways.

The file holds every array as ``a0``, ``a1`` … and the structure as UTF-8 JSON in ``tree``, in which
``{"$array": i}`` stands for array i, ``{"$scalar": i}`` for a numpy scalar kept as a 0-d array, and
``{"$float": "nan"}`` for what JSON has no word for.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree
from msgen.orchestrator.run_directory.atomic_files import writing
from msgen.orchestrator.run_directory.layout_versions import admit

SCHEMA_VERSION = 1


class TreeError(ValueError):
    """A tree that cannot be stored, or a file that does not hold one."""


def _encode(node: Any, arrays: list[NDArray[Any]], path: str) -> Any:
    if isinstance(node, np.ndarray | np.generic):
        array = np.asarray(node)
        if array.dtype.hasobject:
            raise TreeError(f"{path}: an array of Python objects cannot be stored without pickle")
        arrays.append(np.array(array, order="C"))
        return {"$array" if isinstance(node, np.ndarray) else "$scalar": len(arrays) - 1}
    if node is None or isinstance(node, bool | int | str):
        return node
    if isinstance(node, float):
        return node if math.isfinite(node) else {"$float": repr(node)}
    if isinstance(node, Mapping):
        for name in node:
            if not isinstance(name, str) or name.startswith("$"):
                raise TreeError(f"{path}: keys are strings that do not begin with $, not {name!r}")
        return {name: _encode(value, arrays, f"{path}/{name}") for name, value in node.items()}
    if isinstance(node, list):
        return [_encode(value, arrays, f"{path}[{i}]") for i, value in enumerate(node)]
    raise TreeError(f"{path}: {type(node).__name__} is not a leaf of a tree")


def _decode(node: Any, arrays: Sequence[NDArray[Any]]) -> Any:
    if isinstance(node, list):
        return [_decode(value, arrays) for value in node]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        ((tag, value),) = node.items()
        if tag == "$array":
            return arrays[value]
        if tag == "$scalar":
            return arrays[value][()]
        if tag == "$float":
            return float(value)
    return {name: _decode(value, arrays) for name, value in node.items()}


def _flatten(tree: Mapping[str, Any]) -> tuple[bytes, list[NDArray[Any]]]:
    arrays: list[NDArray[Any]] = []
    body = {"schema_version": SCHEMA_VERSION, "tree": _encode(tree, arrays, "")}
    return json.dumps(body, allow_nan=False).encode(), arrays


def tree_hash(tree: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the content: names, scalars, dtypes, shapes and the bytes of every array.

    Two trees have the same hash if and only if `save_tree` would keep the same thing.
    """
    text, arrays = _flatten(tree)
    digest = hashlib.sha256(text)
    for array in arrays:
        update_hash(digest, array)
    return digest.hexdigest()


def update_hash(digest: hashlib._Hash, array: NDArray[Any]) -> None:
    """Feed dtype, shape and bytes of `array` to `digest`."""
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def save_tree(path: Path, tree: Mapping[str, Any]) -> None:
    """Write `tree` to `path` and fsync it.

    Raises
    ------
    TreeError
        For a leaf or key that cannot be kept exactly; nothing is then written.
    """
    text, arrays = _flatten(tree)
    named = {f"a{i}": array for i, array in enumerate(arrays)}
    needed = len(text) + sum(array.nbytes for array in arrays)
    with writing(path, needed), path.open("wb") as file:
        np.savez(file, tree=np.frombuffer(text, dtype=np.uint8), **cast(Any, named))
        file.flush()
        os.fsync(file.fileno())


def load_tree(path: Path) -> Tree:
    """Read what `save_tree` wrote; arrays are C-contiguous and writable.

    Raises
    ------
    TreeError
        If the file is damaged or is no tree.
    FormatError
        If it was written in another layout.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            body = json.loads(file["tree"].tobytes())
            arrays = [file[f"a{i}"] for i in range(len(file.files) - 1)]
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile, zlib, struct and numpy each have their own
        raise TreeError(f"{path}: not readable as a tree ({error})") from error
    if not isinstance(body, dict):
        raise TreeError(f"{path}: holds no tree")
    admit(body, SCHEMA_VERSION, {}, path)
    return cast(Tree, _decode(body["tree"], arrays))
