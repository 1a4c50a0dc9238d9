"""Snippets of the double well learnt by diffusion: heads and seeds.

Arguments: settings of `SETTINGS` (by default force, energy and attention), seeds (numbers below
100) and a number of updates (5,000). About 25 minutes a run on a core with the head force, three
times as much with energy. A run is kept as it ends.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from time import process_time
from typing import Any

import numpy as np
from double_well_paths import simulate, states, tell
from places import ROOT
from rows import Row
from scipy import stats

from msgen.models import Space
from msgen.models.score.keyed_noise import DrawKey
from msgen.models.trajectories.data import TrainingTrajectories
from msgen.models.trajectories.model import TrajectoryDiffusion, build
from msgen.orchestrator.schema.model_alone import model_spec

KEPT = ROOT / "runs" / "benchmarks" / "dynamics"
SETTINGS: dict[str, dict[str, Any]] = {
    "force": {"head": "force"},
    "energy": {"head": "energy"},
    "attention": {"head": "energy", "attention": True},
    "encoder": {"head": "energy", "encoder_only": True},
    "linear": {"head": "force", "noise": "linear"},
}
UPDATES = 5000
TRAJECTORIES, FRAMES, LENGTH = 1024, 320, 64
DRAWN = 1024
CORRELATION, F_ERROR, CROSSING = 0.05, 0.5, (0.011, 0.004)


@dataclass(frozen=True)
class Learnt:
    """What a fitted model makes, and what it cost."""

    f_error: float
    empty: int
    correlation: float
    crossing: float
    broken: float
    training_s: float
    sampling_s: float


def run(arguments: list[str]) -> list[Row]:
    """Rows; see the module."""
    numbers = [int(a) for a in arguments if a.isdigit()]
    updates = next((n for n in numbers if n >= 100), UPDATES)
    seeds = [n for n in numbers if n < 100] or [1, 2, 3]
    chosen = [a for a in arguments if not a.isdigit()] or ["force", "energy", "attention"]
    found = {name: [learnt(name, seed, updates) for seed in seeds] for name in chosen}
    floor = tell(simulate(DRAWN, LENGTH, 7_000))
    rows = [
        Row("true snippets: F error", floor.f_error, "kT"),
        Row("true snippets: crossing", floor.crossing),
    ]
    for name, runs in found.items():
        rows += told(f"{name}, {updates} updates", runs)
    for a, b in combinations(chosen, 2):
        if len(seeds) > 1:
            test = stats.ttest_ind(
                [r.f_error for r in found[a]], [r.f_error for r in found[b]], equal_var=False
            )
            rows.append(Row(f"F error, {a} against {b}: t", float(test.statistic), "", "Welch"))
    return rows


def told(name: str, runs: list[Learnt]) -> list[Row]:
    """Rows of runs that differ in their seed alone."""
    error = float(np.mean([r.f_error for r in runs]))
    spread = float(np.std([r.f_error for r in runs], ddof=1)) if len(runs) > 1 else float("nan")
    off = max(r.correlation for r in runs)
    crossing = float(np.mean([r.crossing for r in runs]))
    middle, width = CROSSING
    return [
        Row(f"{name}: F error", error, "kT", f"± {spread:.2f}", "≤ 0.5", error <= F_ERROR),
        Row(f"{name}: autocorrelation off", off, "", "", "≤ 0.05", off <= CORRELATION),
        Row(f"{name}: crossing", crossing, "", "", f"{middle} ± {width}",
            bool(abs(crossing - middle) <= width)),
        Row(f"{name}: broken", float(np.mean([r.broken for r in runs])), "", "share of paths"),
        Row(f"{name}: training", float(np.mean([r.training_s for r in runs])), "CPU s"),
        Row(f"{name}: {DRAWN} snippets", float(np.mean([r.sampling_s for r in runs])), "CPU s"),
    ]  # fmt: skip


def learnt(name: str, seed: int, updates: int) -> Learnt:
    """One fit and what it makes; from the disk where it is done."""
    path = KEPT / f"{name}-{updates}-{seed}.json"
    spec = model_spec(
        {"kind": "trajectory_diffusion", "width": 32, "length": LENGTH, **SETTINGS[name]}
    )
    if path.exists():
        kept = json.loads(path.read_text())
        if kept.pop("asked") == spec:
            return Learnt(**kept)
    made = fitted(spec, seed, updates)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"asked": spec, **asdict(made)}, indent=1) + "\n")
    print(f"{path.stem}: F error {made.f_error:.3f} kT", flush=True)
    return made


def fitted(spec: dict[str, Any], seed: int, updates: int) -> Learnt:
    """One fit and what it makes."""
    settings = {k: v for k, v in spec.items() if k != "kind"}
    begun: TrajectoryDiffusion = build(Space((False, False)), **settings)
    training = replace(begun.config.training, updates=updates)
    model = TrajectoryDiffusion(replace(begun.config, training=training))
    data = simulate(TRAJECTORIES, FRAMES, seed)
    started = process_time()
    model.fit(TrainingTrajectories(list(data)), seed=seed)
    trained = process_time()
    paths = model.generate([DrawKey(seed, i) for i in range(DRAWN)])
    ended = process_time()
    found, true = tell(paths), tell(data[:, :LENGTH])
    return Learnt(
        found.f_error,
        found.empty,
        float(np.abs(found.correlations - true.correlations).max()),
        found.crossing,
        1 - float(model.screen(paths, states).whole.mean()),
        trained - started,
        ended - trained,
    )
