"""Pydantic field types for values that carry a unit, and the base class of every section.

A field of type `Time` reads ``2 fs`` and holds ``0.002``; `model_dump()` gives the float, and
``model_dump(context={"units": True})`` the text that reads back to the same float.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetPydanticSchema,
    PlainSerializer,
    SerializationInfo,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

from msgen.orchestrator.schema import units
from msgen.orchestrator.schema.units import Dimension, Quantity, UnitError


class Section(BaseModel):
    """A part of a campaign file: unknown keys are refused, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


def problem(message: str, remedy: str, **extra: Any) -> PydanticCustomError:
    """A validation error that already says what to do about it."""
    return PydanticCustomError(
        "campaign", "{problem}", {"problem": message, "remedy": remedy, **extra}
    )


def _field(
    dimension: Dimension, *, positive: bool = True, zero: bool = False, auto: bool = False
) -> Any:
    def read(value: object, info: ValidationInfo) -> float | str:
        if auto and value == "auto":
            return "auto"
        kT = (info.context or {}).get("kT")
        try:
            number = units.parse(value, dimension, kT)
        except UnitError as error:
            raise problem(error.problem, error.remedy) from None
        if positive and (number < 0 or (number == 0 and not zero)):
            raise problem(
                "must not be negative" if zero else "must be greater than zero",
                f"Write it like {units.EXAMPLES[dimension]!r}",
            )
        return number

    def write(value: float | str, info: SerializationInfo) -> float | str:
        if (
            not isinstance(value, str)
            and isinstance(info.context, dict)
            and info.context.get("units")
        ):
            return units.to_text(value, dimension)
        return value

    names = "|".join(u for u in units.units_of(dimension) if u)
    text: dict[str, Any] = {
        "type": "string",
        "description": f"number with a unit ({names.replace('|', ', ')})",
        "examples": [units.EXAMPLES[dimension]],
    }
    if auto:
        text = {"anyOf": [{"const": "auto"}, text]}
    return (BeforeValidator(read), PlainSerializer(write), WithJsonSchema(text))


Temperature = Annotated[float, *_field("temperature")]
Time = Annotated[float, *_field("time")]
Rate = Annotated[float, *_field("rate")]
Length = Annotated[float, *_field("length")]
Mass = Annotated[float, *_field("mass")]
Stiffness = Annotated[float, *_field("stiffness")]
Pressure = Annotated[float, *_field("pressure")]
ConcentrationOrZero = Annotated[float, *_field("concentration", zero=True)]
Wall = Annotated[float, *_field("wall")]
AutoWall = Annotated[float | Literal["auto"], *_field("wall", auto=True)]
FreeEnergy = Annotated[float, *_field("free_energy")]
FreeEnergyOrZero = Annotated[float, *_field("free_energy", zero=True)]


def _wants_units(info: SerializationInfo) -> bool:
    return isinstance(info.context, dict) and bool(info.context.get("units"))


def plain_field(
    read: Callable[[object], object], json_schema: dict[str, Any]
) -> tuple[GetPydanticSchema, WithJsonSchema]:
    """A field type read by one function: one error a field, and quantities written with units."""

    def schema(_source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            read,
            serialization=core_schema.plain_serializer_function_ser_schema(_write, info_arg=True),
        )

    return GetPydanticSchema(schema), WithJsonSchema(json_schema)


def _write(value: Any, info: SerializationInfo) -> Any:
    if isinstance(value, Quantity):
        has_unit = value.dimension != "number"
        return str(value) if _wants_units(info) and has_unit else value.value
    if isinstance(value, dict):
        return {k: _write(v, info) for k, v in value.items()}
    return [_write(v, info) for v in value] if isinstance(value, tuple) else value


def read_quantity(value: object) -> Quantity:
    """A number with or without a unit; what is wrong with it is a validation error."""
    try:
        return units.parse_any(value)
    except UnitError as error:
        raise problem(error.problem, error.remedy) from None


def read_positive(value: object) -> Quantity:
    """As `read_quantity`, above zero."""
    quantity = read_quantity(value)
    if quantity.value <= 0:
        raise problem("must be greater than zero", "Write auto or a positive value")
    return quantity


def _read_auto(value: object) -> object:
    return value if value == "auto" else read_positive(value)


def _read_auto_or_zero(value: object) -> object:
    if value == "auto":
        return value
    quantity = read_quantity(value)
    if quantity.value < 0:
        raise problem("is negative", "Write auto, 0 or a positive value")
    return quantity


def _read_width(value: object) -> object:
    if not isinstance(value, dict):
        return _read_auto(value)
    if not value:
        raise problem("names no CV", "Write auto, one value, or one value per CV name")
    return {str(name): read_positive(v) for name, v in value.items()}


def _read_interval(value: object) -> tuple[Quantity, Quantity]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise problem("is not a pair", "Write [low, high], like [0 deg, 130 deg] or [0.5, 1.2]")
    return read_quantity(value[0]), read_quantity(value[1])


ONE: dict[str, Any] = {"type": ["string", "number"]}
"""JSON schema of a quantity."""
_PER_CV = {"type": "object", "additionalProperties": ONE, "minProperties": 1}
_PAIR: dict[str, Any] = {"type": "array", "items": ONE, "minItems": 2, "maxItems": 2}

AutoQuantity = Annotated[
    Literal["auto"] | Quantity,
    *plain_field(_read_auto, {**ONE, "examples": ["auto", "2 fs", 0.01]}),
]
"""`auto`, or a positive value whose dimension depends on the system; checked in `rules`."""

AutoOrZero = Annotated[
    Literal["auto"] | Quantity,
    *plain_field(_read_auto_or_zero, {**ONE, "examples": ["auto", "1 /ps", 0]}),
]
"""As `AutoQuantity`, or 0."""

Width = Annotated[
    Literal["auto"] | Quantity | dict[str, Quantity],
    *plain_field(_read_width, {"anyOf": [ONE, _PER_CV], "examples": ["auto", "10 deg"]}),
]
"""`auto`, one positive value for all CVs, or one per CV name; checked in `rules`."""

SEVERAL = {
    "anyOf": [{"type": "integer", "minimum": 2}, {"type": "array", "items": ONE, "minItems": 2}]
}
"""JSON schema of at least two: their number, or all of them."""

Interval = Annotated[
    tuple[Quantity, Quantity],
    *plain_field(_read_interval, {**_PAIR, "examples": [["0 deg", "130 deg"], [0.5, 1.2]]}),
]
"""[low, high], each with the CV's unit; checked in `rules`."""


def _auto_or(whole: bool, zero: bool = False) -> tuple[GetPydanticSchema, WithJsonSchema]:
    what = "a whole number" if whole else "a number without a unit"

    def read(value: object) -> object:
        if value == "auto":
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise problem(f"is neither auto nor {what}", f"Write auto or {what}")
        if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
            least = "must not be negative" if zero else "must be greater than zero"
            raise problem(least, f"Write auto or {what}")
        if whole and value % 1:
            raise problem("is no whole number", f"Write auto or {what}")
        return int(value) if whole else float(value)

    bound = {"minimum": 0} if zero else {"exclusiveMinimum": 0}
    number = {"type": "integer" if whole else "number", **bound}
    return plain_field(read, {"anyOf": [{"const": "auto"}, number]})


AutoSteps = Annotated[int | Literal["auto"], *_auto_or(True)]
AutoCount = Annotated[int | Literal["auto"], *_auto_or(True, zero=True)]
AutoNumber = Annotated[float | Literal["auto"], *_auto_or(False)]


def _read_share(value: object, *, auto: bool = False) -> object:
    if auto and value == "auto":
        return value
    number = value
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            number = float(value.strip()[:-1]) / 100.0
        except ValueError:
            raise problem("is no percentage", "Write it like 5 %") from None
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < 1:
        raise problem("is no share between 0 and 1", "Write it like 5 %, or 0.05")
    return float(number)


_SHARE: list[dict[str, Any]] = [
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "string", "pattern": r"^\s*[0-9.]+\s*%\s*$"},
]

Share = Annotated[float, *plain_field(_read_share, {"anyOf": _SHARE, "examples": ["10 %", 0.1]})]
"""Strictly between 0 and 1, as a number or a percentage."""

AutoShare = Annotated[
    float | Literal["auto"],
    *plain_field(
        lambda value: _read_share(value, auto=True),
        {"anyOf": [{"const": "auto"}, *_SHARE], "examples": ["auto", "5 %"]},
    ),
]
"""`auto`, or such a share."""
