"""The nine-bead polymer with all 27 coordinates of its beads proposed by a flow.

Others: «not reproducible from what was published». Parts: `chain` (the campaign from the compact
state alone, beside that along the end-to-end distance), `scan` (acceptance and cost against the
length of the path, of one model), `ways` (what the flow sees, how draws are turned and thinned),
all by default; numbers are seeds; `kept` tells what earlier runs have left and runs nothing. `scan`
and `ways` propose by one model, fitted to MD that began in both states, which a campaign has to
find.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from built_models import build
from openmm_runs import langevin
from rows import ROOT, Row
from sections import build_cvs, build_system

from msgen.actors.kernels.solute import Orientation, Screen, SoluteMove
from msgen.actors.solute.openmm_legs import MoleculeDriver
from msgen.actors.solute.paths import Route
from msgen.models import Broad, Defended, load
from msgen.models.base import ModelState
from msgen.systems.base import Array, Walkers
from msgen.systems.coordinates.alignment import superposed
from msgen.systems.coordinates.chain_placement import Kind, Placement
from msgen.systems.openmm.subsystem_energy import SoluteAlone
from msgen.systems.openmm.system import OpenMMSystem
from steered.campaigns import KEPT, NAN, kept, mean, pooled, runs
from steered.chains import parts
from steered.polymer import POLYMER

CAMPAIGN, LABEL = "steered_polymer_flow", "polymer flow"
SEEDS = (1, 2, 3)
BEADS, TOP = np.arange(9), 4.62
REPLICAS, ROUNDS, EVERY = 6, 600, 100
"""Of the MD that a model is fitted to, from either state."""
LENGTHS = (0, 100, 400, 1000, 2000)


@dataclass(frozen=True)
class Way:
    """How the polymer is moved; times in ps."""

    steps: int = 1000
    kind: Kind = "torsions"
    orientation: Orientation = "kept"
    screen: bool = True
    line: str = "straight"
    timestep: float = 0.0125
    friction: float = 0.3
    paths: int = 150

    @property
    def label(self) -> str:
        """Of its rows."""
        thinned = "" if self.screen else ", not screened"
        way = "" if self.line == "straight" else f", by {self.line}"
        return f"{self.kind}, turned {self.orientation}{thinned}{way}, K = {self.steps}"


WAYS = (
    Way(),
    Way(kind="distances"),
    Way(screen=False),
    Way(kind="distances", screen=False),
    Way(orientation="random"),
    Way(line="shape"),
    # as published, as far as that can be read
    Way(kind="distances", orientation="random", screen=False),
)


@dataclass(frozen=True)
class ByShape(Route):
    """Internal coordinates go along a line, torsions the short way round.

    Each shape is laid on the straight line between the ends, so that the path reads the same
    backwards.
    """

    def stops(self, start: Array, stop: Array) -> Array:
        """Shape (legs + 1, 9, 3)."""
        placement = Placement(len(start))
        straight = super().stops(start, stop)
        a, b = placement.encode(np.array([start, stop]))
        step = np.where(placement.periodic, (b - a + np.pi) % (2 * np.pi) - np.pi, b - a)
        y = a + np.linspace(0.0, 1.0, len(straight))[:, None] * step
        sides = np.ones((len(y), placement.n - 3))
        return superposed(placement.place(y, sides), straight) + start.mean(axis=0)


class Bench:
    """One system, its samples and the models fitted to them."""

    def __init__(self) -> None:
        self.system = _system("compact")
        self.cvs = build_cvs({"d": {"kind": "distance", "atoms": [0, 8]}}, self.system, ROOT)
        self.box = self.system.initial().box
        self._models: dict[Kind, Defended] = {}

    def samples(self) -> Array:
        """Configurations (n, 627) of MD from either state, kept when once made."""
        path = KEPT / "polymer_flow_samples.npz"
        if not path.is_file():
            KEPT.mkdir(parents=True, exist_ok=True)
            np.savez(path, x=np.concatenate([self._md("compact"), self._md("stretched")]))
        return np.asarray(np.load(path)["x"])

    def _md(self, start: str) -> Array:
        system, found = _system(start), []
        first = system.initial()
        assert first.box is not None
        x = np.repeat(first.positions, REPLICAS, axis=0)
        walkers = Walkers(x, None, np.repeat(first.box, REPLICAS, axis=0))
        for k in range(ROUNDS + ROUNDS // 30):
            walkers, _ = langevin(system, walkers, EVERY, k + 17, cvs=self.cvs, every=EVERY)
            found.append(walkers.positions)
        return np.concatenate(found[-ROUNDS:])

    def model(self, kind: Kind) -> Defended:
        """Fitted to all samples; kept when once made."""
        if kind not in self._models:
            placement = Placement(9, kind)
            y = placement.encode(self.samples()[:, :27].reshape(-1, 9, 3))
            path = KEPT / f"polymer_flow_{kind}.npz"
            if not path.is_file():
                new = build({"kind": "spline_flow"}, placement.dim, placement.periodic)
                new.fit(y[np.random.default_rng(0).permutation(len(y))], seed=1)
                state = new.state()
                config = np.array(json.dumps(dict(state.config)))
                np.savez(path, **dict(state.arrays), config=config)
            arrays = dict(np.load(path))
            config = json.loads(str(arrays.pop("config")))
            broad = Broad(placement.periodic, mean=y.mean(axis=0), std=2 * y.std(axis=0))
            self._models[kind] = Defended(load(ModelState(config, arrays)), broad, 0.02)
        return self._models[kind]

    def measured(self, way: Way, seed: int) -> dict[str, float]:
        """Paths from samples drawn anew: acceptance by direction, and what a crossing costs."""
        made = Route if way.line == "straight" else ByShape
        route = made(way.steps, way.timestep, way.friction)
        driver = MoleculeDriver(self.system, self.cvs, BEADS, route)
        placement = Placement(9, way.kind)
        move = SoluteMove(BEADS, placement, self.model(way.kind), driver, way.orientation)
        if way.screen:
            alone = SoluteAlone(self.system.openmm_system, BEADS, self.system.kT)
            x, log_q = move.draw_shapes(2000, np.random.default_rng(0))
            with np.errstate(invalid="ignore"):
                log_w = -alone(x) - log_q
            level = -float(np.quantile(log_w[np.isfinite(log_w)], 0.95))
            move = replace(move, screen=Screen(alone, level))
        rng, all_x = np.random.default_rng(seed), self.samples()
        start = all_x[rng.choice(len(all_x), way.paths)]
        assert self.box is not None
        walkers = Walkers(start, None, np.repeat(self.box, way.paths, axis=0))
        began = time.perf_counter()
        done = move(walkers, rng)
        took = time.perf_counter() - began
        chance = np.exp(np.minimum(done.log_ratio, 0.0))
        ran = ~(done.refused | done.broken)
        from_, to = _ends(start) < TOP, _ends(done.ends) < TOP
        crosses = ran & (from_ != to)
        out = {
            "acceptance": float(chance.mean()),
            "error": float(chance.std() / np.sqrt(way.paths)),
            "within": float(chance[ran & (from_ == to)].mean()),
            "between": float(chance[crosses].mean()),
            "crossings": float(chance[crosses].sum()),
            "refused": float(done.refused.mean()),
            "evaluations": float(done.evaluations),
            "seconds": took,
        }
        KEPT.mkdir(parents=True, exist_ok=True)
        _file(way, seed).write_text(json.dumps({**asdict(way), **out}, indent=1) + "\n")
        print(way.label, f"seed {seed}", {k: round(v, 4) for k, v in out.items()}, flush=True)
        return out


def _system(start: str) -> OpenMMSystem:
    spec = {
        "kind": "polymer",
        "start": start,
        "platform": "CPU",
        "timestep": 0.005,
        "friction": 1.0,
    }
    return cast(OpenMMSystem, build_system(spec, ROOT))


def _ends(x: Array) -> Array:
    return np.asarray(np.linalg.norm(x[:, 24:27] - x[:, :3], axis=1))


def _file(way: Way, seed: int) -> Path:
    name = "".join(c if c.isalnum() else "_" for c in f"{way.label} {way.timestep} {way.friction}")
    return KEPT / f"polymer_flow_{name}-{seed}.json"


def _told(ways: Sequence[Way], seeds: Sequence[int], only_kept: bool) -> list[Row]:
    bench = None if only_kept else Bench()
    rows = []
    for way in ways:
        found = []
        for seed in seeds:
            if bench is not None:
                found.append(bench.measured(way, seed))
            elif _file(way, seed).is_file():
                found.append(json.loads(_file(way, seed).read_text()))
        if not found:
            continue
        crossed = sum(f["crossings"] for f in found)
        spent = sum(f["evaluations"] for f in found)
        value, error = (np.array([f[k] for f in found]) for k in ("acceptance", "error"))
        spread = float(np.sqrt((error**2).sum()) / len(found))
        rows += [
            Row(f"{way.label}: acceptance", float(value.mean()), "", f"± {spread:.3f}"),
            Row(f"{way.label}: within a state", mean([f["within"] for f in found])[0]),
            Row(f"{way.label}: between states", mean([f["between"] for f in found])[0]),
            Row(f"{way.label}: draws refused", 100 * mean([f["refused"] for f in found])[0], "%"),
            Row(
                f"{way.label}: path evaluations per crossing",
                spent / crossed if crossed > 1 else NAN,
            ),
        ]
    return rows


def scan(seeds: Sequence[int], only_kept: bool) -> list[Row]:
    """Acceptance and cost against the length of the path."""
    return _told([Way(steps=k) for k in LENGTHS], seeds, only_kept)


def ways(seeds: Sequence[int], only_kept: bool) -> list[Row]:
    """Distances as published and torsions; draws turned and thinned or not."""
    return _told(WAYS, seeds, only_kept)


def chain(seeds: Sequence[int], only_kept: bool) -> list[Row]:
    """The campaign, beside that along the end-to-end distance where it has been run."""
    found = [r for s in seeds if (r := kept(LABEL, s))] if only_kept else []
    if not only_kept:
        found = runs(CAMPAIGN, seeds, label=LABEL)
    exact, error = POLYMER.difference()
    beside = [r for s in seeds if (r := kept(POLYMER.name, s))]
    rows = []
    for name, group in ((LABEL, found), ("end-to-end", beside)):
        if not group:
            continue
        f, told = pooled([r.free_energy(POLYMER.state, "rest") for r in group])
        by = [r.diagnostics.get("acceptance", {}) for r in group]
        total = [a.get("global", r.acceptance) for a, r in zip(by, group, strict=True)]
        rows += [
            Row(f"{name}: acceptance", mean(total)[0], "", f"{len(group)} seeds"),
            *(
                Row(f"{name}: {k} states", mean([a[k] for a in by])[0])
                for k in ("within", "between")
                if all(k in a for a in by)
            ),
            Row(f"{name}: steps of a path", mean([r.steps_per_path for r in group])[0]),
            Row(
                f"{name}: path evaluations per crossing",
                mean([r.evaluations_per_crossing for r in group])[0],
            ),
            Row(f"{name}: ΔF", f, "kT", f"± {told:.3f}; {exact:.3f} ± {error:.3f}"),
            Row(f"{name}: converged", sum(r.status == "converged" for r in group), "",
                f"of {len(group)}"),
            Row(f"{name}: evaluations of a campaign", mean([r.evaluations for r in group])[0] / 1e6,
                "M", "with adaptation"),
        ]  # fmt: skip
    return rows


ROWS = {"chain": chain, "scan": scan, "ways": ways}


def run(arguments: list[str]) -> list[Row]:
    """See the module."""
    return parts(arguments, ROWS, SEEDS)
