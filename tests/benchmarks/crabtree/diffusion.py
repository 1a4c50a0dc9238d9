"""Fig. 6 and 9: the same with a diffusion-map coordinate Φ as label, at Φ = 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rows import Row
from scipy.stats import spearmanr
from slow_fast_paths import driven

from crabtree.densities import COARSE, POINTS
from crabtree.emulation import LABELS, Curve, Seeding, measure, model_rows, table_rows
from crabtree.training import EPS, SAMPLES, STRIDE, Trained, fit
from crabtree.windows import IN_WINDOW, SEEDED
from msgen.models.diffusion_map.map import DiffusionMap, Scale
from msgen.systems.base import Array
from msgen.systems.potentials.slow_fast import EvolvingDoubleWell, SlowFast, VariableBarrier


@dataclass(frozen=True)
class Labelled:
    """A training set with Φ as its label, and a model conditional on it.

    Attributes
    ----------
    map : DiffusionMap
    phi : Array, shape (n,)
    rho : float
        |Spearman ρ| of Φ and x₁.
    trained : Trained
    """

    map: DiffusionMap
    phi: Array
    rho: float
    trained: Trained

    def coordinate(self, x1: Array, x2: Array) -> Array:
        """Φ, elementwise."""
        pairs = np.stack(np.broadcast_arrays(x1, x2), axis=-1)
        return self.map.transform(pairs.reshape(-1, 2))[:, 0].reshape(pairs.shape[:-1])

    def zero(self, x2: Array) -> tuple[Array, Array]:
        """Where Φ(x₁, x₂) = 0 and |∂Φ/∂x₁| there, each shape (len(x2),)."""
        x1 = np.linspace(2.0, 8.0, 301)
        phi = self.coordinate(x1[:, None], x2[None])
        at = (phi[:-1] * phi[1:] <= 0).argmax(axis=0)
        low, high = phi[at, np.arange(len(x2))], phi[at + 1, np.arange(len(x2))]
        step = x1[1] - x1[0]
        return x1[at] + step * low / (low - high), np.abs(high - low) / step


def correlation(path: Array, seed: int, scale: Scale) -> tuple[DiffusionMap, Array, float]:
    """The map of a path, Φ of every sample, and |Spearman ρ| of Φ and x₁."""
    found = DiffusionMap.fit(path, seed=seed, scale=scale)
    phi = found.transform(path)[:, 0]
    return found, phi, float(abs(spearmanr(phi, path[:, 0])[0]))


def label(system: SlowFast, seed: int, scale: Scale) -> Labelled:
    """A driven trajectory, its diffusion map, and a model conditional on Φ."""
    path = driven(system, SAMPLES, STRIDE, seed)
    found, phi, rho = correlation(path, seed, scale)
    return Labelled(found, phi, rho, fit(system, path, phi, seed))


def exact_at_zero(system: SlowFast, found: Labelled, edges: Array) -> Array:
    """P(bin of x₂ | Φ = 0) in the training set, where x₁ is uniform.

    By the co-area formula p(x₂|Φ = 0) ∝ p(x₂|x₁) / |∂Φ/∂x₁| at Φ(x₁, x₂) = 0.
    """
    middle, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    x1, slope = found.zero(middle)
    p = np.array(
        [
            system.conditional(a, np.array([x - w / 2, x + w / 2]))[0]
            for a, x, w in zip(x1, middle, width, strict=True)
        ]
    )
    p = p / slope
    return np.asarray(p / p.sum())


def centre_of(system: SlowFast, found: Labelled) -> float:
    """x₁ of the window: Φ = 0 on the average over x₂."""
    middle = 0.5 * (COARSE[1:] + COARSE[:-1])
    x1, _ = found.zero(middle)
    return float(np.average(x1, weights=system.conditional(5.0, COARSE)))


def density_at_zero(model_seeds: tuple[int, ...]) -> tuple[list[Row], list[Labelled], list[Array]]:
    """Fig. 6: the evolving double well, generated at Φ = 0."""
    system, drawn, errors, apart = EvolvingDoubleWell(), [], [], []
    found = [label(system, seed, "none") for seed in model_seeds]
    for one, seed in zip(found, model_seeds, strict=True):
        rng = np.random.default_rng(seed)
        drawn.append(one.trained.model.sample(POINTS, rng, np.zeros((POINTS, 1)))[:, 0])
        exact = exact_at_zero(system, one, COARSE)
        counts, _ = np.histogram(np.clip(drawn[-1], *COARSE[[0, -1]]), COARSE)
        errors.append(float(np.abs(counts / POINTS - exact).sum()))
        centre = centre_of(system, one)
        apart.append(float(np.abs(system.conditional(centre, COARSE) - exact).sum()))
    rho = [one.rho for one in found]
    rows = [
        Row("evolving double well: |Spearman ρ(Φ, x1)|", float(np.mean(rho)), "",
            f"worst seed {min(rho):.4f}", "≥ 0.99", min(rho) >= 0.99),
        Row("Φ=0: L1 of the generated points", float(np.mean(errors)), "",
            f"worst seed {max(errors):.3f}", "< 0.15", max(errors) < 0.15),
        Row("Φ=0: exact density there, L1 from that at its x1", float(np.mean(apart))),
    ]  # fmt: skip
    return rows, found, drawn


def windows_at_zero(n: int, model_seeds: tuple[int, ...]) -> tuple[list[Row], list[Curve]]:
    """Fig. 9: the error against N in a window at Φ = 0 of the variable barrier."""
    rows, curves = [], []
    for h in LABELS:
        system = VariableBarrier(h / 2)
        found = [label(system, seed, "increments") for seed in model_seeds]
        rho = [one.rho for one in found]
        rows.append(
            Row(f"h={h}: |Spearman ρ(Φ, x1)|", float(np.mean(rho)), "", "metric of the noise",
                "≥ 0.99", min(rho) >= 0.99)
        )  # fmt: skip
        pairs = zip(found, model_seeds, strict=True)
        plain = [correlation(one.trained.path, seed, "none")[2] for one, seed in pairs]
        worst = f"worst seed {min(plain):.3f}"
        rows.append(Row(f"h={h}: the same, plain distances", float(np.mean(plain)), "", worst))
        seedings = [
            Seeding(centre_of(system, one), one.trained.table(0.0), one.trained.table(0.0, EPS))
            for one in found
        ]
        rows += table_rows(f"h={h}, Φ=0", system, seedings)
        curves += [measure(h, scheme, seedings, n) for scheme in (SEEDED, IN_WINDOW)]
    return [*rows, *model_rows(curves, "Φ=0")], curves
