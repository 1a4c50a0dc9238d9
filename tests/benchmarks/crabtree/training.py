"""Conditional models of the fast variable, trained on the paper's driven trajectory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

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
