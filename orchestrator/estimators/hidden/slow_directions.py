"""The slowest combinations of what is watched: time-lagged independent components.

Of columns with unit variance, C₀ their covariance and C_τ that at one reading's lag, both pooled
over replicas about the common mean: C_τ v = ρ C₀ v has the slowest direction first (Molgedey and
Schuster, Phys. Rev. Lett. 72, 3634, 1994; Pérez-Hernández et al., J. Chem. Phys. 139, 015102,
2013). A direction in which replicas never meet has ρ = 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import eigh

from msgen.orchestrator.estimators.hidden.units import Array, Units

RIDGE = 1e-3
"""Added to C₀: directions that hardly vary are not slow."""
SINGLE = 0.9
"""Squared weight from which a direction is its one column, which is tested by itself."""
NAMED = 0.3
"""Weight, relative to the largest, of the columns that a name tells."""


def slow_directions(units: Units, number: int) -> Array:
    """The slowest directions that are no single column, shape (H, up to `number`)."""
    joined = np.concatenate(units.series)
    spread = joined.std(axis=0)
    used = np.flatnonzero(spread > 1e-12 * (1.0 + np.abs(joined.mean(axis=0))))
    if len(used) < 2:
        return np.zeros((joined.shape[1], 0))
    mean = joined.mean(axis=0)
    scaled = [((s - mean) / np.where(spread > 0, spread, 1.0))[:, used] for s in units.series]
    c0 = sum(s.T @ s for s in scaled) / len(joined) + RIDGE * np.eye(len(used))
    pairs = sum(len(s) - 1 for s in scaled)
    lagged = sum(s[:-1].T @ s[1:] for s in scaled) / pairs
    _, vectors = eigh(0.5 * (lagged + lagged.T), c0)
    out = []
    for v in vectors.T[::-1][:number]:
        weight = v / np.linalg.norm(v)
        if np.max(weight**2) < SINGLE:
            direction = np.zeros(joined.shape[1])
            direction[used] = weight / spread[used]
            out.append(direction)
    return np.array(out).reshape(-1, joined.shape[1]).T


def direction_name(direction: Array, spread: Array, names: Sequence[str]) -> str:
    """As «slow direction 0.81 x − 0.58 z», of columns with unit variance, the largest positive."""
    weight = direction * spread
    order = np.argsort(-np.abs(weight))
    weight = weight / np.linalg.norm(weight) * np.sign(weight[order[0]])
    told = [i for i in order[:3] if abs(weight[i]) >= NAMED * abs(weight[order[0]])]
    terms = (f"{'+' if weight[i] > 0 else '−'} {abs(weight[i]):.2f} {names[i]}" for i in told)
    return "slow direction " + " ".join(terms).removeprefix("+ ")
