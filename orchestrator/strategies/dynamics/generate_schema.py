"""What the model of a campaign of learned dynamics is asked for, and at which temperatures."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from msgen.orchestrator.schema.quantities import (
    ONE,
    Section,
    plain_field,
    problem,
    read_positive,
)
from msgen.orchestrator.schema.trajectory_models import SHORTEST
from msgen.orchestrator.schema.units import Quantity

_TEMPERATURES = "Write them like [240 K, 400 K]; [0.5, 1.5] where kT is a number"
_LENGTHS = f"Write numbers of {SHORTEST} or more, like 128 or [32, 326]"
CROSSING = "crossing"
"""What `vary.path` is where no file is named."""


def _read_temperatures(value: object) -> tuple[Quantity, ...]:
    values = value if isinstance(value, list | tuple) else (value,)
    if any(isinstance(v, bool | list | tuple | dict) for v in values):
        raise problem("is no list of temperatures", _TEMPERATURES)
    return tuple(read_positive(v) for v in values)


def _read_lengths(value: object) -> tuple[int, ...]:
    values = value if isinstance(value, list | tuple) else (value,)
    if not all(type(n) is int and n >= SHORTEST for n in values):
        raise problem("is no number of frames, and no list of some", _LENGTHS)
    return tuple(values)


Temperatures = Annotated[
    tuple[Quantity, ...],
    *plain_field(
        _read_temperatures,
        {"anyOf": [ONE, {"type": "array", "items": ONE}], "examples": [["240 K", "400 K"], 1.5]},
    ),
]
"""Any number of temperatures; their dimension depends on the system and is checked in `rules`."""
_COUNT: dict[str, Any] = {"type": "integer", "minimum": SHORTEST}
Lengths = Annotated[
    tuple[int, ...],
    *plain_field(_read_lengths, {"anyOf": [_COUNT, {"type": "array", "items": _COUNT}]}),
]
"""Any numbers of frames."""


class Inpaint(Section):
    """Trajectories from one state to another, between ends drawn from those gathered."""

    start: str = Field(alias="from", min_length=1)
    """State of the first frame."""
    to: str = Field(min_length=1)
    """State of the last frame."""
    frames: int = Field(ge=SHORTEST)
    """Of each, both ends among them; at most as many as are gathered."""
    paths: int = Field(default=64, ge=1)
    """How many; each costs about eight free ones."""

    @model_serializer(mode="wrap")
    def _as_written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        tree: dict[str, Any] = write(self)
        return {"from": tree.pop("start"), **tree}


class Vary(Section):
    """Variations of one path: noised a part of the way, and brought back."""

    path: str = Field(default=CROSSING, min_length=1)
    """crossing: one from state to state among those gathered. Or a text file with a frame a line,
    its CVs in their order, in rad and nm; relative to this file."""
    noise: float = Field(default=0.5, gt=0, le=1)
    """Part of the noise; at 1 hardly anything of the path is left."""
    paths: int = Field(default=64, ge=1)
    """How many."""


class Generate(Section):
    """What the model is asked for after each fit."""

    free: int = Field(default=1024, ge=64)
    """Free trajectories, of the longest length that the model learns; of a model of steps
    roll-outs, as long as trajectories are gathered, from exact samples at equilibrium."""
    temperature: Temperatures = ()
    """As many at each of these, between the lowest and the highest that are gathered."""
    length: Lengths = ()
    """As many of each of these lengths; at most as long as those gathered."""
    inpaint: Inpaint | None = None
    """Trajectories between two states."""
    vary: Vary | None = None
    """Variations of a path."""
