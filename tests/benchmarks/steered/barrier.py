"""Where the dimer's steered moves stop paying: against the height of the barrier.

`make bench NAME=steered_systems ARGS=barrier[:h,…]`: for each height h, kT, the cheapest of a small
scan over path lengths beside plain MD, in energy evaluations per crossing. MD is run where it
crosses often; beyond, its figure follows from its diffusion coefficient and F(r) (`crossings`), and
is told as such. What earlier calls have measured is kept in runs/benchmarks/steered.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rows import ROOT, Row

from steered.campaigns import KEPT
from steered.crossings import Crossings, diffusion, passage, plain
from steered.paths import STEP, Pool, Price, price, schedule

HEIGHTS = (2.0, 4.0, 6.0, 8.0, 10.0)
MD_STEPS = {2.0: 400_000, 4.0: 600_000, 6.0: 600_000}
"""Of the heights that MD is run at."""
LENGTHS = ((100, 0.02), (200, 0.02), (400, 0.02), (800, 0.02), (1600, 0.02))
PATHS, SEED, FRICTION = 120, 11, 0.1
PICTURES = ROOT / "docs" / "papers" / "figures"


def prices(pool: Pool, h: float, lengths: Sequence[tuple[int, float]], n: int) -> list[Price]:
    """Paths to the other state of each length, told as they come."""
    out = []
    for steps, dt in lengths:
        one = price(pool, h, schedule(steps, dt, FRICTION), n, SEED, across=True)
        print(
            f"{pool.particles} discs, h = {h:g}, K = {steps}, dt = {dt:g}: accepted "
            f"{one.acceptance[0]:.3f} ± {one.acceptance[1]:.3f} of the paths to the other state, "
            f"{one.per_crossing:.0f} evaluations a crossing, {one.failures:.2%} broke",
            flush=True,
        )
        out.append(one)
    return out


def keep(name: str, found: list[Price], md: Crossings | None) -> None:
    """As runs/benchmarks/steered/NAME.json."""
    tree = {"paths": [asdict(p) for p in found], "md": None if md is None else asdict(md)}
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}.json").write_text(json.dumps(tree, indent=1) + "\n")


def recall(name: str) -> tuple[list[Price], Crossings | None] | None:
    """What `keep` has left; None if nothing."""
    path = KEPT / f"{name}.json"
    if not path.is_file():
        return None
    tree: dict[str, Any] = json.loads(path.read_text())
    md = None if tree["md"] is None else Crossings(**tree["md"])
    return [Price(**p) for p in tree["paths"]], md


def cheapest(found: Sequence[Price]) -> Price:
    """The least evaluations a crossing."""
    return min(found, key=lambda p: p.per_crossing)


def run(arguments: list[str]) -> list[Row]:
    """Measure the heights that are named, all by default; tell all that is known, and draw it."""
    pool = Pool.kept(100)
    for h in [float(a) for a in arguments] or HEIGHTS:
        found = prices(pool, h, LENGTHS, PATHS)
        keep(f"barrier-{h:g}", found, None)
        md = plain(h, 100, MD_STEPS[h], SEED) if h in MD_STEPS else None
        keep(f"barrier-{h:g}", found, md)
    return told(pool)


def told(pool: Pool) -> list[Row]:
    """The rows, and docs/papers/figures/dimer_barrier.png."""
    known = {h: k for h in HEIGHTS if (k := recall(f"barrier-{h:g}"))}
    measured = {h: md for h, (_, md) in known.items() if md is not None}
    rows: list[Row] = []
    d, off = diffusion(pool, measured)
    rows.append(Row("dimer, MD: diffusion along r", d, "σ²/τ", f"within a factor {off:.2f}"))
    expected = {h: passage(pool, h) / d / STEP for h in HEIGHTS}
    for h, (found, md) in known.items():
        rows += told_of(f"dimer, barrier {h:g} kT", found, md, expected[h])
    if len(known) > 1:
        draw(known, expected)
    return rows


def told_of(at: str, found: list[Price], md: Crossings | None, expected: float) -> list[Row]:
    """The rows of one height, or of one size."""
    best = cheapest(found)
    rows = [
        Row(
            f"{at}: accepted of paths across, K = {p.steps}, dt = {p.dt:g}",
            p.acceptance[0],
            "",
            f"± {p.acceptance[1]:.3f}",
        )
        for p in found
    ]
    cost, lost = best.per_crossing, max(p.failures for p in found)
    rows.append(Row(f"{at}: evaluations a crossing, steered", cost, "", f"K = {best.steps}"))
    rows.append(Row(f"{at}: paths that broke, at most", lost))
    if md is not None:
        about = f"{md.number} in {md.steps / 1e6:g} M steps"
        rows.append(Row(f"{at}: evaluations a crossing, MD", md.per_crossing, "", about))
    if np.isfinite(expected):
        what = f"{at}: evaluations a crossing, MD by F(r) and D"
        rows.append(Row(what, expected, "", f"{expected / cost:.2g} × steered"))
    return rows


def draw(
    known: dict[float, tuple[list[Price], Crossings | None]], expected: dict[float, float]
) -> None:
    """Acceptance at each length, and evaluations a crossing, against the barrier."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    h = np.array(list(known))
    for k, (steps, _) in enumerate(LENGTHS):
        a = np.array([found[k].acceptance for found, _ in known.values()])
        left.errorbar(h, a[:, 0], a[:, 1], marker="o", ms=4, capsize=2, label=f"K = {steps:,}")
    left.set(xlabel="barrier h / kT", ylabel="accepted share of paths to the other state")
    left.set_ylim(0, 0.6)
    left.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    best = [cheapest(found) for found, _ in known.values()]
    cost = np.array([p.per_crossing for p in best])
    spread = cost * np.array([p.crossed[1] / p.crossed[0] for p in best])
    right.errorbar(h, cost, spread, marker="o", capsize=2, label="steered, cheapest K")
    seen = {x: md for x, (_, md) in known.items() if md is not None and md.number}
    md_cost = np.array([md.per_crossing for md in seen.values()])
    md_spread = md_cost * np.array([md.error for md in seen.values()])
    right.errorbar(
        list(seen), md_cost, md_spread, fmt="s", color="k", capsize=2, label="MD, counted"
    )
    right.plot(list(expected), list(expected.values()), "k--", lw=1, label="MD, by F(r) and its D")
    right.set(yscale="log", xlabel="barrier h / kT", ylabel="energy evaluations a crossing")
    right.legend(frameon=False, fontsize=8)
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURES / "dimer_barrier.png", dpi=120)
    plt.close(figure)
