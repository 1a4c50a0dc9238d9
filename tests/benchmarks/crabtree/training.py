"""Conditional models of the fast variable, trained on the paper's driven trajectory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from built_models import build
from slow_fast_paths import driven

from crabtree.windows import IN_WINDOW, paths
from msgen.models.base import GenerativeModel
from msgen.models.tabulated import Tabulated
from msgen.systems.base import Array
from msgen.systems.potentials.slow_fast import EvolvingDoubleWell, SlowFast, VariableBarrier

MODEL: dict[type[SlowFast], dict[str, Any]] = {
    EvolvingDoubleWell: {"kind": "score"},
    VariableBarrier: {"kind": "score", "epochs": 2},
}
"""Where the wells rarely change places, 150 times at the high barrier, more than two passes over
the training set teach a model the chance populations of its one trajectory. Two are best by the
likelihood of a trajectory kept apart (seeds 11 to 14, judged by 99); samples held out at random,
the neighbours in time of those trained on, do not show it."""
SAMPLES, STRIDE = 100_000, 100
BOX, CELLS = (-2.4, 2.4), 480
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
    _masses: dict[float, Array] = field(default_factory=dict)

    def table(self, label: float, eps: float = 0.0) -> Tabulated:
        """The model's density at a label, normalised in `BOX` and defended by `eps`."""
        if label not in self._masses:
            plain = Tabulated.of(self.model, *BOX, CELLS, np.array([label]))
            self._masses[label] = plain.probabilities
        return Tabulated(*BOX, self._masses[label], eps)


def train(system: SlowFast, seed: int) -> Trained:
    """A model conditional on x₁, from a driven trajectory of its own."""
    return fit(system, driven(system, SAMPLES, STRIDE, seed), None, seed)


def fit(system: SlowFast, path: Array, labels: Array | None, seed: int) -> Trained:
    """A model of x₂ conditional on `labels`, shape (n,), or on x₁ itself."""
    model = build(MODEL[type(system)], 1, [False], n_context=1)
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
    return fit(system, np.concatenate(parts), None, seed)
