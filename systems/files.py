"""Files named in a campaign."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
from openmm import unit

from msgen.systems.base import Array
from msgen.systems.errors import SpecError, first_line
from msgen.systems.kinds import Field
from msgen.systems.topology.same_atoms import first_difference, named


def find_file(name: str, base_dir: Path, field: Field) -> Path:
    """A file named in the campaign, relative to the campaign file.

    Raises
    ------
    SpecError
        If it is not there.
    """
    path = (base_dir / name).expanduser()
    if not path.is_file():
        raise SpecError(
            field, name, "no such file", f"Files are found relative to {base_dir.resolve()}"
        )
    return path


def as_path(value: object, base_dir: Path) -> object:
    """Where a file lies, of a text that names one beside the campaign; else what is given."""
    try:
        found = isinstance(value, str) and bool(value) and (base_dir / value).is_file()
    except (OSError, ValueError):  # a long text or one with a zero byte names no file
        found = False
    return str((base_dir / str(value)).resolve()) if found else value


def in_nm(quantity: Any) -> Array:
    """An OpenMM length as a bare array in nm."""
    return np.array(quantity.value_in_unit(unit.nanometer), dtype=np.float64)


def open_with(reader: Any, path: Path, field: Field, *args: Any, **kwargs: Any) -> Any:
    """Call a reader on a file; whatever goes wrong becomes a SpecError."""
    try:
        return reader(str(path), *args, **kwargs)
    except Exception as error:  # the readers raise anything from KeyError to struct.error
        text = first_line(error)
        what, remedy = f"cannot be read ({text})", "Check the file"
        unread = text.startswith(("invalid literal", "could not convert"))
        if unread or isinstance(error, IndexError | KeyError):  # a text about the reader's code
            kind = getattr(reader, "__name__", "reader")
            what = f"cannot be read: it is not laid out as {kind} expects"
            remedy = "Write it anew with a current program, or give it in another format"
        raise SpecError(field, str(path.name), what, remedy) from error


def read_structures(
    name: str, base_dir: Path, topology: Any, field: Field, atoms: Iterable[int]
) -> Array:
    """Positions of all structures of a file, shape (m, N, 3), nm; atoms as in `topology`.

    Raises
    ------
    SpecError
        If it cannot be read, or has other atoms where `atoms` are compared.
    """
    path = find_file(name, base_dir, field)
    frames = open_with(mdtraj.load, path, field)
    if frames.n_atoms != topology.n_atoms:
        raise SpecError(
            field,
            name,
            f"has {frames.n_atoms} atoms where the system has {topology.n_atoms}",
            "Give a structure of the same system",
        )
    found = first_difference(named(topology), named(frames.topology), atoms)
    if found is not None:
        raise SpecError(
            field,
            name,
            f"has other atoms, or in another order: {found[1]}",
            "Write its atoms in the system's order",
        )
    return np.asarray(frames.xyz, dtype=np.float64)


def read_reference(
    name: str, base_dir: Path, topology: Any, field: Field, atoms: Iterable[int]
) -> Array:
    """The first of `read_structures`, shape (N, 3)."""
    first: Array = read_structures(name, base_dir, topology, field, atoms)[0]
    return first
