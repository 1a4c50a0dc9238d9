"""What the conditional model of the windows learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.orchestrator.estimators.windows.mbar import solve_mbar
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.umbrella.windows import Windows
from msgen.systems.base import Array

MOST = 6000
"""Configurations that a fit sees; the newest of each window."""
LABELS = 2
"""Draws of λ for each configuration."""
HEAVIEST = 10.0
"""Largest weight against the mean: few configurations must not be learnt by heart."""
_DENSITY = 1500

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """Configurations in the coordinates of the model, by the window they were sampled in.

    Attributes
    ----------
    y : Array, shape (n, d)
    xi : Array, shape (n, C)
        Their CVs.
    window : int array, shape (n,)
        −1 for free sampling.
    """

    y: Array
    xi: Array
    window: Ints

    @classmethod
    def empty(cls, dim: int) -> Pool:
        """Nothing yet, of `dim` CVs."""
        return cls(np.zeros((0, 0)), np.zeros((0, dim)), np.zeros(0, dtype=np.int64))

    def plus(self, segments: Sequence[Segment], *, free: bool = False) -> Pool:
        """With a round's configurations; the oldest go where there are too many."""
        parts = [s.carry for s in segments if "recent" in s.carry]
        if not parts:
            return self
        window = np.concatenate([c["recent_window"] for c in parts])
        y = [c["recent"] for c in parts]
        whole = Pool(
            np.concatenate([self.y, *y] if len(self.y) else y),
            np.concatenate([self.xi, *(c["recent_xi"] for c in parts)]),
            np.concatenate([self.window, np.full_like(window, -1) if free else window]),
        )
        kinds = np.unique(whole.window)
        most = max(1, MOST // len(kinds))
        keep = np.concatenate([np.flatnonzero(whole.window == k)[-most:] for k in kinds])
        keep.sort()
        return Pool(whole.y[keep], whole.xi[keep], whole.window[keep])

    def tree(self) -> Tree:
        """`from_tree` is the inverse."""
        return {"y": self.y, "xi": self.xi, "window": self.window}

    @classmethod
    def from_tree(cls, tree: Tree) -> Pool:
        """Inverse of `tree`."""
        return cls(np.asarray(tree["y"]), np.asarray(tree["xi"]), np.asarray(tree["window"]))


def log_weights(pool: Pool, windows: Windows) -> Array:
    """ln of each configuration's weight in the ensemble without windows, by MBAR, shape (n,)."""
    kinds = np.unique(pool.window)
    energies = windows.energies(pool.xi)
    u = np.array([energies[k] if k >= 0 else np.zeros(len(pool.xi)) for k in kinds.tolist()])
    counts = np.array([np.count_nonzero(pool.window == k) for k in kinds])
    order = np.argsort(pool.window, kind="stable")
    out = np.empty(len(order))
    out[order] = solve_mbar(u[:, order], counts).log_weights
    return out


def fit_windows_order(problem: Problem, state: Tree, windows: Windows) -> WorkOrder:
    """A fit of p(x|λ) on pairs of configurations and labels λ ~ g(·|ξ), every λ counting the same.

    A configuration weighs w/p(λ): w is that of MBAR, so that p(x|λ) ∝ ρ*(x) g(λ|ξ(x)) whichever
    windows it came from, and p(λ) = Σ w g(λ|ξ) makes the labels flat.
    """
    pool = Pool.from_tree(state["pool"])
    key = np.random.SeedSequence(problem.seed, spawn_key=(int(state["round"]), 80))
    rng = np.random.default_rng(key)
    log_w = log_weights(pool, windows)
    biased, g = windows.biased, windows.g
    label = np.concatenate([_labels(windows, pool.xi, rng) for _ in range(LABELS)])
    log_w = np.tile(log_w, LABELS)
    some = rng.choice(len(pool.xi), min(_DENSITY, len(pool.xi)), replace=False)
    near = np.array([log_w[some] - g.energy(lam, pool.xi[some]) for lam in label])
    log_weight = log_w - logsumexp(near, axis=1)
    weight = np.exp(log_weight - logsumexp(log_weight))
    weight = np.minimum(weight, HEAVIEST / len(weight))
    return WorkOrder(
        int(state["round"]),
        "fit_windows",
        0,
        {
            "data": np.tile(pool.y, (LABELS, 1)),
            "weights": weight / weight.sum() * len(weight),
            "label": label[:, biased],
            "label_periodic": windows.periodic[biased],
            "repeats": LABELS,
        },
        model_version=int(state["version"]),
    )


def _labels(windows: Windows, xi: Array, rng: np.random.Generator) -> Array:
    """λ ~ g(·|ξ) along the biased CVs; the others as they are."""
    out = np.array(xi)
    biased = windows.biased
    part = type(windows.g)(windows.kappa[biased], windows.periodic[biased])
    out[:, biased] = part.sample(xi[:, biased], rng)
    return out
