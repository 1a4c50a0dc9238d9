"""What the tuner finds, against a grid scan: tunnel and φ⁴, from starts that are far off.

Walkers are exact draws and proposals are known, see `fields`, so that nothing but the tuning is
measured. The start is ten times too short, as a campaign has it, or ten times too long.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from rows import Row

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.strategies.steered.path_trials import PathRound
from msgen.orchestrator.strategies.steered.switching import BATCHED_STEPS, MOST_TURNS, RELAXATIONS
from msgen.orchestrator.strategies.steered.switching_tuner import PathTuner
from steered.fields import CASES, LINEAR, Case

FACTORS = (0.1, 1.0, 10.0)
ROUND = 1500
"""Paths of one round, as many as a chain of 64 replicas has."""
WALKERS = 64
AXES = ("steps", "friction", "dt", "smooth")
GRID = {
    "tunnel": ((2.5, 5.0, 10.0, 20.0, 40.0), (0.5, 0.75, 1.0), (0.0, 0.5, 1.0)),
    "phi4": ((10.0, 20.0, 40.0, 80.0, 160.0), (0.5, 0.75, 1.0), (0.0, 0.5, 1.0)),
}
"""Steps per unit, time steps, smoothness."""
DAMPINGS = (0.0, 0.01, 0.1, 1.0, 20.0)
"""γ·dt, from inertial to a full refreshment at every step; at the best of the grid."""
SCAN, AGAIN = 600, 4000
"""Paths for each point of the grid, and for each setting that is compared in the end."""


def run(arguments: list[str]) -> list[Row]:
    """Rows; arguments are names of `CASES`."""
    return [row for name in arguments or CASES for row in rows(name)]


def rows(name: str) -> list[Row]:
    """One system."""
    case = CASES[name]()
    best, scanned = scan(name, case)
    out = [
        Row(f"{name}: best of the grid, evaluations per crossing", scanned, "",
            f"{best.steps_per_unit:g} steps a unit, dt {best.dt:g}, γ·dt "
            f"{best.friction * best.dt:g}"),
    ]  # fmt: skip
    for seed, factor in enumerate(FACTORS, start=1):
        found, turns, spent = tuned(case, factor, seed)
        cost = price(case, found.best, 900 + seed)
        ratio = cost / scanned
        out += [
            Row(f"{name}, start × {factor:g}: cost against the grid's", ratio, "",
                f"{cost:.0f}, {found.best.steps_per_unit:.3g} steps a unit", "≤ 1.3",
                bool(ratio <= 1.3)),
            Row(f"{name}, start × {factor:g}: evaluations of the search", spent / 1e6, "M",
                f"{turns} rounds"),
        ]  # fmt: skip
        print(f"{name} × {factor}: {cost:.0f} against {scanned:.0f}, {turns} rounds", flush=True)
    return out


def setting(case: Case, steps: float, dt: float, friction: float, smooth: float) -> Schedule:
    """Paths that move the CV exactly."""
    g = Conditional(np.array([1.0]), LINEAR)
    return Schedule(
        g, dt, steps, case.scale, friction=friction, refresh=5, smooth=smooth, min_steps=4,
        scheme="moving",
    )  # fmt: skip


def price(case: Case, schedule: Schedule, seed: int, paths: int = AGAIN) -> float:
    """Evaluations per crossing."""
    spent, chance, _ = case.measure(schedule, paths, seed)
    return spent / max(float(chance.mean()), 1e-12)


def scan(name: str, case: Case) -> tuple[Schedule, float]:
    """The best setting of the grid, and its cost measured anew."""
    points = [setting(case, s, dt, 0.0, w) for s, dt, w in itertools.product(*GRID[name])]
    costs = [price(case, p, k, SCAN) for k, p in enumerate(points)]
    near = [points[k] for k in np.argsort(costs)[:3]]
    damped = [replace(p, friction=d / p.dt) for p in near for d in DAMPINGS]
    return min(
        ((p, price(case, p, 500 + k)) for k, p in enumerate(damped)), key=lambda pair: pair[1]
    )


def tuned(case: Case, factor: float, seed: int) -> tuple[PathTuner, int, float]:
    """The tuner from a start that is off by `factor`; its rounds and its evaluations."""
    steps, dt = BATCHED_STEPS * factor, 0.75
    first = setting(case, steps, dt, RELAXATIONS / (np.pi * steps * dt), 1.0)
    tuner, spent, rounds = PathTuner.begin(first, AXES, turns=MOST_TURNS), 0.0, 0
    while not tuner.done and rounds < 2 * MOST_TURNS:
        tried = tuner.candidates
        n = ROUND // len(tried)
        seen = [case.measure(s, n, 1000 * seed + 7 * rounds + k) for k, s in enumerate(tried)]
        number = np.repeat(np.arange(len(tried), dtype=np.float64), n)
        cost = np.repeat([s[0] for s in seen], n)
        chance, work = (np.concatenate([s[i] for s in seen]) for i in (1, 2))
        walker = np.arange(len(number), dtype=np.float64) % WALKERS
        tuner = tuner.absorb(PathRound(number, cost, chance, walker, work), WALKERS)
        spent += float(cost.sum())
        rounds += 1
    return tuner, rounds, spent
