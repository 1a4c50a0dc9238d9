"""Checks on the space and on the arrays a model is given."""

from __future__ import annotations

import numpy as np

from msgen.models.base import Array, Space
from msgen.systems.errors import SpecError


def check_rows(name: str, values: Array, columns: int) -> Array:
    """`values` as float64 of shape (n, columns); ValueError for another shape, NaN or inf."""
    rows = np.array(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} must have shape (n, {columns}), got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} holds values that are not finite")
    return rows


def check_weights(weights: Array | None, n: int) -> Array | None:
    """Weights as float64 of shape (n,), scaled to a mean of 1; ValueError if they cannot be."""
    if weights is None:
        return None
    w = np.array(weights, dtype=np.float64)
    if w.shape != (n,) or not np.isfinite(w).all() or (w < 0).any() or w.sum() <= 0:
        raise ValueError(f"weights must be {n} finite, non-negative numbers, not all zero")
    scaled: Array = w / w.mean()
    return scaled


def check_length(rows: Array, n: int) -> Array:
    """`rows` if there are n of them, else ValueError."""
    if len(rows) != n:
        raise ValueError(f"context has {len(rows)} rows for {n} samples")
    return rows


def no_angles(kind: str, space: Space) -> None:
    """SpecError if a variable is periodic."""
    if any(space.periodic):
        what = "cannot model a periodic variable"
        raise SpecError(("model", "kind"), kind, what, "Take spline_flow")


def no_context(kind: str, space: Space) -> None:
    """SpecError if there is a context."""
    if space.context_periodic:
        raise SpecError(("model", "kind"), kind, "takes no context", "Take spline_flow")
