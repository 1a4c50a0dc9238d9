"""Snippets of the double well learnt by diffusion: heads, seeds, and the ablations of the paper.

Arguments: tables (table1, table4, table7, table9), settings of `SETTINGS`, amounts of data as
long-10 or short-1000 (a tenth, a thousandth), seeds (numbers below 100; by default 1, 2, 3) and a
number of updates (by default 5,000). Without tables and settings: table1. About 25 minutes a run
on a core with the head force, three times as much with energy. A run may be ended at any time and
goes on from its last epoch; what is done is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations
from time import process_time
from typing import Any

import numpy as np
from double_well_paths import simulate, states, tell
from rows import Row
from scipy import stats

from dynamics_parts.fits import KEPT, fitted, section
from msgen.models.score.keyed_noise import DrawKey
from msgen.models.trajectories.data import TrainingTrajectories

SETTINGS: dict[str, dict[str, Any]] = {
    "force": {"head": "force"},
    "energy": {"head": "energy"},
    "attention": {"head": "energy", "attention": True},
    "encoder": {"head": "energy", "encoder_only": True},
    "linear": {"head": "force", "noise": "linear"},
    "scaled_linear": {"head": "force", "noise": "scaled_linear"},
    "cosine": {"head": "force", "noise": "cosine"},
}
PARTS = (1, 10, 100, 1_000, 10_000)
"""Of the data of table 7."""
TABLES = {
    "table1": ("force", "energy", "attention"),
    "table4": ("energy", "encoder"),
    "table7": tuple(f"{kind}-{part}" for kind in ("long", "short") for part in PARTS),
    "table9": ("force", "energy"),
}
UPDATES = 5000
TRAJECTORIES, FRAMES, LENGTH = 1024, 320, 64
WHOLE = 24_576 * FRAMES
"""Frames of table 7; a ten-thousandth of them are twelve snippets, a fit's least are ten."""
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
    asked = [a for a in arguments if not a.isdigit()] or ["table1"]
    unknown = [a for a in asked if a not in TABLES and a not in SETTINGS and not _amount(a)]
    if unknown:
        known = ", ".join([*TABLES, *SETTINGS, "long-10", "short-10"])
        raise SystemExit(f"no such table or setting: {', '.join(unknown)}; there are {known}")
    chosen = list(dict.fromkeys(s for a in asked for s in TABLES.get(a, (a,))))
    # the first seed of all before the second of any
    done = {(name, seed): learnt(name, seed, updates) for seed in seeds for name in chosen}
    found = {name: [done[name, seed] for seed in seeds] for name in chosen}
    floor = tell(simulate(DRAWN, LENGTH, 7_000))
    rows = [
        Row("true snippets: F error", floor.f_error, "kT"),
        Row("true snippets: crossing", floor.crossing),
    ]
    for name, runs in found.items():
        rows += told(f"{name}, {updates} updates", runs)
    for a, b in combinations(chosen, 2):
        rows += against(a, b, found[a], found[b])
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


def against(a: str, b: str, one: list[Learnt], two: list[Learnt]) -> list[Row]:
    """Whether two settings differ, and what one costs of the other."""
    rows = [
        Row(
            f"training, {b} over {a}",
            float(np.mean([r.training_s for r in two]) / np.mean([r.training_s for r in one])),
            "times",
        ),
        Row(
            f"sampling, {b} over {a}",
            float(np.mean([r.sampling_s for r in two]) / np.mean([r.sampling_s for r in one])),
            "times",
        ),
    ]
    if min(len(one), len(two)) > 1:
        errors = ([r.f_error for r in one], [r.f_error for r in two])
        test = stats.ttest_ind(*errors, equal_var=False)
        p = f"Welch, p = {test.pvalue:.2g}"
        rows.append(Row(f"F error, {a} against {b}: t", float(test.statistic), "", p))
    return rows


def learnt(name: str, seed: int, updates: int) -> Learnt:
    """One fit and what it makes; from the disk where it is done."""
    path = KEPT / "told" / f"{name}-{updates}-{seed}.json"
    spec, about = section(length=LENGTH, **SETTINGS.get(name, {})), about_data(name)
    asked = {"model": spec, "data": about}
    if path.exists():
        kept = json.loads(path.read_text())
        if kept.pop("asked") == asked:
            return Learnt(**kept)
    fit = fitted(name, spec, data_of(name, seed), about, seed, updates)
    began = process_time()
    paths = fit.model.generate([DrawKey(seed, i) for i in range(DRAWN)])
    ended = process_time()
    found, true = tell(paths), tell(simulate(TRAJECTORIES, LENGTH, 7_100))
    made = Learnt(
        found.f_error,
        found.empty,
        float(np.abs(found.correlations - true.correlations).max()),
        found.crossing,
        1 - float(fit.model.screen(paths, states).whole.mean()),
        fit.training_s,
        ended - began,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"asked": asked, **asdict(made)}, indent=1) + "\n")
    print(f"{path.stem}: F error {made.f_error:.3f} kT", flush=True)
    return made


def _amount(name: str) -> tuple[int, int] | None:
    """Trajectories and frames of each, of a name like short-1000."""
    kind, _, part = name.partition("-")
    if kind not in ("long", "short") or not part.isdigit():
        return None
    frames = WHOLE // int(part)
    if kind == "short":
        return frames // LENGTH, LENGTH
    number = max(1, frames // FRAMES)
    return number, frames // number


def about_data(name: str) -> str:
    """What they are, in words."""
    number, frames = _amount(name) or (TRAJECTORIES, FRAMES)
    return f"{number} trajectories of {frames} frames"


def data_of(name: str, seed: int) -> Callable[[], TrainingTrajectories]:
    """What makes the data of a setting."""
    number, frames = _amount(name) or (TRAJECTORIES, FRAMES)
    return lambda: TrainingTrajectories(list(simulate(number, frames, seed)))
