"""Where two trees of a campaign differ, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgen.orchestrator.schema.problems import MISSING, dotted


def tree_differences(old: Any, new: Any, path: tuple[str | int, ...] = ()) -> list[str]:
    """Like ``"system.temperature was 300.0 K, is 320.0 K"``, leaf by leaf."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            text
            for key in [*old, *(k for k in new if k not in old)]
            for text in tree_differences(old.get(key, MISSING), new.get(key, MISSING), (*path, key))
        ]
    if old == new:
        return []
    was, is_ = ("absent" if v is MISSING else _short(v) for v in (old, new))
    return [f"{dotted(path)} was {was}, is {is_}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"
