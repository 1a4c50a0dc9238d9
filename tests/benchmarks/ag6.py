"""Ag₆: the minima of GFN1-xTB, and what a learnt energy saves of calls of the system's own.

`make bench NAME=ag6 [ARGS=minima|emt[:SEEDS]|xtb[:SEEDS]…]`, by default minima and emt; minima and
xtb need `make tblite`. Campaigns come in pairs, `local` beside `delayed_acceptance`, with the same
budget of calls; what each gave is kept and a second call goes on (see trials.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from places import CONFIGS
from rows import Row, publish
from silver import capped_bipyramid, octahedron, pentagon
from trials import Ended, Trial, run_all

KJ_PER_MOL = 96.48533212331002
SHAPES = ("planar triangle", "pentagonal pyramid", "capped bipyramid", "octahedron")
LOCAL = "strategy={kind: local, local: {kind: hmc, steps: 10, leapfrog: 10}}"
DELAYED = (
    "strategy={kind: delayed_acceptance, moves: 5, local: {kind: hmc, steps: 10, leapfrog: 10},"
    " surrogate: {kind: symmetry_functions}}"
)
CALLS = {"emt": 100_000, "xtb": 100_000}
CAMPAIGNS = {
    "emt": CONFIGS / "examples" / "silver_cluster.yaml",
    "xtb": CONFIGS / "papers" / "gabrie_ag6.yaml",
}
SAVED = 5.0
"""Times fewer calls for the same error that are asked for."""


def starts() -> Iterator[tuple[str, np.ndarray]]:
    """Shapes near the minima, shape (6, 3), Å."""
    import ase.io

    pyramid = pentagon(2.75)
    pyramid[0, 2] = 0.9
    planar = ase.io.read(CONFIGS / "papers" / "ag6_planar.xyz").positions
    shapes = (planar, pyramid, capped_bipyramid(2.75), octahedron(2.75))
    noise = np.random.default_rng(0)
    for name, shape in zip(SHAPES, shapes, strict=True):
        yield name, shape + 1e-3 * noise.standard_normal(shape.shape)


def minima() -> list[Row]:
    """Energies of GFN1-xTB above the lowest, and how thin each is."""
    import ase
    from ase.optimize import BFGS
    from tblite.ase import TBLite

    found: dict[str, tuple[float, float]] = {}
    for name, shape in starts():
        calculator = TBLite(method="GFN1-xTB", verbosity=0, cache_api=False)
        atoms = ase.Atoms("Ag6", positions=shape, calculator=calculator)
        BFGS(atoms, logfile=None).run(fmax=0.005, steps=200)
        d = atoms.positions - atoms.positions.mean(0)
        thin = float(np.sqrt(max(np.linalg.eigvalsh(d.T @ d / 6.0)[0], 0.0)))
        found[name] = (atoms.get_potential_energy() * KJ_PER_MOL, 0.1 * thin)
    lowest = min(energy for energy, _ in found.values())
    rows = [Row(f"{n}: energy", e - lowest, "kJ/mol") for n, (e, _) in found.items()]
    return rows + [Row(f"{n}: smallest radius", r, "nm") for n, (_, r) in found.items()]


def pair(name: str) -> tuple[Trial, Trial]:
    """The campaign by the system's own moves, and by walks of a learnt energy."""
    budget = (f"budget.energy_evaluations={CALLS[name]}", "budget.wall=100 h")
    both = ((f"{name}-local", LOCAL), (f"{name}-delayed", DELAYED))
    own, learnt = (Trial(n, CAMPAIGNS[name], {}, (s, *budget)) for n, s in both)
    return own, learnt


def price(ended: Sequence[Ended]) -> float:
    """Calls for an error of 1 kT of the last state: N σ², the median over seeds."""
    errors = [(e.evaluations, list(e.states.values())[-1][1]) for e in ended if e.states]
    known = [n * s**2 for n, s in errors if s]
    return float(np.median(known)) if known else float("nan")


def compared(name: str, ended: Mapping[str, Sequence[Ended]]) -> list[Row]:
    """What the two of a pair say, and which is cheaper."""
    own, learnt = (ended[f"{name}-{how}"] for how in ("local", "delayed"))
    rows, means = [], []
    for how, mine in (("local", own), ("delayed", learnt)):
        values = [float(v) for e in mine for v in [list(e.states.values())[-1][0]] if v is not None]
        spread = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
        means.append((float(np.mean(values)) if values else np.nan, spread))
        rows.append(Row(f"{name}, {how}: dF", means[-1][0], "kT", f"± {spread:.2g} by seeds"))
    ratio = price(own) / price(learnt)
    known = bool(np.isfinite(ratio))
    bound = f"≥ {SAVED:g}" if known else ""
    what = f"{name}: calls of local over those of delayed"
    rows.append(Row(what, ratio, "", "for one error", bound, ratio >= SAVED if known else None))
    apart = abs(means[0][0] - means[1][0]) / float(np.hypot(means[0][1], means[1][1]))
    agree = bool(apart < 3.0) if np.isfinite(apart) else None
    rows.append(Row(f"{name}: the two differ by", apart, "sigma", "", "< 3", agree))
    return rows


def main(asked: list[str]) -> None:
    """Run what is asked for, print the table."""
    seeds = {name: int(n or 4) for name, _, n in (a.partition(":") for a in asked)}
    if unknown := set(seeds) - {"minima", *CAMPAIGNS}:
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; minima, emt and xtb are there")
    rows = minima() if "minima" in seeds else []
    for name in (n for n in CAMPAIGNS if n in seeds):
        trials = pair(name)
        wanted = {trial.name: range(1, 1 + seeds[name]) for trial in trials}
        found: dict[str, list[Any]] = {trial.name: [] for trial in trials}
        for one in run_all("ag6", trials, wanted):
            found[one.trial].append(one)
        rows += compared(name, found)
    publish("ag6", rows)


if __name__ == "__main__":
    main(sys.argv[1:] or ["minima", "emt"])
