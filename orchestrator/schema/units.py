"""Values with units, as a campaign file writes them: ``320 K``, ``2 fs``, ``130 deg``.

Inside msgen every number is a float in one fixed unit per dimension (the first row of each table):
kJ/mol, nm, ps, rad, K, 1/ps, g/mol, and seconds for the wall clock.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from msgen.systems.constants import GAS_CONSTANT as GAS_CONSTANT  # for sections, of plug-ins too

Dimension = Literal[
    "temperature", "time", "rate", "length", "angle", "energy", "free_energy", "mass", "stiffness",
    "concentration", "pressure", "wall", "number",
]  # fmt: skip

# factor to the internal unit, which comes first
TABLE: dict[Dimension, dict[str, float]] = {
    "temperature": {"K": 1.0},
    "time": {"ps": 1.0, "fs": 1e-3, "ns": 1e3, "us": 1e6},
    "rate": {"/ps": 1.0, "/fs": 1e3, "/ns": 1e-3},
    "length": {"nm": 1.0, "A": 0.1, "pm": 1e-3},
    "angle": {"rad": 1.0, "deg": math.pi / 180.0},
    "energy": {"kJ/mol": 1.0, "kcal/mol": 4.184},
    "free_energy": {"kT": 1.0},
    "mass": {"g/mol": 1.0},
    "stiffness": {"kJ/mol/nm^2": 1.0, "kcal/mol/A^2": 418.4},
    "concentration": {"M": 1.0, "mM": 1e-3},
    "pressure": {"bar": 1.0, "atm": 1.01325, "MPa": 10.0, "kPa": 0.01},
    "wall": {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "number": {"": 1.0},
}

_ALIASES = {
    "kelvin": "K", "picosecond": "ps", "femtosecond": "fs", "nanosecond": "ns", "µs": "us",
    "1/ps": "/ps", "ps^-1": "/ps", "1/fs": "/fs", "fs^-1": "/fs", "1/ns": "/ns", "ns^-1": "/ns",
    "Å": "A", "angstrom": "A", "angstroms": "A", "nanometer": "nm",
    "°": "deg", "degree": "deg", "degrees": "deg", "radian": "rad", "radians": "rad",
    "kj/mol": "kJ/mol", "kJ": "kJ/mol", "kcal": "kcal/mol", "kt": "kT", "KT": "kT",
    "amu": "g/mol", "Da": "g/mol", "dalton": "g/mol",
    "kJ/mol/nm²": "kJ/mol/nm^2", "kJ/mol/nm**2": "kJ/mol/nm^2", "kJ/(mol nm^2)": "kJ/mol/nm^2",
    "kcal/mol/Å²": "kcal/mol/A^2", "kcal/mol/Å^2": "kcal/mol/A^2", "kcal/mol/A²": "kcal/mol/A^2",
    "molar": "M", "mol/L": "M", "mol/l": "M",
    "sec": "s", "second": "s", "seconds": "s", "minute": "min", "minutes": "min",
    "hour": "h", "hours": "h", "day": "d", "days": "d",
}  # fmt: skip

EXAMPLES: dict[Dimension, str] = {
    "temperature": "320 K",
    "time": "2 fs",
    "rate": "1 /ps",
    "length": "1 nm",
    "angle": "130 deg",
    "energy": "1 kJ/mol",
    "free_energy": "0.1 kT",
    "mass": "1.5 g/mol",
    "stiffness": "1000 kJ/mol/nm^2",
    "concentration": "0.15 M",
    "pressure": "1 bar",
    "wall": "30 min",
    "number": "0.5",
}

_LABELS: dict[Dimension, str] = {
    "rate": "rate (per time)",
    "time": "simulated time",
    "wall": "wall-clock time",
}

_NUMBER = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf|nan)\s*(.*?)\s*$")


class UnitError(ValueError):
    """A value that is not a number with the unit its place asks for; says what to write instead."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}. {remedy}")


@dataclass(frozen=True)
class Quantity:
    """A number and what it measures.

    Attributes
    ----------
    value : float
        In the internal unit of `dimension`.
    dimension : str
        One of the keys of `TABLE`.
    written : str
        The text that it was read from, to show it as it was; '' where there is none.
    """

    value: float
    dimension: Dimension
    written: str = field(default="", compare=False)

    def __str__(self) -> str:
        return to_text(self.value, self.dimension)


def units_of(dimension: Dimension) -> tuple[str, ...]:
    """The units a campaign file may use for `dimension`, the internal one first."""
    return tuple(TABLE[dimension])


def split(text: str) -> tuple[float, str]:
    """``'2 fs'`` → ``(2.0, 'fs')``; the unit is '' for a bare number.

    Raises
    ------
    UnitError
        Where the text does not begin with a number.
    """
    match = _NUMBER.match(text)
    if match is None:
        raise UnitError(f"{text!r} is not a number with a unit", "Write a number, a space, a unit")
    unit = match.group(2)
    if unit.startswith("* "):
        unit = unit[2:]
    return float(match.group(1)), _ALIASES.get(unit, unit)


def parse_any(value: object) -> Quantity:
    """A number with whatever unit it carries; the dimension follows from the unit.

    Raises
    ------
    UnitError
        For an unknown unit, something that is no number, or a number that is not finite.
    """
    if isinstance(value, Quantity):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnitError(f"{value!r} is not a number", "Write a number, with its unit if it has one")
    number, unit = split(value) if isinstance(value, str) else (float(value), "")
    if not math.isfinite(number):
        raise UnitError(f"{value!r} is not finite", "Write a finite number")
    for dimension in get_args(Dimension):
        if unit in TABLE[dimension]:
            text = value.strip() if isinstance(value, str) else ""
            return Quantity(number * TABLE[dimension][unit], dimension, text)
    known = [u for table in TABLE.values() for u in table if u]
    near = difflib.get_close_matches(unit, [*known, *_ALIASES], n=1, cutoff=0.5)
    hint = f"Did you mean {_ALIASES.get(near[0], near[0])!r}?" if near else "Known units: "
    raise UnitError(f"unknown unit {unit!r}", hint if near else hint + ", ".join(known))


def parse(value: object, dimension: Dimension, kT: float | None = None) -> float:
    """The float in the internal unit of `dimension`.

    Parameters
    ----------
    value : object
        As read from YAML; a bare number is refused unless the dimension is 'number'.
    dimension : str
    kT : float, optional
        kJ/mol per kT, so that a free energy can also be given in kJ/mol or kcal/mol.

    Raises
    ------
    UnitError
    """
    example = f"Write it like {EXAMPLES[dimension]!r}"
    units = " or ".join(repr(u) for u in units_of(dimension) if u)
    quantity = parse_any(value)
    if quantity.dimension == dimension:
        return quantity.value
    if dimension == "free_energy" and quantity.dimension == "energy":
        if kT is None:
            raise UnitError("this system has no kJ/mol scale", f"{example}, in kT")
        return quantity.value / kT
    if dimension == "wall" and quantity.dimension == "time":
        raise UnitError(f"{value!r} is a simulated time", f"{example}: s, min, h or d")
    if quantity.dimension == "number":
        raise UnitError("the unit is missing", f"{example} (units: {units})")
    if dimension == "number":
        raise UnitError("this value has no unit", f"{example}, without a unit")
    given, needed = (_label(d) for d in (quantity.dimension, dimension))
    raise UnitError(f"is a {given} where a {needed} is needed", f"{example} (units: {units})")


def _label(dimension: Dimension) -> str:
    return _LABELS.get(dimension, dimension.replace("_", " "))


def to_text(value: float, dimension: Dimension) -> str:
    """The text that `parse` reads back to exactly the same float."""
    unit = units_of(dimension)[0]
    return f"{value!r} {unit}".strip()
