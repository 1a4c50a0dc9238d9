"""Three two-dimensional potentials as a user would try them, all defaults but the budget."""

from __future__ import annotations

from typing import Any

import numpy as np
from exact_populations import exact_state_probability
from places import ROOT
from sections import build_cvs, build_system

from traps_cases.base import Trap, coordinate, python
from traps_cases.quadrature import quadrature

OWN: dict[str, Any] = {"local": {"kind": "hmc"}}
DEFAULTS: dict[str, Any] = {"model": {"kind": "spline_flow"}, "strategy": OWN}


def built_in(kind: str, cv: dict[str, Any], low: float, high: float, n: int = 1500) -> float:
    """F(rest) − F(low ≤ CV < high), kT, of a built-in surface."""
    system = build_system({"kind": kind}, ROOT)
    cvs = build_cvs({"s": {"kind": "coordinate", "index": cv["index"]}}, system, ROOT)
    p = exact_state_probability(system, cvs, {"s": (low, high)}, n)
    return float(np.log(p / (1.0 - p)))


def _surface(name: str, system: dict[str, Any], cv: dict[str, Any], region: list[float],
             truth: Any) -> Trap:  # fmt: skip
    return Trap(
        f"defaults_{name}", f"{name}, nothing hidden, all defaults", system, {"s": cv},
        lambda: {"rest": truth()}, {"one": {"s": region}},
        strategies=("steered", "importance", "flow_mcmc"), sections=DEFAULTS, seeds=10,
        evaluations=6e6,
    )  # fmt: skip


def issue_rows() -> list[Trap]:
    """Of which `steered` was seen to adapt without end, ten seeds."""
    x, y = coordinate(0, -2.0, 2.0), coordinate(1, -0.8, 2.4)
    wq = coordinate(1, -3.0, 3.0)

    def wolfe_quapp() -> float:
        box = [(-3.0, 3.0), (-3.0, 3.0)]
        found = quadrature("wolfe_quapp", {}, box, {"one": [(-9.0, 9.0), (0.0, 9.0)]})
        return found["rest"]

    return [
        _surface("double_well", {"kind": "double_well"}, x, [-2.0, 0.0],
                 lambda: built_in("double_well", x, -np.inf, 0.0)),
        _surface("mueller_brown", {"kind": "mueller_brown"}, y, [0.9, 2.4],
                 lambda: built_in("mueller_brown", y, 0.9, np.inf)),
        _surface("wolfe_quapp", python("wolfe_quapp"), wq, [0.0, 3.0], wolfe_quapp),
    ]  # fmt: skip
