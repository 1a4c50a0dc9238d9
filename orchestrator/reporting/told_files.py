"""Files of results/ that hold one dataclass as JSON, with the version of their layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from msgen.orchestrator.reporting.results import jsonable
from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError, write_atomic

_VERSION = "schema_version"
T = TypeVar("T")


def write_told(path: Path, content: Mapping[str, Any], version: int) -> Path:
    """Write it as a whole, what is not finite as null; returns the path."""
    text = json.dumps(jsonable({_VERSION: version, **content}), allow_nan=False, ensure_ascii=False)
    write_atomic(path, text + "\n")
    return path


def read_told(
    path: Path, kind: TypeAdapter[T], version: int, remedy: str = "", beside: str | None = None
) -> T:
    """What `write_told` wrote of a dataclass.

    Parameters
    ----------
    path : Path
    kind : TypeAdapter
        Of the dataclass.
    version : int
        Of the layout that is read.
    remedy : str
        What helps where it cannot be.
    beside : str, optional
        Key that is no part of the dataclass.

    Raises
    ------
    FileNotFoundError
        If nothing was written there.
    RunDirectoryError
        If it is damaged, or another version of msgen wrote it in another layout.
    """
    so = f": {remedy}" if remedy else ""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.pop(_VERSION)
        if found != version:
            what = f"{path} has layout {found}; this msgen reads {version}"
            raise RunDirectoryError(f"{what}{so}")
        if beside is not None:
            content.pop(beside)
        return kind.validate_python(content)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise RunDirectoryError(f"{path} is damaged{so}") from error
