"""Axes that are unlike: stiff beside soft, a seam of another period, three CVs."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from traps_cases.base import Trap, coordinate, python
from traps_cases.quadrature import quadrature

HALF = {"left": [(-9.0, 0.0)]}


def stiff_truth(height: float = 5.0, n: int = 200_000) -> dict[str, float]:
    """F(rest) − F(left); z and y give −½ ln k(x) in closed form, the rest is one integral."""
    x = -3.0 + 6.0 * (np.arange(n) + 0.5) / n
    p = np.exp(-height * (x * x - 1.0) ** 2 - 0.25 * x)
    return {"rest": math.log(p[x < 0].sum() / p[x >= 0].sum())}


def seam_truth(height: float = 5.0, n: int = 200_000) -> dict[str, float]:
    """F(rest) − F(seam): within π/2 of ±π, and elsewhere; the same for every period."""
    t = -math.pi + 2.0 * math.pi * (np.arange(n) + 0.5) / n
    p = np.exp(0.5 * height * np.cos(2.0 * t) + 0.5 * np.cos(t))
    seam = np.abs(t) > 0.5 * math.pi
    return {"rest": math.log(p[seam].sum() / p[~seam].sum())}


def three_truth(height: float = 4.0, tilt: float = 0.5, n: int = 200_000) -> dict[str, float]:
    """F(rest) − F(left) along the first of three independent axes."""
    x = -3.0 + 6.0 * (np.arange(n) + 0.5) / n
    p = np.exp(-height * (x * x - 1.0) ** 2 - tilt * x)
    return {"rest": math.log(p[x < 0].sum() / p[x >= 0].sum())}


def _seam(period: float) -> Trap:
    angle = {"kind": "python", "factory": "traps_cases.potentials:phase", "periodic": True,
             "arguments": {"period": period}}  # fmt: skip
    return Trap(
        f"seam_{period:g}".replace(".", "_"),
        f"a period of {period:g}, unbounded, one state across the seam",
        python("periodic", period=period), {"phase": angle}, seam_truth,
        {"seam": {"phase": ["90 deg", "-90 deg"]}},
        # the whole configuration has no density
        strategies=("steered", "umbrella", "parallel_tempering", "local"),
        sections={"umbrella": {"strategy": {"windows": {"phase": 12}}}},
    )  # fmt: skip


def traps() -> list[Trap]:
    """All of them, by every strategy that can be tried."""
    axes = {name: coordinate(i, -2.0, 2.0, 16) for i, name in enumerate("xyz")}
    return [
        Trap("stiff_beside_soft", "a stiffness of 1e4 beside 1", python("stiff_beside_soft"),
             {"x": coordinate(0, -2.0, 2.0)}, stiff_truth, {"left": {"x": [-2, 0]}}),
        _seam(3.7),
        _seam(1.0),
        Trap("three_cvs", "three CVs, a double well along each", python("three_axes"), axes,
             three_truth, {"left": {"x": [-2, 0]}},
             sections={"umbrella": {"strategy": {"windows": {"x": 5, "y": 5, "z": 5}}}}),
    ]  # fmt: skip


def quadratures() -> dict[str, tuple[dict[str, float], dict[str, float]]]:
    """Each truth beside that of the whole potential on a grid."""
    seam = quadrature("periodic", {"period": 3.7}, [(-1.85, 1.85), (-7.0, 7.0)],
                      {"middle": [(-0.925, 0.925)]}, 800)  # fmt: skip
    stiff = partial(quadrature, "stiff_beside_soft", {},
                    [(-2.4, 2.4), (-7.0, 7.0), (-0.12, 0.12)], HALF)  # fmt: skip
    three = partial(quadrature, "three_axes", {}, [(-2.6, 2.6)] * 3, HALF)
    return {
        "stiff_beside_soft": (stiff_truth(), stiff(160)),
        "three_cvs": (three_truth(), three(160)),
        "seam": (seam_truth(), {"rest": -seam["rest"]}),
    }
