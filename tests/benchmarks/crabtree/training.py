"""Conditional models of the fast variable, trained on the paper's driven trajectory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crabtree.windows import IN_WINDOW, paths
from msgen.models.base import GenerativeModel
from msgen.models.registry import build
from msgen.models.tabulated import Tabulated
from msgen.systems.base import Array
from msgen.systems.slow_fast import SlowFast
from msgen.systems.slow_fast_paths import driven

MODEL: dict[str, Any] = {"kind": "score"}
SAMPLES, STRIDE = 100_000, 100
BOX = (-2.4, 2.4)
EPS = 0.05
"""Share of the uniform defence of in-window proposals."""

WINDOWS = tuple(np.linspace(0.5, 9.5, 10))
SWEEPS = 2_000
"""Steps of a walker in a window while data for the next model are gathered: 200,000 in all."""


@dataclass(frozen=True)
class Trained:
    """A model of x₂ conditional on a label, what it was trained on, and what that cost.

    Attributes
    ----------
    model : GenerativeModel
    path : Array, shape (n, 2)
        (x₁, x₂) of the training set.
    seconds : float
        Of the fit.
    """

    model: GenerativeModel
    path: Array
    seconds: float

    def table(self, label: float, eps: float = 0.0, cells: int = 800) -> Tabulated:
        """The model's density at a label, normalised in `BOX`."""
        return Tabulated.of(self.model, *BOX, cells, np.array([label]), eps)


def train(system: SlowFast, seed: int, spec: dict[str, Any] | None = None) -> Trained:
    """A model conditional on x₁, from a driven trajectory of its own."""
    return fit(driven(system, SAMPLES, STRIDE, seed), None, seed, spec)


def fit(
    path: Array, labels: Array | None, seed: int, spec: dict[str, Any] | None = None
) -> Trained:
    """A model of x₂ conditional on `labels`, shape (n,), or on x₁ itself."""
    model = build(spec or MODEL, 1, [False], n_context=1)
    about = path[:, :1] if labels is None else labels[:, None]
    report = model.fit(path[:, 1:], seed=seed, context=about)
    return Trained(model, path, report.seconds)


def retrain(system: SlowFast, trained: Trained, seed: int) -> Trained:
    """One round of the loop: windows started by the model, with in-window moves, teach a new one.

    `WINDOWS` windows of ten walkers, `SWEEPS` steps each; the label of a sample is its window's
    centre. None of them stands at x₁ = 5.
    """
    parts = []
    for i, x1 in enumerate(WINDOWS):
        moves = trained.table(x1, EPS)
        run = paths(system, x1, IN_WINDOW, SWEEPS, IN_WINDOW.walkers, 1000 * seed + i,
                    trained.table(x1), moves)  # fmt: skip
        x2 = np.concatenate([p[::2].ravel() for p in run])
        parts.append(np.column_stack([np.full_like(x2, x1), x2]))
    return fit(np.concatenate(parts), None, seed)
