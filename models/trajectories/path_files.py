"""A path drawn by hand: a text file with a frame a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from msgen.models.base import Array


def read_path(file: Path, dim: int) -> Array:
    """The frames of a file, shape (frames, dim).

    Columns stand between blanks or commas; what follows a # is left out.

    Raises
    ------
    ValueError
        If it cannot be read, has other columns, fewer than four frames or values that are not
        finite.
    """
    try:
        text = file.read_text(encoding="utf-8").replace(",", " ")
        rows = np.loadtxt(text.splitlines(), ndmin=2)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"cannot be read: {error}") from None
    if rows.shape[1] != dim:
        raise ValueError(f"has {rows.shape[1]} columns for {dim} CVs")
    if len(rows) < 4 or not np.isfinite(rows).all():
        raise ValueError("has fewer than four frames, or values that are not finite")
    return rows
