"""Where the dimer's steered moves stop paying: against the number of discs around it.

`make bench NAME=steered_systems ARGS=solvent[:n,…]`: 50 to 1,000 discs at one density and the
published barrier. The work of a path is that of the few discs the dimer moves, whatever their
number, but the error of a time step is that of all: larger systems are given shorter steps too.
What earlier calls have measured is kept in runs/benchmarks/steered.
"""

from __future__ import annotations

import numpy as np
from rows import Row

from steered.barrier import PICTURES, cheapest, keep, prices, recall, told_of
from steered.crossings import Crossings, plain
from steered.paths import Pool, Price

SIZES = (50, 100, 200, 500, 1000)
HEIGHT = 2.0
MD_STEPS = {50: 300_000, 100: 400_000, 200: 300_000, 500: 200_000, 1000: 150_000}
LENGTHS = ((200, 0.02), (400, 0.02), (400, 0.01), (800, 0.01))
PATHS = {50: 120, 100: 120, 200: 120, 500: 80, 1000: 60}
POOL = {50: (200, 600), 100: (300, 1000), 200: (200, 600), 500: (100, 600), 1000: (80, 600)}
"""Configurations and the steps between them."""
SEED = 12


def run(arguments: list[str]) -> list[Row]:
    """Measure the sizes that are named, all by default; tell all that is known, and draw it."""
    for n in [int(a) for a in arguments] or SIZES:
        found = prices(Pool.kept(n, *POOL[n]), HEIGHT, LENGTHS, PATHS[n])
        keep(f"solvent-{n}", found, None)
        keep(f"solvent-{n}", found, plain(HEIGHT, n, MD_STEPS[n], SEED))
    return told()


def told() -> list[Row]:
    """The rows, and docs/papers/figures/dimer_solvent.png."""
    known = {n: k for n in SIZES if (k := recall(f"solvent-{n}"))}
    rows: list[Row] = []
    for n, (found, md) in known.items():
        rows += told_of(f"dimer among {n} discs", found, md, float("nan"))
    if len(known) > 1:
        draw(known)
    return rows


def draw(known: dict[int, tuple[list[Price], Crossings | None]]) -> None:
    """Acceptance at each length, and evaluations a crossing, against the number of discs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    n = np.array(list(known))
    for k, (steps, dt) in enumerate(LENGTHS):
        a = np.array([found[k].acceptance for found, _ in known.values()])
        about = f"K = {steps}, step {dt:g} τ"
        left.errorbar(n, a[:, 0], a[:, 1], marker="o", ms=4, capsize=2, label=about)
    left.set(xscale="log", xlabel="discs", ylabel="accepted share of paths to the other state")
    left.set_ylim(0, 0.6)
    left.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    best = [cheapest(found) for found, _ in known.values()]
    cost = np.array([p.per_crossing for p in best])
    spread = cost * np.array([p.crossed[1] / p.crossed[0] for p in best])
    right.errorbar(n, cost, spread, marker="o", capsize=2, label="steered, cheapest of these")
    seen = {x: md for x, (_, md) in known.items() if md is not None and md.number}
    counted = np.array([md.per_crossing for md in seen.values()])
    error = counted * np.array([md.error for md in seen.values()])
    plainly = {"fmt": "s--", "color": "k", "capsize": 2, "label": "MD, counted"}
    right.errorbar(list(seen), counted, error, **plainly)
    right.set(xscale="log", yscale="log", xlabel="discs", ylabel="energy evaluations a crossing")
    right.legend(frameon=False, fontsize=8)
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURES / "dimer_solvent.png", dpi=120)
    plt.close(figure)
