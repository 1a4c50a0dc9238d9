"""Mixtures of Gaussians: a narrow state off the CV axis, states nobody named, many dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from scipy.stats import norm

from traps_cases.base import OF_POTENTIALS, ON_CONFIGURATIONS, Trap, coordinate

X = {"x": coordinate(0, -4.0, 4.0)}


def below(edges: Sequence[float], weights: Sequence[float], means: Sequence[float],
          scales: Sequence[float]) -> list[float]:  # fmt: skip
    """P(x < edge) of each edge for a mixture along one axis, in closed form."""
    parts = list(zip(weights, means, scales, strict=True))
    return [float(sum(w * norm.cdf(e, m, s) for w, m, s in parts)) for e in edges]


def narrow_system(spread: float = 0.15) -> dict[str, object]:
    """35 % at (−2, 0), 20 % at (2, 0), 45 % at (2, 6) `spread` wide."""
    return {
        "kind": "gaussian_mixture",
        "means": [[-2.0, 0.0], [2.0, 0.0], [2.0, 6.0]],
        "scales": [0.5, 0.5, spread],
        "weights": [0.35, 0.2, 0.45],
    }


def narrow_truth(spread: float = 0.15) -> dict[str, float]:
    """F(rest) − F(left)."""
    (p,) = below([0.0], [0.35, 0.2, 0.45], [-2.0, 2.0, 2.0], [0.5, 0.5, spread])
    return {"rest": math.log(p / (1.0 - p))}


def many_truth(share: float = 0.3, mean: float = 0.5, dim: int = 50) -> dict[str, float]:
    """F(rest) − F(low) of two unit Gaussians at ∓mean on all axes, along their mean."""
    width = 1.0 / math.sqrt(dim)
    (p,) = below([0.0], [share, 1.0 - share], [-mean, mean], [width, width])
    return {"rest": math.log(p / (1.0 - p))}


def _many(dim: int, mean: float) -> Trap:
    return Trap(
        f"dimensions_{dim}",
        f"two Gaussians {2 * mean * math.sqrt(dim):.0f} σ apart in {dim} dimensions",
        {"kind": "gaussian_mixture", "dim": dim, "means": [-mean, mean], "scales": 1.0,
         "weights": [0.3, 0.7]},
        {"mean": {"kind": "mean_coordinate", "range": [-1.5, 1.5], "bins": 40}},
        partial(many_truth, 0.3, mean, dim),
        {"low": {"mean": [-1.5, 0.0]}},
    )  # fmt: skip


def issue_rows() -> list[Trap]:
    """The narrow third state by the two strategies that were seen to be wrong, ten seeds."""
    return [
        Trap("narrow_third", "45 % in a narrow third state off the CV axis", narrow_system(), X,
             narrow_truth, {"left": {"x": [-4, 0]}}, strategies=("importance", "flow_mcmc"),
             hidden=True, seeds=10),
    ]  # fmt: skip


def traps() -> list[Trap]:
    """More of them, by every strategy."""
    others = [s for s in OF_POTENTIALS if s not in ("importance", "flow_mcmc")]
    return [
        Trap("narrow_third_others", "the same by the other strategies", narrow_system(), X,
             narrow_truth, {"left": {"x": [-4, 0]}}, strategies=others, hidden=True),
        Trap("wide_third", "45 % in a third state off the CV axis, as wide as the others",
             narrow_system(0.5), X, partial(narrow_truth, 0.5), {"left": {"x": [-4, 0]}},
             strategies=ON_CONFIGURATIONS, hidden=True),
        _many(50, 0.5),
        _many(200, 0.3),
    ]  # fmt: skip
