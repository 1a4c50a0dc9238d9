"""Entropy and walls: corridors, energies that are inf or NaN, and a step."""

from __future__ import annotations

from functools import partial
from typing import Any

from traps_cases.base import Trap, coordinate, python
from traps_cases.quadrature import quadrature

HALF = {"left": [(-9.0, 0.0)]}
SHORT: dict[str, Any] = {
    "strategy": {"kind": "steered", "path": {"steps": 40}},
    "budget": {"energy_evaluations": 5_000_000},
}


def _rooms(name: str, what: str, arguments: dict[str, float], **more: Any) -> Trap:
    return Trap(
        name, what, python("rooms", **arguments), {"x": coordinate(0, -3.2, 3.2)},
        partial(quadrature, "rooms", arguments, [(-3.6, 3.6), (-1.6, 1.6)], HALF),
        {"left": {"x": [-3.2, 0]}}, **more,
    )  # fmt: skip


def _walled(kind: str, name: str, what: str) -> Trap:
    arguments = {"kind": kind}
    return Trap(
        name, what, python("walled", **arguments), {"x": coordinate(0, -2.0, 2.0)},
        partial(quadrature, "walled", arguments, [(-2.5, 2.5), (-1.25, 1.25)], HALF),
        {"left": {"x": [-2, 0]}},
    )  # fmt: skip


def issue_rows() -> list[Trap]:
    """A corridor and 25 kT, by steered paths that are too short, ten seeds."""
    return [
        _rooms("corridor_25", "rooms with a corridor, one 25 kT above the other, short paths",
               {"offset": 25.0}, strategies=("steered",), seeds=10,
               sections={"steered": SHORT}, hidden=True),
    ]  # fmt: skip


def traps() -> list[Trap]:
    """More of them, by every strategy."""
    return [
        _rooms("corridor", "rooms with a corridor a tenth as wide: a barrier of entropy",
               {"offset": 1.0}),
        _walled("inf", "walls_inf", "energies of inf beyond |y| = 1"),
        _walled("nan", "walls_nan", "energies of NaN beyond |y| = 1"),
        Trap("step", "an energy that jumps by 3 kT where the force says nothing",
             python("stepped"), {"x": coordinate(0, -2.0, 2.0)},
             partial(quadrature, "stepped", {}, [(-2.5, 2.5), (-3.5, 3.5)], HALF),
             {"left": {"x": [-2, 0]}}),
    ]  # fmt: skip
