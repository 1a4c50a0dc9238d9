"""Fig. 4 and 5: the error against the sample size, with exact seeds and with a model's."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from rows import Row
from scipy.stats import binom

from crabtree.training import EPS, train
from crabtree.windows import (
    ALONE,
    BINS,
    EXACT,
    IN_WINDOW,
    SEEDED,
    STRATIFIED,
    Scheme,
    floor,
    histograms,
    l1,
)
from msgen.models.tabulated import Tabulated
from msgen.systems.base import Array
from msgen.systems.slow_fast import VariableBarrier

LABELS = (4, 8)
"""Of the paper: the barrier in kT at a₃ = 1, twice the simulated h."""

SIZES = (1_000, 5_000, 10_000, 50_000, 100_000)
CENTRE = 5.0
"""x₁ of the window, where k = 0."""

REFERENCE = {
    (4, ALONE.name): (0.91, 0.60, 0.45, 0.21, 0.14),
    (4, SEEDED.name): (0.42, 0.30, 0.26, 0.18, 0.13),
    (8, ALONE.name): (1.00, 0.97, 0.94, 0.74, 0.61),
    (8, SEEDED.name): (0.37, 0.30, 0.28, 0.26, 0.27),
    (8, STRATIFIED.name): (0.26, 0.14, 0.12, 0.12, 0.13),
}
"""Mean L1 of an independent emulation with exact seeds."""


@dataclass
class Curve:
    """L1 against N of one scheme: one row of errors per sample size and model seed.

    Attributes
    ----------
    label : int
    scheme : Scheme
    errors : list of Array
        By sample size: shape (model seeds, experiments).
    seconds : float
        Of the dearest point.
    """

    label: int
    scheme: Scheme
    errors: list[Array] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def reference(self) -> tuple[float, ...] | None:
        return REFERENCE.get((self.label, self.scheme.name))


def measure(
    label: int, scheme: Scheme, tables: list[tuple[Tabulated | None, Tabulated | None]], n: int
) -> Curve:
    """One curve of `n` experiments a point, once for each pair of seeds' and moves' density."""
    system = VariableBarrier(label / 2)
    exact = system.conditional(CENTRE, BINS)
    curve = Curve(label, scheme)
    for size in SIZES:
        start, errors = time.perf_counter(), []
        for i, (seeds, proposal) in enumerate(tables):
            counts = histograms(system, CENTRE, scheme, size, n, 100 * label + i, seeds, proposal)
            errors.append(l1(counts, exact))
        curve.errors.append(np.stack(errors))
        curve.seconds = max(curve.seconds, (time.perf_counter() - start) / len(tables))
    return curve


def with_exact_seeds(n: int) -> list[Curve]:
    """The emulation's own columns, and the stratified one at the low barrier."""
    schemes = (ALONE, SEEDED, STRATIFIED)
    return [measure(label, s, [(None, None)], n) for label in LABELS for s in schemes]


def with_model_seeds(n: int, model_seeds: tuple[int, ...]) -> tuple[list[Curve], list[Row]]:
    """The same with a model's seeds; each model seed has a training trajectory of its own."""
    curves, rows = [], []
    for label in LABELS:
        system, tables = VariableBarrier(label / 2), []
        exact = system.conditional(CENTRE, BINS)
        left, errors, seconds = [], [], []
        for seed in model_seeds:
            trained = train(system, seed)
            seconds.append(trained.seconds)
            tables.append((trained.table(CENTRE), trained.table(CENTRE, EPS)))
            edges = tables[-1][0].edges
            cdf = np.append(0.0, np.cumsum(tables[-1][0].probabilities))
            errors.append(np.abs(np.diff(np.interp(BINS, edges, cdf)) - exact).sum())
            left.append(float(np.interp(0.0, edges, cdf)))
        text = "left well: " + ", ".join(f"{p:.2f}" for p in left)
        rows.append(Row(f"h={label}: model's own L1", float(np.mean(errors)), "", text))
        rows.append(Row(f"h={label}: fit", float(np.mean(seconds)), "s", "on one core"))
        for scheme in (SEEDED, STRATIFIED, IN_WINDOW, EXACT):
            curves.append(measure(label, scheme, tables, n))
    return curves, rows


def emulation_rows(curves: list[Curve]) -> list[Row]:
    """Our exact seeds against the emulation, and the two floors."""
    rows = []
    for curve in curves:
        for i, size in enumerate(SIZES):
            error = curve.errors[i].ravel()
            what = f"h={curve.label}: exact seeds, {curve.scheme.name}, N={size:.0e}"
            if curve.reference is None:
                rows.append(Row(what, float(error.mean()), f"±{error.std():.2f}"))
                continue
            r = curve.reference[i]
            rows.append(
                Row(what, float(error.mean()), f"±{error.std():.2f}", f"emulation {r:.2f}",
                    "within 0.035", bool(abs(error.mean() - r) <= 0.035))
            )  # fmt: skip
    k = np.arange(11)
    ten = float((binom.pmf(k, 10, 0.5) * np.abs(2 * k / 10 - 1)).sum())
    rows.append(Row("E|2k/10 − 1|, ten starts drawn once", ten, "", "0.246"))
    for label in LABELS:
        value = floor(VariableBarrier(label / 2), CENTRE)
        rows.append(Row(f"h={label}: floor of the integrator, dt = 1e-2", value, "", "eigenvector"))
    return rows


def model_rows(curves: list[Curve]) -> list[Row]:
    """The model's seeds against the emulation's column, in-window moves against the floors."""
    rows = []
    for curve in curves:
        limit = 1.2 * floor(VariableBarrier(curve.label / 2), CENTRE)
        for i, size in enumerate(SIZES):
            means = curve.errors[i].mean(axis=1)
            what = f"h={curve.label}: model, {curve.scheme.name}, N={size:.0e}"
            unit = f"±{curve.errors[i].std():.2f}"
            reference, bound, holds = f"worst seed {means.max():.3f}", "", None
            if curve.scheme is SEEDED and curve.reference is not None:
                reference += f", emulation {curve.reference[i]:.2f}"
                bound, holds = "≤ 1.3 ×", bool(means.mean() <= 1.3 * curve.reference[i])
            if curve.scheme is IN_WINDOW and size == 5_000 and curve.label == 8:
                bound, holds = "≤ 0.15", bool(means.max() <= 0.15)
            if curve.scheme is IN_WINDOW and size == 100_000 and curve.label == 8:
                bound, holds = f"≤ {limit:.3f}", bool(means.max() <= limit)
            rows.append(Row(what, float(means.mean()), unit, reference, bound, holds))
    slowest = max(c.seconds for c in curves)
    rows.append(
        Row("slowest point, 1,000 experiments", slowest, "s", "one core", "≤ 60", slowest <= 60)
    )
    return rows
