"""The file that says where somebody's windows are: CVs, units, springs, columns, discard."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from msgen.orchestrator.schema.problems import CampaignError, Problem, choose
from msgen.orchestrator.schema.quantities import Interval, Section, Share, Temperature, problem
from msgen.orchestrator.schema.source import read_file
from msgen.orchestrator.schema.units import (
    GAS_CONSTANT,
    TABLE,
    Dimension,
    Quantity,
    UnitError,
    parse_any,
)

Unit = Literal["nm", "A", "rad", "deg", "1"]
DIMENSIONS: Mapping[Unit, Dimension] = {
    "nm": "length", "A": "length", "rad": "angle", "deg": "angle", "1": "number"
}  # fmt: skip
Column = Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)]
"""Counted from 1, or a name of PLUMED's FIELDS."""
_SPRING = re.compile(r"^(kJ/mol|kcal/mol|kT)(?:/(nm|A|rad|deg)\^?2)?$")
_ENERGIES = {"kJ/mol": 1.0, "kcal/mol": 4.184}


def factor_of(unit: Unit) -> float:
    """What turns a number in `unit` into nm or rad."""
    return TABLE[DIMENSIONS[unit]]["" if unit == "1" else unit]


class ImportedCV(Section):
    """One CV of the surface, as the files have it."""

    unit: Unit
    """Of the numbers in the files, and of the windows' centres in a WHAM metadata file."""
    column: Column | None = None
    """By default the CV's name, or for the first CV column 2, for the second 3."""
    periodic: bool = False
    """Whether it is an angle that wraps at ±180°."""
    range: Interval | None = None
    """[low, high] of the surface, with its unit; not of an angle that wraps."""
    bins: int = Field(default=50, ge=4, le=1000)

    @property
    def factor(self) -> float:
        """What turns a number of the files into nm or rad."""
        return factor_of(self.unit)

    @property
    def bounds(self) -> tuple[float, float]:
        """Of the surface, internal units."""
        if self.periodic or self.range is None:
            return (-math.pi, math.pi)
        return (self.range[0].value, self.range[1].value)

    @model_validator(mode="after")
    def _range_fits(self) -> ImportedCV:
        if self.periodic:
            if DIMENSIONS[self.unit] != "angle":
                raise problem("is no angle, and only angles wrap", "Write unit: deg or rad")
            if self.range is not None:
                raise problem("a periodic CV spans its whole period", "Remove the range")
            return self
        if self.range is None:
            raise problem("has no range", "Give [low, high] of the surface: [0.2 nm, 2 nm]")
        low, high = self.range
        if {low.dimension, high.dimension} != {DIMENSIONS[self.unit]} or low.value >= high.value:
            what = f"has no range [low, high] of a {DIMENSIONS[self.unit]}"
            raise problem(what, "Write it with its unit, low below high: [0.2 nm, 2 nm]")
        return self


class Springs(Section):
    """How force constants are written."""

    unit: str | dict[str, str]
    """Energy over the square of the CV's unit: kJ/mol/nm^2, kcal/mol/A^2, kJ/mol/rad^2, …; of each
    CV, where these differ."""
    half: bool = True
    """Whether the energy is ½ k (ξ − λ)², as of PLUMED, Gromacs and WHAM; Amber's is k (ξ − λ)²."""

    @field_validator("unit")
    @classmethod
    def _known(cls, unit: str | dict[str, str]) -> str | dict[str, str]:
        if not all(map(_SPRING.match, [unit] if isinstance(unit, str) else unit.values())):
            raise problem("is no unit of a spring", "Write it like kJ/mol/nm^2 or kcal/mol/A^2")
        return unit

    def parts_of(self, name: str) -> tuple[str, Unit] | None:
        """Energy and what its square is over, of the springs of a CV; None where not said."""
        unit = self.unit if isinstance(self.unit, str) else self.unit.get(name)
        match = None if unit is None else _SPRING.match(unit)
        if match is None:
            return None
        over: dict[str | None, Unit] = {u: u for u in DIMENSIONS}
        return match[1], over.get(match[2], "1")

    def in_kT(self, kT: float, name: str) -> float:
        """What turns a CV's force constant into κ of ½ κ (ξ − λ)²/kT, ξ in nm or rad."""
        parts = self.parts_of(name)
        assert parts is not None
        energy = kT if parts[0] == "kT" else _ENERGIES[parts[0]]
        return energy / factor_of(parts[1]) ** 2 / kT * (1.0 if self.half else 2.0)


class ImportedWindow(Section):
    """One window: its files, and its restraint or the hills that biased it."""

    files: Annotated[list[str], Field(min_length=1)] | str
    """Of one walker each."""
    centre: dict[str, float | str] = Field(default_factory=dict)
    """λ by CV, with its unit; a CV that is not there was not restrained."""
    spring: dict[str, float] = Field(default_factory=dict)
    """k by CV, in the unit of `springs`."""
    hills: str | None = None
    """PLUMED's HILLS: the bias of all of it counts as constant, so discard what was before."""

    @property
    def paths(self) -> list[str]:
        return [self.files] if isinstance(self.files, str) else self.files

    @model_validator(mode="after")
    def _pairs(self) -> ImportedWindow:
        for name, k in self.spring.items():
            if not k > 0 or not math.isfinite(k):
                raise problem(
                    "is no force constant", "Write a positive number", at=("spring", name), value=k
                )
        if set(self.centre) != set(self.spring):
            odd = sorted(set(self.centre) ^ set(self.spring))[0]
            raise problem(f"of {odd} stands without the other", "Give centre and spring of it",
                          at=("spring" if odd in self.centre else "centre",))  # fmt: skip
        return self


class Windows(Section):
    """The whole file."""

    temperature: Temperature
    cvs: dict[str, ImportedCV] = Field(min_length=1, max_length=3)
    springs: Springs | None = None
    windows: Annotated[list[ImportedWindow], Field(min_length=1)] | str
    """Each window, or a metadata file of WHAM: file, centre, k, and for two CVs both of each."""
    watch: dict[str, Column] | Literal["all", "none"] = "all"
    """Further columns in which slowness is looked for; all: those that PLUMED names."""
    angles: list[str] = Field(default_factory=list)
    """Which of them are angles in rad."""
    discard: Share | int = 0
    """Of every file, at its beginning: a number of lines or a share, 10 %."""
    states: dict[str, dict[str, Interval]] = Field(default_factory=dict)
    """Regions whose free energies are wanted, as in a campaign."""

    @property
    def kT(self) -> float:
        """kJ/mol."""
        return GAS_CONSTANT * self.temperature

    @model_validator(mode="after")
    def _springs_have_a_unit(self) -> Windows:
        plain = isinstance(self.windows, str) or any(w.spring for w in self.windows)
        if plain and self.springs is None:
            raise problem("is missing", "Say how force constants are written: {unit: kJ/mol/nm^2}",
                          at=("springs",))  # fmt: skip
        named = {name for w in self.windows if not isinstance(w, str) for name in w.centre}
        named |= {name for region in self.states.values() for name in region}
        for name in sorted(named - set(self.cvs)):
            raise problem(f"no CV is called {name}", choose(name, self.cvs), at=("cvs",))
        return self

    @model_validator(mode="after")
    def _springs_are_of_their_cvs(self) -> Windows:
        """One of an angle in kcal/mol/A^2 would count a hundredfold."""
        if self.springs is None:
            return self
        each = None if isinstance(self.windows, str) else [w.spring for w in self.windows]
        for name, cv in self.cvs.items():
            if each is not None and not any(name in spring for spring in each):
                continue
            parts, needed = self.springs.parts_of(name), DIMENSIONS[cv.unit]
            if parts is None or DIMENSIONS[parts[1]] != needed:
                fits = {"length": "kJ/mol/nm^2", "angle": "kJ/mol/rad^2"}.get(needed, "kJ/mol")
                raise problem(
                    f"is no spring's of {name}, in {cv.unit}",
                    f"Write the unit of each CV's: {{{name}: {fits}}}",
                    at=("springs", "unit"),
                    value=self.springs.unit,
                )
        return self


def centre_of(value: float | str, cv: ImportedCV) -> float:
    """λ in nm or rad; a bare number counts in the unit of the CV's files.

    Raises
    ------
    UnitError
    """
    if not isinstance(value, str):
        return float(value) * cv.factor
    quantity: Quantity = parse_any(value)
    if quantity.dimension == "number":
        return quantity.value * cv.factor
    if quantity.dimension != DIMENSIONS[cv.unit]:
        needed = DIMENSIONS[cv.unit]
        raise UnitError(
            f"is a {quantity.dimension} where a {needed} is needed", f"Write it in {cv.unit}"
        )
    return quantity.value


def read_windows(path: Path) -> Windows:
    """The file, checked by itself.

    Raises
    ------
    CampaignError
        With every problem found.
    """
    source = read_file(path)
    try:
        return Windows.model_validate(source.tree)
    except ValidationError as error:
        found: dict[tuple[str | int, ...], Problem] = {}
        for detail in error.errors(include_url=False):
            one = _told(detail, source.tree)
            found.setdefault(one.path, one)
        # where a branch of a union got further, what its other branches say is no help
        last = [q for p, q in found.items() if not any(_within(o, p) for o in found)]
        raise CampaignError(source.name, last, source.lines) from None


def _within(path: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    return len(path) > len(other) and path[: len(other)] == other


def _told(detail: Any, tree: Mapping[str, Any]) -> Problem:
    """One of pydantic's errors, at the place in the file that it is about."""
    context = detail.get("ctx", {})
    # unions put the names of their branches among the keys
    at: list[str | int] = []
    here: Any = tree
    for key in detail["loc"]:
        inside = (isinstance(here, Mapping) and key in here) or (
            isinstance(here, list) and isinstance(key, int) and key < len(here)
        )
        if inside:
            at.append(key)
            here = here[key]
    if detail["type"] == "missing":
        return Problem((*at, detail["loc"][-1]), detail["loc"][-1], "is missing", "Give it")
    if detail["type"] == "campaign":
        path = (*at, *context.get("at", ()))
        return Problem(
            path, context.get("value", detail["input"]), context["problem"], context["remedy"]
        )
    what = "unknown key" if detail["type"] == "extra_forbidden" else detail["msg"]
    remedy = "See docs/importing.md for what it may hold"
    return Problem(tuple(at), detail["input"], what[0].lower() + what[1:], remedy)
