"""Fig. 4 and 5: the error against the sample size, with exact seeds and with a model's."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from rows import Row
from scipy.stats import binom

from crabtree.training import EPS, Trained, retrain, train
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
from msgen.systems.potentials.slow_fast import VariableBarrier

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


@dataclass(frozen=True)
class Seeding:
    """A window at x₁ = `centre`, and densities of the starts and of the in-window proposals.

    None is the exact density.
    """

    centre: float = CENTRE
    seeds: Tabulated | None = None
    proposal: Tabulated | None = None


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


def measure(label: int, scheme: Scheme, seedings: list[Seeding], n: int) -> Curve:
    """One curve of `n` experiments a point, once for each seeding."""
    system, curve = VariableBarrier(label / 2), Curve(label, scheme)
    for size in SIZES:
        start, errors = time.perf_counter(), []
        for i, s in enumerate(seedings):
            counts = histograms(
                system, s.centre, scheme, size, n, 100 * label + i, s.seeds, s.proposal
            )
            errors.append(l1(counts, system.conditional(s.centre, BINS)))
        curve.errors.append(np.stack(errors))
        curve.seconds = max(curve.seconds, (time.perf_counter() - start) / len(seedings))
    return curve


def with_exact_seeds(n: int) -> list[Curve]:
    """The emulation's own columns, and the stratified one at the low barrier."""
    schemes = (ALONE, SEEDED, STRATIFIED)
    return [measure(label, s, [Seeding()], n) for label in LABELS for s in schemes]


def with_model_seeds(
    n: int, model_seeds: tuple[int, ...]
) -> tuple[list[Curve], list[Row], list[Trained]]:
    """The same with a model's seeds; each model seed has a training trajectory of its own.

    The models given back are those of the last label.
    """
    curves, rows = [], []
    for label in LABELS:
        system = VariableBarrier(label / 2)
        trained = [train(system, seed) for seed in model_seeds]
        seedings = [_seeding(t) for t in trained]
        rows += table_rows(f"h={label}", system, seedings)
        seconds = float(np.mean([t.seconds for t in trained]))
        rows.append(Row(f"h={label}: fit", seconds, "s", "on one core"))
        curves += [measure(label, s, seedings, n) for s in (SEEDED, STRATIFIED, IN_WINDOW, EXACT)]
    return curves, [*rows, *model_rows(curves)], trained


def with_retrained(n: int, trained: list[Trained], model_seeds: tuple[int, ...]) -> list[Row]:
    """Seeds of models that windows with in-window moves have taught, at the last label."""
    label = LABELS[-1]
    system = VariableBarrier(label / 2)
    pairs = zip(trained, model_seeds, strict=True)
    seedings = [_seeding(retrain(system, t, seed)) for t, seed in pairs]
    curves = [measure(label, scheme, seedings, n) for scheme in (SEEDED, STRATIFIED)]
    return [
        *table_rows(f"h={label}, retrained", system, seedings),
        *model_rows(curves, "retrained"),
    ]


def _seeding(trained: Trained) -> Seeding:
    return Seeding(CENTRE, trained.table(CENTRE), trained.table(CENTRE, EPS))


def table_rows(what: str, system: VariableBarrier, seedings: list[Seeding]) -> list[Row]:
    """How good the models are by themselves: L1, and the share of the left well."""
    left, errors = [], []
    for s in seedings:
        assert s.seeds is not None
        cdf = np.append(0.0, np.cumsum(s.seeds.probabilities))
        p = np.diff(np.interp(BINS, s.seeds.edges, cdf))
        errors.append(np.abs(p - system.conditional(s.centre, BINS)).sum())
        left.append(float(np.interp(0.0, s.seeds.edges, cdf)))
    shares = "left well " + ", ".join(f"{p:.2f}" for p in left)
    return [Row(f"{what}: model's own L1", float(np.mean(errors)), "", shares)]


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


def model_rows(curves: list[Curve], who: str = "model") -> list[Row]:
    """The model's seeds against the emulation's column, in-window moves against the floors."""
    rows = []
    for curve in curves:
        limit = 1.2 * floor(VariableBarrier(curve.label / 2), CENTRE)
        for i, size in enumerate(SIZES):
            means = curve.errors[i].mean(axis=1)
            what = f"h={curve.label}: {who}, {curve.scheme.name}, N={size:.0e}"
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
    what = f"{who}: slowest point, 1,000 experiments"
    rows.append(Row(what, slowest, "s", "one core", "≤ 60", slowest <= 60))
    return rows
