"""Wells along the CVs: deep ones, many, equal ones, some without a name, and where one starts."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
from trials import Ended

from traps_cases.base import Trap, coordinate, python
from traps_cases.quadrature import free_energies, populations, quadrature

X = {"x": coordinate(0, -2.0, 2.0)}
LEFT = {"left": {"x": [-2, 0]}}
HALF = {"left": [(-9.0, 0.0)]}
NINE = [(-4.0, 4.0), (-4.0, 4.0)]
XY = {name: coordinate(i, -3.2, 3.2, 32) for i, name in enumerate("xy")}
THIRDS = {"a": (-3.2, -1.0), "b": (-1.0, 1.0), "c": (1.0, 3.2)}
"""Of either axis; a campaign's names join two."""
OVER_TWO: dict[str, Any] = {
    "umbrella": {"strategy": {"windows": {"x": 6, "y": 6}}},
}


def nine(n: int = 1000) -> dict[str, float]:
    """F of all nine wells against the first."""
    boxes = {}
    for (a, x), (b, y) in itertools.product(THIRDS.items(), repeat=2):
        # the outer ones reach to the end of the grid
        boxes[a + b] = [_open(x), _open(y)]
    found = populations("nine_wells", {}, NINE, boxes, n)
    del found["rest"]
    return free_energies(found)


def _open(edge: tuple[float, float]) -> tuple[float, float]:
    low, high = edge
    return (-9.0 if low < -3.0 else low, 9.0 if high > 3.0 else high)


def nine_found(ended: Ended) -> list[float]:
    """z of nine wells that a campaign has named by their places; inf where some are merged."""
    if len(ended.states) != 9:
        return [np.inf]
    exact, found = {"aa": 0.0, **nine()}, {}
    for name, (f, error) in ended.states.items():
        place = [float(part.partition("=")[2]) for part in name.split(",")]
        found["".join("abc"[int(np.searchsorted([-1.0, 1.0], v))] for v in place)] = (f, error)
    first = next(iter(found))
    z = []
    for name, (f, error) in found.items():
        if name == first:
            continue
        known = f is not None and error is not None and error > 0
        z.append((f - exact[name] + exact[first]) / error if known else np.inf)
    return z


def _tilted(slope: float) -> Trap:
    arguments = {"slope": slope}
    return Trap(
        f"deep_{slope:.0f}", f"one well {slope:.0f} kT above the other",
        python("tilted", **arguments), X,
        partial(quadrature, "tilted", arguments, [(-2.5, 2.5), (-7.0, 7.0)], HALF), LEFT,
    )  # fmt: skip


def _start(name: str, what: str, start: float) -> Trap:
    arguments = {"slope": 4.0, "start": start}
    return Trap(
        name, what, python("tilted", **arguments), X,
        partial(quadrature, "tilted", arguments, [(-2.5, 2.5), (-7.0, 7.0)], HALF), LEFT,
    )  # fmt: skip


def _three(name: str, what: str, aside: float, **more: Any) -> Trap:
    arguments = {"third": 0.3, "aside": aside}
    regions = {"left": [(-9.0, -1.0)], "middle": [(-1.0, 1.0)]}
    return Trap(
        name, what, python("three_wells", **arguments), {"x": coordinate(0, -3.2, 3.2)},
        partial(quadrature, "three_wells", arguments, [(-5.0, 5.0), (-3.0, 7.0)], regions),
        {"left": {"x": [-3.2, -1.0]}, "middle": {"x": [-1.0, 1.0]}}, **more,
    )  # fmt: skip


def issue_rows() -> list[Trap]:
    """Nine wells without names, ten seeds."""
    return [
        Trap("nine_unnamed", "nine wells, and the states left out", python("nine_wells"), XY,
             nine, None, strategies=("importance", "flow_mcmc", "local", "steered"), seeds=10,
             judge=nine_found),
    ]  # fmt: skip


def traps() -> list[Trap]:
    """More of them, by every strategy."""
    names = {a + b: {"x": list(x), "y": list(y)}
             for (a, x), (b, y) in itertools.product(THIRDS.items(), repeat=2)}  # fmt: skip
    named = {name: region for name, region in names.items() if name != "cc"}
    ring = {"phi": {"kind": "python", "factory": "traps_cases.potentials:polar", "periodic": True}}
    return [
        Trap("nine_named", "nine wells with names", python("nine_wells"), XY,
             lambda: {("rest" if k == "cc" else k): f for k, f in nine().items()}, named,
             sections=OVER_TWO),
        *(_tilted(slope) for slope in (12.0, 25.0, 50.0)),
        _start("start_on_barrier", "a start on the barrier", 0.0),
        _start("start_in_minor", "a start in the state that holds 2 %", 1.0),
        _three("two_named", "three states, two with names", 0.0),
        _three("two_named_aside", "three states, two with names, the third off the axis", 4.0),
        Trap("degenerate", "three equal wells on a ring", python("degenerate"), ring,
             lambda: {"b": 0.0, "rest": 0.0},
             {"a": {"phi": ["-60 deg", "60 deg"]}, "b": {"phi": ["60 deg", "180 deg"]}},
             sections={"umbrella": {"strategy": {"windows": {"phi": 12}}}}),
    ]  # fmt: skip
