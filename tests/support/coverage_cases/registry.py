"""All cases there are."""

from __future__ import annotations

import importlib
import pkgutil

import coverage_cases
from coverage_cases.base import Case


def all_cases() -> tuple[Case, ...]:
    """Of every file of this folder that has `CASES`, by name of the file.

    Raises
    ------
    ValueError
        For two cases of one name.
    """
    found: list[Case] = []
    for info in pkgutil.iter_modules(coverage_cases.__path__):
        if info.name != "registry":
            module = importlib.import_module(f"coverage_cases.{info.name}")
            found += getattr(module, "CASES", ())
    names = [case.name for case in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two cases are called {', '.join(twice)}")
    return tuple(found)
