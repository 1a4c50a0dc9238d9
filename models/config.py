"""What a model is made of, without its weights, as a frozen state tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import TypeAdapter

from msgen.models.base import Json

SCHEMA_VERSION = 1
"""Of the states of our own kinds."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The fields of a subclass are keys of the state's config, and their types how it is read.

    Attributes
    ----------
    periodic : tuple of bool, length d
        Which variables are angles.
    """

    periodic: tuple[bool, ...]

    def to_json(self) -> dict[str, Json]:
        """As lists and scalars."""
        fields: dict[str, Json] = TypeAdapter(type(self)).dump_python(self, mode="json")
        return {"schema_version": SCHEMA_VERSION, **fields}

    @classmethod
    def from_json(cls, config: Mapping[str, Json]) -> Self:
        """Inverse of `to_json`; keys that are not its own are left alone."""
        adapter: TypeAdapter[Self] = TypeAdapter(cls)
        return adapter.validate_python(config)


def number(config: Mapping[str, Json], key: str) -> float:
    """The number at `key`; ValueError for anything else."""
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} must be a number, got {value!r}")
    return float(value)


def flags(config: Mapping[str, Json], key: str) -> tuple[bool, ...]:
    """The row of booleans at `key`; ValueError for anything else."""
    value = config[key]
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{key} must be a list of booleans, got {value!r}")
    return tuple(bool(v) for v in value)
