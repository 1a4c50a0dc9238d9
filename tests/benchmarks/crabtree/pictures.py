"""The paper's figures, drawn from what the benchmark measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rows import ROOT

from crabtree.densities import COARSE, Generated
from crabtree.diffusion import Labelled, centre_of
from crabtree.emulation import CENTRE, SIZES, Curve
from crabtree.training import Trained
from crabtree.windows import ALONE, BINS, EXACT, IN_WINDOW, SEEDED, STRATIFIED, floor
from msgen.systems.base import Array
from msgen.systems.potentials.slow_fast import EvolvingDoubleWell, SlowFast, VariableBarrier

FOLDER = ROOT / "runs" / "benchmarks" / "crabtree"
COLOURS = {
    ALONE.name: "#7f7f7f",
    SEEDED.name: "#d95f02",
    STRATIFIED.name: "#e6ab02",
    IN_WINDOW.name: "#1b9e77",
    EXACT.name: "#7570b3",
}


def save(figure: Figure, name: str) -> Path:
    """Write one figure as PNG."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.png"
    figure.savefig(path, dpi=150)
    print(f"written: {path.relative_to(ROOT)}")
    return path


def _density(ax: Axes, system: SlowFast, x1: float, points: list[Array], title: str) -> None:
    middle, width = 0.5 * (COARSE[1:] + COARSE[:-1]), COARSE[1] - COARSE[0]
    heights = [np.histogram(p, COARSE)[0] / len(p) / width for p in points]
    ax.bar(middle, np.mean(heights, axis=0), width, color="#1b9e77", alpha=0.5,
           yerr=np.std(heights, axis=0), error_kw={"lw": 0.8},
           label=f"generated, {len(points)} models")  # fmt: skip
    fine = 0.5 * (BINS[1:] + BINS[:-1])
    exact = system.conditional(x1, BINS) / np.diff(BINS)
    ax.plot(fine, exact, "k", lw=1.2, label=r"exact, $e^{-2V/a_3^2}/Z$")
    ax.set(xlabel="$z_2$", ylabel="$p(z_2)$", title=title, xlim=(-2.2, 2.2))
    ax.set_ylim(0, 1.25 * exact.max())
    ax.legend(frameon=False, fontsize=8, loc="upper center")


def conditional(found: list[Generated]) -> Path:
    """Fig. 1 and 2: the densities at the labels."""
    system, figure = EvolvingDoubleWell(), Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots(1, 2)
    for ax, z1, text in zip(axes, (5.0, 12.0), ("", ", beyond the training set"), strict=True):
        points = [g.points for g in found if g.z1 == z1]
        _density(ax, system, z1, points, f"$z_1 = {z1:g}${text}")
    return save(figure, "fig1_2_conditional_density")


def surface(trained: Trained, seed: int) -> Path:
    """Fig. 3: the training set and generated points over the energy."""
    system, rng = EvolvingDoubleWell(), np.random.default_rng(seed)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    z1, z2 = np.linspace(-0.5, 12.5, 200), np.linspace(-2, 2, 200)
    k, x = np.meshgrid(system.tilt(z1), z2)
    labels = rng.uniform(0.0, 12.0, 3600)
    drawn = trained.model.sample(len(labels), rng, labels[:, None])[:, 0]
    some = trained.path[:: len(trained.path) // 3000]
    for ax, points, text in (
        (axes[0], some, "the driven trajectory"),
        (axes[1], np.column_stack([labels, drawn]), "generated; $z_1 > 10$ extrapolated"),
    ):
        levels = ax.contourf(z1, z2, np.minimum(2 * system.potential(k, x), 12.0), 24,
                             cmap="Blues_r")  # fmt: skip
        ax.scatter(points[:, 0], points[:, 1], s=3, c="#d95f02", alpha=0.5, linewidths=0)
        ax.axvline(10.0, color="w", ls=":", lw=1)
        ax.set(xlabel="$z_1$", title=text)
    axes[0].set_ylabel("$z_2$")
    figure.colorbar(levels, ax=axes, label="$2V/a_3^2$ (kT)")
    return save(figure, "fig3_points_over_the_surface")


def errors(exact: list[Curve], model: list[Curve]) -> Path:
    """Fig. 4 and 5: L1 against N; bars: standard deviation over experiments."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for ax, label in zip(figure.subplots(1, 2, sharey=True), (4, 8), strict=True):
        for curve in [c for c in exact if c.label == label]:
            if curve.reference is not None:
                ax.plot(SIZES, curve.reference, "x", color=COLOURS[curve.scheme.name], ms=7)
            if curve.scheme is ALONE:
                _curve(ax, curve, "umbrella alone")
        for curve in [c for c in model if c.label == label]:
            _curve(ax, curve, curve.scheme.name)
        _frame(ax, label)
    figure.axes[0].set_ylabel(r"$\int|\hat p - p|\,dx$")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return save(figure, "fig4_5_error_over_samples")


def _curve(ax: Axes, curve: Curve, text: str) -> None:
    mean = np.array([e.mean() for e in curve.errors])
    spread = np.array([e.std() for e in curve.errors])
    low = np.minimum(spread, 0.9 * mean)
    ax.errorbar(SIZES, mean, [low, spread], color=COLOURS[curve.scheme.name], marker="o", ms=4,
                capsize=2, lw=1.2, elinewidth=0.7, label=text)  # fmt: skip


def coordinate(found: list[Labelled], drawn: list[Array]) -> Path:
    """Fig. 6: Φ against the slow variable, and what is generated at Φ = 0."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots(1, 2)
    one, some = found[0], slice(None, None, 40)
    path = one.trained.path[some]
    dots = axes[0].scatter(path[:, 0], one.phi[some], s=3, c=path[:, 1], cmap="coolwarm")
    axes[0].set(xlabel="$z_1$", ylabel="$\\Phi$", title=f"Spearman $\\rho$ = {one.rho:.4f}")
    figure.colorbar(dots, ax=axes[0], label="$z_2$")
    system = EvolvingDoubleWell()
    _density(axes[1], system, centre_of(system, one), drawn, "$\\Phi = 0$")
    return save(figure, "fig6_diffusion_map_label")


def errors_at_zero(curves: list[Curve]) -> Path:
    """Fig. 9: L1 against N in a window at Φ = 0."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for ax, label in zip(figure.subplots(1, 2, sharey=True), (4, 8), strict=True):
        for curve in [c for c in curves if c.label == label]:
            _curve(ax, curve, curve.scheme.name)
            if curve.reference is not None:
                ax.plot(SIZES, curve.reference, "x", color=COLOURS[curve.scheme.name], ms=7)
        _frame(ax, label)
    figure.axes[0].set_ylabel(r"$\int|\hat p - p|\,dx$")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return save(figure, "fig9_error_over_samples_diffusion_map")


def _frame(ax: Axes, label: int) -> None:
    level = floor(VariableBarrier(label / 2), CENTRE)
    ax.axhline(level, color="k", ls=":", lw=1, label="floor of Euler–Maruyama")
    ax.plot([], [], "kx", label="emulation, exact seeds")
    ax.set(xscale="log", yscale="log", xlabel="steps N", title=f"barrier {label} kT")
    ax.set_ylim(0.02, 1.4)
