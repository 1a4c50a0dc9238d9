"""Models of which every order has a frozen version: each is built once a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgen.actors.context import WorkerContext
from msgen.models.base import ModelState

M = TypeVar("M")


def frozen(context: WorkerContext, version: int, load: Callable[[ModelState], M]) -> M:
    """The model of that version, as `load` makes it of its state; the last one is kept."""
    state, key = context.models.state(version), f"frozen by {load.__name__}"
    kept: tuple[ModelState, M] | None = context.cache.get(key)
    if kept is None or kept[0] is not state:
        kept = context.cache[key] = (state, load(state))
    return kept[1]
