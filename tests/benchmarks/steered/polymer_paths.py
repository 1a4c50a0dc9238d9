"""What steered paths of the polymer accept where the proposals are given: length, step, friction.

Campaigns learn their proposals and walk from where they are; here paths start from ρ* itself and
proposals are the published ones, or ρ* along d, so that nothing but the paths is measured. The
fluid does not know the ends' double well: configurations of a polymer with the term of k = `EASY`,
whose d diffuses freely, are those of any other k once they are weighted with
e^{−(U_k − U_EASY)/kT}.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rows import Row
from sections import build_cvs, build_system

from msgen.actors.cv_space.proposals import StratumProposals
from msgen.actors.cv_space.strata import Partition
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.kernels.switching.steered import steer
from msgen.models.defensive_mixture import Broad
from msgen.models.tabulated import Tabulated
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.openmm.polymer import CENTRE, Polymer
from msgen.systems.openmm.system import OpenMMSystem
from steered.campaigns import KEPT
from steered.paths import LINEAR, schedule

EASY, CONFIGURATIONS, EVERY = 1.0, 300, 1000
RANGE, CELLS = (2.8, 6.4), 72
PEAKS, SIGMA = (3.529, 5.651), 0.17
BROAD = 0.02
SCAN = (
    (400, 0.0125, 0.05),
    (100, 0.0125, 0.05),
    (200, 0.0125, 0.05),
    (800, 0.0125, 0.05),
    (400, 0.005, 0.05),
    (400, 0.01, 0.05),
    (400, 0.015, 0.05),
    (400, 0.0125, 1.0),
)
"""Steps, time step and friction of paths; the campaign's first."""
PATHS, ASKED = 240, 0.45


def polymer(k: float) -> tuple[OpenMMSystem, CVSet]:
    """The published polymer with another barrier."""
    system = build_system({"kind": "polymer", "k": k, "platform": "CPU"}, Path())
    assert isinstance(system, OpenMMSystem)
    d = {"kind": "distance", "atoms": [0, 8], "range": list(RANGE), "bins": CELLS}
    return system, build_cvs({"d": d}, system, Path())


def pool() -> tuple[Array, Array]:
    """Positions (n, 3N) of a polymer with `EASY`, and their d; what an earlier call has left."""
    path = KEPT / "polymer-pool.npz"
    if not path.is_file():
        system, cvs = polymer(EASY)
        engine = MoleculeEngine(system, cvs)
        engine.begin(np.random.default_rng(1))
        engine.load(system.initial())
        lam, free = np.zeros((1, 1)), np.zeros(1, dtype=bool)
        engine.chunk(lam, free, 10_000)
        x = []
        for _ in range(CONFIGURATIONS):
            engine.chunk(lam, free, EVERY)
            x.append(engine.walkers().positions[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, x=np.array(x), d=cvs(np.array(x))[:, 0])
    with np.load(path) as z:
        return z["x"], z["d"]


def starts(n: int, rng: np.random.Generator) -> Array:
    """n starts of ρ*, as evenly over the pool as their weights allow."""
    x, d = pool()
    change = (Polymer().end_energy(d) - Polymer(k=EASY).end_energy(d)) / 1.3
    w = np.exp(-(change - change.min()))
    at = (rng.random() + np.arange(n)) / n
    return x[np.searchsorted(np.cumsum(w / w.sum()), at)]


def published() -> Array:
    """½N(3.529, 0.17²) + ½N(5.651, 0.17²) in `CELLS` cells."""
    edges = np.linspace(*RANGE, CELLS + 1)
    z = 0.5 * (edges[1:] + edges[:-1])
    return np.asarray(sum(np.exp(-0.5 * ((z - m) / SIGMA) ** 2) for m in PEAKS))


@dataclass(frozen=True)
class Accepted:
    """Mean of min(1, e^{−w}) with its error over all paths, those that cross, those that stay.

    `crossed` is the share of paths that are accepted crossings; `dissipated` the mean protocol and
    shadow work of paths up and down, halved, kT.
    """

    steps: int
    n: int
    all: tuple[float, float]
    cross: tuple[float, float]
    stay: tuple[float, float]
    crossed: float
    dissipated: float
    broken: float

    @property
    def per_crossing(self) -> float:
        """Evaluations of paths an accepted crossing."""
        return (self.steps + 1) / self.crossed if self.crossed > 0 else float("inf")


def accepted(
    steps: int, n: int, seed: int, density: Array, dt: float = 0.0125, friction: float = 0.05
) -> Accepted:
    """n paths of `steps` steps from ρ* to proposals of this density of d, in `CELLS` cells."""
    system, cvs = polymer(Polymer().k)
    rng = np.random.default_rng(seed)
    engine = MoleculeEngine(system, cvs)
    engine.begin(rng)
    whole = Partition.whole(LINEAR)
    box = Broad([False], lower=np.array(RANGE[:1]), upper=np.array(RANGE[1:]))
    q = StratumProposals(Tabulated(*RANGE, density), box, BROAD, whole, np.zeros(1))
    boxes = system.initial().box
    walkers = Walkers(starts(n, rng), None, None if boxes is None else np.repeat(boxes, n, axis=0))
    zero = np.zeros(n, dtype=np.int64)
    path = schedule(steps, dt, friction)
    found = steer(engine, walkers, cvs(walkers.positions), zero, zero, whole, q, path, rng)
    a = np.exp(-np.clip(found.work, 0.0, None))
    below, aim = found.start[:, 0] < CENTRE, found.stop[:, 0] < CENTRE
    cross, whole_way = below != aim, np.isfinite(found.work)
    up, down = (found.protocol_work[cross & whole_way & (below == s)] for s in (True, False))
    return Accepted(
        steps,
        n,
        _mean(a),
        _mean(a[cross]),
        _mean(a[~cross]),
        float(a[cross].sum() / n),
        0.5 * float(up.mean() + down.mean()),
        found.broken / n,
    )


def _mean(values: Array) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def scan(seeds: Sequence[int], only_kept: bool) -> list[Row]:
    """Rows of every length, time step and friction of `SCAN`, of the first seed."""
    out = []
    for steps, dt, friction in SCAN:
        path = KEPT / f"polymer-paths-{steps}-{dt:g}-{friction:g}-{seeds[0]}.json"
        if only_kept:
            if not path.is_file():
                continue
            one = Accepted(**json.loads(path.read_text()))
        else:
            one = accepted(steps, PATHS, seeds[0], published(), dt, friction)
            path.write_text(json.dumps(asdict(one)) + "\n")
        name = f"polymer, paths alone, K = {steps}, step {dt:g}, friction {friction:g}"
        print(
            f"{name}: accepted {one.all[0]:.3f} ± {one.all[1]:.3f}, crossings {one.cross[0]:.3f} ± "
            f"{one.cross[1]:.3f}, others {one.stay[0]:.3f}; dissipated {one.dissipated:.2f} kT, "
            f"{one.per_crossing:.0f} evaluations a crossing",
            flush=True,
        )
        ours = (steps, dt, friction) == SCAN[0]
        told = "others .467" if steps == 400 else ""
        out += [
            Row(f"{name}: acceptance", one.all[0], "", f"± {one.all[1]:.3f} {told}",
                f"≥ {ASKED}" if ours else "", one.all[0] >= ASKED if ours else None),
            Row(f"{name}: of those that cross", one.cross[0], "", f"± {one.cross[1]:.3f}"),
            Row(f"{name}: evaluations a crossing", one.per_crossing),
        ]  # fmt: skip
    return out
