"""What an array of samples may be, and how it is laid out in the store."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError

_CHUNK_BYTES = 512 * 1024
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class StoreError(RunDirectoryError):
    """The store cannot take what it was given, or does not hold what its records promise."""


def new_array(root: zarr.Group, name: str, data: NDArray[Any]) -> zarr.Array[Any]:
    """An empty array 'kind/name' for rows like those of `data`."""
    row = max(1, data.dtype.itemsize * int(np.prod(data.shape[1:])))
    return root.create_array(
        name,
        shape=(0, *data.shape[1:]),
        chunks=(max(1, _CHUNK_BYTES // row), *(max(1, n) for n in data.shape[1:])),
        dtype=data.dtype,
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=_dimensions(name, data.ndim),
    )


def _dimensions(name: str, ndim: int) -> tuple[str, ...]:
    """Names for xarray; each array has its own, as arrays of one kind may differ in length."""
    short = name.rpartition("/")[2]
    return (f"{short}_row", *(f"{short}_axis{i}" for i in range(1, ndim)))


def checked(name: str, data: NDArray[Any]) -> NDArray[Any]:
    """The samples as they are.

    Raises
    ------
    StoreError
        For a name that cannot be a folder, or samples that are not numbers along axis 0.
    """
    if not all(_NAME.fullmatch(part) for part in name.split("/")):
        raise StoreError(f"{name!r}: names are made of letters, digits, '_', '.' and '-'")
    if data.ndim == 0 or data.dtype.kind not in "biufc":
        raise StoreError(f"{name}: samples are numeric with axis 0 over samples, not {data.dtype}")
    return data


def joined(name: str, pieces: list[NDArray[Any]]) -> NDArray[Any]:
    """The samples of all replicas, one after another.

    Raises
    ------
    StoreError
        Where they differ in dtype or shape.
    """
    if len({(piece.dtype, piece.shape[1:]) for piece in pieces}) > 1:
        kinds = sorted({f"{piece.dtype} {piece.shape[1:]}" for piece in pieces})
        raise StoreError(f"{name}: replicas disagree in dtype or shape: {'; '.join(kinds)}")
    return np.concatenate(pieces)
