"""Fig. 1 to 3: the conditional density at z₁ = 5, extrapolated to z₁ = 12, and over the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rows import Row

from crabtree.training import Trained, train
from crabtree.windows import BINS
from msgen.systems.base import Array
from msgen.systems.potentials.slow_fast import EvolvingDoubleWell, SlowFast

COARSE = np.linspace(-2.4, 2.4, 49)
"""Bins for generated points: a density of 20,000 of them is known to 0.03 in L1."""

POINTS = 20_000
LABELS = {5.0: 0.15, 12.0: 0.30}
"""z₁, and the bound on L1 there; the training set ends at 10."""

WIDTH = 0.5
"""A well's width is the standard deviation of what lies this close to its minimum."""


@dataclass(frozen=True)
class Generated:
    """Points x₂ that one model generated at one label.

    Attributes
    ----------
    seed : int
    z1 : float
    points : Array, shape (POINTS,)
    table_l1 : float
        L1 of the model's own density.
    """

    seed: int
    z1: float
    points: Array
    table_l1: float


def generate(system: SlowFast, trained: Trained, seed: int, z1: float) -> Generated:
    """Points of the model's own sampler, and its density's error."""
    rng = np.random.default_rng(seed)
    y = trained.model.sample(POINTS, rng, np.full((POINTS, 1), z1))[:, 0]
    table = trained.table(z1)
    cdf = np.append(0.0, np.cumsum(table.probabilities))
    p = np.diff(np.interp(BINS, table.edges, cdf))
    return Generated(seed, z1, y, float(np.abs(p - system.conditional(z1, BINS)).sum()))


def error(system: SlowFast, found: Generated) -> float:
    """L1 of a histogram of the generated points."""
    counts, _ = np.histogram(np.clip(found.points, *COARSE[[0, -1]]), COARSE)
    exact = system.conditional(found.z1, COARSE)
    return float(np.abs(counts / POINTS - exact).sum())


def width(points: Array, minimum: float) -> float:
    """Standard deviation of the points within `WIDTH` of a minimum."""
    return float(points[np.abs(points - minimum) < WIDTH].std())


def exact_width(system: SlowFast, z1: float, minimum: float) -> float:
    """The same of the exact density."""
    edges = np.linspace(minimum - WIDTH, minimum + WIDTH, 2001)
    p, x = system.conditional(z1, edges), 0.5 * (edges[1:] + edges[:-1])
    p = p / p.sum()
    return float(np.sqrt((p * x**2).sum() - (p * x).sum() ** 2))


def density_rows(model_seeds: tuple[int, ...]) -> tuple[list[Row], list[Generated], Trained]:
    """Errors and widths, the points themselves, and the last model, for the figures."""
    system, found, rows, seconds = EvolvingDoubleWell(), [], [], []
    for seed in model_seeds:
        trained = train(system, seed)
        seconds.append(trained.seconds)
        found += [generate(system, trained, seed, z1) for z1 in LABELS]
    for z1, most in LABELS.items():
        own = [g.table_l1 for g in found if g.z1 == z1]
        drawn = [error(system, g) for g in found if g.z1 == z1]
        for what, values in (("density", own), ("generated points", drawn)):
            worst = max(values)
            rows.append(
                Row(f"z1={z1:g}: L1 of the {what}", float(np.mean(values)), "",
                    f"worst seed {worst:.3f}", f"< {most:.2f}", worst < most)
            )  # fmt: skip
    for minimum in system.minima(5.0):
        exact = exact_width(system, 5.0, minimum)
        values = [width(g.points, minimum) for g in found if g.z1 == 5.0]
        worst = max(values, key=lambda v: abs(v - exact))
        rows.append(
            Row(f"z1=5: width of the well at {minimum:+.0f}", float(np.mean(values)), "",
                f"exact {exact:.3f}, worst {worst:.3f}", "within 10 %",
                bool(abs(worst / exact - 1) < 0.1))
        )  # fmt: skip
    rows.append(Row("evolving double well: fit", float(np.mean(seconds)), "s", "on one core"))
    return rows, found, trained
