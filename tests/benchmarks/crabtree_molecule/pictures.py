"""Fig. 7 and 8, drawn from what the benchmark measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from rows import ROOT

from crabtree_molecule.structures import MD, Generated
from crabtree_molecule.windows import Curve, Reference

FOLDER = ROOT / "runs" / "benchmarks" / "crabtree_alanine"
COLOURS = {"alpha": "#d95f02", "beta": "#1b9e77", "model": "#d95f02", "neighbour": "#7570b3"}


def save(figure: Figure, name: str) -> None:
    """Write one figure as PNG."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.png"
    figure.savefig(path, dpi=150)
    print(f"written: {path.relative_to(ROOT)}")


def ramachandran(found: Sequence[Generated]) -> None:
    """φ and ψ of generated structures over the dynamics, with marginals; one figure a kind."""
    with np.load(MD) as file:
        xi = np.rad2deg(file["cvs"])
    edges = np.linspace(-180, 180, 73)
    for kind in dict.fromkeys(g.kind for g in found):
        figure = Figure(figsize=(9, 4.6), layout="constrained")
        halves = figure.subfigures(1, 2)
        for half, when in zip(halves, ("raw", "minimised"), strict=True):
            grid = half.add_gridspec(2, 2, width_ratios=[4, 1], height_ratios=[1, 4])
            middle = half.add_subplot(grid[1, 0])
            top = half.add_subplot(grid[0, 0], sharex=middle)
            side = half.add_subplot(grid[1, 1], sharey=middle)
            middle.hist2d(xi[:, 0], xi[:, 1], bins=[edges, edges], cmap="Greys", cmin=1)
            top.hist(xi[:, 0], edges, density=True, color="#bbbbbb")
            side.hist(xi[:, 1], edges, density=True, color="#bbbbbb", orientation="horizontal")
            for g in (g for g in found if g.kind == kind):
                t, colour = np.rad2deg(getattr(g, when).torsions), COLOURS[g.minimum]
                middle.plot(t[:, 0], t[:, 1], ".", ms=2, color=colour, label=g.minimum)
                top.hist(t[:, 0], edges, density=True, histtype="step", color=colour)
                side.hist(t[:, 1], edges, density=True, histtype="step", color=colour,
                          orientation="horizontal")  # fmt: skip
            middle.set(xlabel="φ / deg", ylabel="ψ / deg", xlim=(-180, 180), ylim=(-180, 180))
            middle.legend(frameon=False, fontsize=7, loc="upper right")
            top.set(title=f"{kind}: " + ("as drawn" if when == "raw" else "minimised"), yticks=[])
            side.set(xticks=[])
            top.tick_params(labelbottom=False)
            side.tick_params(labelleft=False)
        save(figure, f"ramachandran_{kind}")


def energies(found: Sequence[Generated]) -> None:
    """Energies before and after minimisation, over those of the dynamics."""
    kinds = list(dict.fromkeys(g.kind for g in found))
    figure = Figure(figsize=(4 * len(kinds), 5), layout="constrained")
    axes = figure.subplots(2, len(kinds), sharex="row", squeeze=False)
    for ax, g in ((axes[j, i], g) for i, kind in enumerate(kinds)
                  for j, g in enumerate(x for x in found if x.kind == kind)):  # fmt: skip
        bins = np.linspace(-150, 100, 61)
        for e, colour, fill, label in (
            (g.md, "#999999", True, "dynamics"),
            (g.md_minimised, "#555555", True, "dynamics, minimised"),
            (g.raw, "#d95f02", False, "drawn"),
            (g.minimised, "#1b9e77", False, "drawn, minimised"),
        ):
            how = {"histtype": "stepfilled", "alpha": 0.4} if fill else {"histtype": "step"}
            ax.hist(np.clip(e.energy, bins[0], bins[-1]), bins, color=colour, label=label, **how)
        ax.set(title=f"{g.kind}, {g.minimum}", xlabel="U / kJ/mol", yticks=[])
    axes[0, 0].legend(frameon=False, fontsize=7)
    save(figure, "energies")


def surfaces(curves: Sequence[Curve], reference: Reference) -> None:
    """The surface along one CV, and the error of both kinds of seeds over evaluations."""
    name = reference.name
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    degrees = np.rad2deg(reference.centres)
    left.errorbar(degrees, reference.f, 2 * reference.error, fmt="k.", ms=3, label="reference, 2σ")
    for kind in ("model", "neighbour"):
        mine = [c for c in curves if c.seeds == kind]
        for n, c in enumerate(mine):
            colour, label = COLOURS[kind], f"seeds: {kind}" if n == 0 else None
            left.errorbar(degrees, c.f[-1], c.error[-1], lw=0.8, color=colour, label=label)
            right.plot(c.evaluations, c.rms(reference), lw=0.8, color=colour, label=label)
    left.set(xlabel=f"{name} / deg", ylabel="F / kT", ylim=(-0.5, 14))
    right.set(xlabel="energy evaluations", ylabel="RMS error below 6 kT / kT", yscale="log")
    left.legend(frameon=False, fontsize=8)
    right.legend(frameon=False, fontsize=8)
    save(figure, f"windows_{name}")
