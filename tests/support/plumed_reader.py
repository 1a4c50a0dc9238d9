"""PLUMED's files as its manual has them read: EXTERNAL's grids and the fields of COLVAR.

Written from the manual's page of EXTERNAL and the rules that PLUMED 2 refuses files by; nothing of
msgen's writers is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class PlumedError(ValueError):
    """What PLUMED would end with."""


@dataclass(frozen=True)
class Fields:
    """The columns of a file by name, and what is SET in it."""

    columns: dict[str, Array]
    constants: dict[str, str]


def read_fields(path: Path) -> Fields:
    """Any file with a FIELDS line; comments and blank lines are passed over."""
    names: list[str] = []
    constants: dict[str, str] = {}
    rows: list[list[float]] = []
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:2] == ["#!", "FIELDS"]:
            names = words[2:]
        elif words[:2] == ["#!", "SET"] and len(words) == 4:
            constants[words[2]] = words[3]
        else:
            numbers = line.partition("#")[0].split()
            if numbers and len(numbers) != len(names):
                raise PlumedError(f"mismatch between number of fields in file: {line!r}")
            if numbers:
                rows.append([float(w) for w in numbers])
    return Fields(dict(zip(names, np.array(rows).T, strict=True)), constants)


@dataclass(frozen=True)
class External:
    """A bias on a grid: `values` and `slopes` at the points, the first CV's axis first."""

    points: list[Array]
    values: Array
    slopes: list[Array]


def number(text: str) -> float:
    """A number as PLUMED converts it."""
    return {"-pi": -math.pi, "pi": math.pi, "+pi": math.pi}.get(text) or float(text)


def read_external(path: Path, label: str, arguments: dict[str, bool]) -> External:
    """What ``EXTERNAL ARG=… FILE=… LABEL=label`` makes of a file.

    Parameters
    ----------
    arguments : mapping of str to bool
        CVs in the order of ARG, and whether each is periodic, between -pi and pi then.

    Raises
    ------
    PlumedError
        As PLUMED does.
    """
    file = read_fields(path)
    said, columns = file.constants, file.columns
    if f"{label}.bias" not in columns:
        raise PlumedError(f"no column labelled {label}.bias in grid input")
    if list(columns)[: len(arguments)] != list(arguments):
        raise PlumedError("arguments in input are not in same order as in grid file")
    asked = {*arguments, f"{label}.bias", *(f"der_{name}" for name in arguments)}
    if missing := asked - set(columns):
        raise PlumedError(f"missing derivatives from grid file: {missing}")
    if more := set(columns) - asked:
        raise PlumedError(f"fields {more} were not read: all the fields need to be read")
    points, places = [], []
    for name, periodic in arguments.items():
        low, high = said[f"min_{name}"], said[f"max_{name}"]
        bins = int(said[f"nbins_{name}"])
        if said[f"periodic_{name}"] != ("true" if periodic else "false"):
            raise PlumedError("periodicity mismatch between arguments and input bias")
        if periodic and (low, high) != ("-pi", "pi"):
            raise PlumedError("mismatch between grid boundaries and periods of values")
        step = (number(high) - number(low)) / (bins if periodic else bins - 1)
        points.append(number(low) + step * np.arange(bins))
        at = np.floor((columns[name] + step / 2 - number(low)) / step).astype(int)
        if (at < 0).any() or (at >= bins).any():
            raise PlumedError("the system is looking for a value outside the grid")
        if np.abs(columns[name] - points[-1][at]).max() > 1e-6:
            raise PlumedError(f"values of {name} are off the grid points")
        places.append(at)
    shape = [len(p) for p in points]
    if len(set(zip(*places, strict=True))) != np.prod(shape):
        raise PlumedError("some grid points have no value")

    def filled(column: str) -> Array:
        out = np.full(shape, np.nan)
        out[tuple(places)] = columns[column]
        return out

    bias, slopes = filled(f"{label}.bias"), [filled(f"der_{name}") for name in arguments]
    if not all(np.isfinite(a).all() for a in (bias, *slopes)):
        raise PlumedError("not a number")
    return External(points, bias, slopes)
