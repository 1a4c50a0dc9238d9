"""Steps per second of the polymer while it is steered, beside bare OpenMM in the same run.

Bare: `integrator.step(K)` of OpenMM's own Langevin and Verlet integrators on the same System, K
steps a call. Steered: `MoleculeEngine.switch` of a batch of walkers between the two states, from
their arrays to the arrays of where they end, all that a campaign's path does: velocities drawn,
refreshments, work, CVs at the ends. A step is one of Verlet on either side, whatever else a path
asks for. The ways take turns, in CPU seconds of the one thread; what else a machine does only slows
them, so that the best round of each counts. The range beside it is of the ratios of rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from openmm_runs import langevin
from rows import Row
from sections import build_cvs, build_system

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.systems import CVSet, Walkers
from msgen.systems.openmm.system import OpenMMSystem

STEPS, WALKERS, ROUNDS = 400, 4, 7
FRICTION, WIDTH = 1.0, 0.05
BOUND = 0.8


def _built(solvent: int) -> tuple[OpenMMSystem, CVSet]:
    spec = {"kind": "polymer", "solvent": solvent, "platform": "CPU"}
    system = build_system(spec, Path())
    assert isinstance(system, OpenMMSystem)
    return system, build_cvs({"d": {"kind": "distance", "atoms": [0, 8]}}, system, Path())


def _schedule(cvs: CVSet, scheme: str) -> Schedule:
    g = Conditional(np.array([WIDTH**-2]), cvs.periodic)
    return Schedule(g, 0.005, 1.0, np.ones(1), friction=FRICTION, min_steps=STEPS, scheme=scheme)


def _bare(system: OpenMMSystem, cvs: CVSet, purpose: Any) -> Callable[[], int]:
    """`STEPS` steps for each walker, nothing read."""
    stepper = system.context(False, cvs, purpose=purpose, friction=FRICTION)
    stepper.reseed(1)
    stepper.load(system.initial())
    stepper.draw_velocities(np.random.default_rng(0))

    def go() -> int:
        for _ in range(WALKERS):
            stepper.step(STEPS)
        return WALKERS * STEPS

    return go


def _steered(system: OpenMMSystem, cvs: CVSet, scheme: str) -> Callable[[], int]:
    """Paths of the whole batch to the other state, always from the same start."""
    engine = MoleculeEngine(system, cvs)
    engine.begin(np.random.default_rng(1))
    box = system.initial().box
    start = langevin(system, system.initial(), 2000, 3, cvs=cvs, every=2000)[0]
    now = Walkers(np.repeat(start.positions, WALKERS, 0), None, np.repeat(box, WALKERS, 0))
    schedule, xi = _schedule(cvs, scheme), cvs(now.positions)
    target = np.where(xi < 4.62, 5.65, 3.53)

    def go() -> int:
        done = engine.switch(now, xi, target, schedule)
        assert done.broken == 0
        return WALKERS * STEPS

    return go


def measure(solvent: int, schemes: tuple[str, ...]) -> dict[str, list[float]]:
    """Steps per CPU second of every way, round by round."""
    system, cvs = _built(solvent)
    ways = {purpose: _bare(system, cvs, purpose) for purpose in ("langevin", "leapfrog")}
    ways |= {scheme: _steered(system, cvs, scheme) for scheme in schemes}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for go in ways.values():
        go()
    for _ in range(ROUNDS):
        for name, go in ways.items():
            begin = time.process_time()
            steps = go()
            rates[name].append(steps / (time.process_time() - begin))
    return rates


def run(arguments: list[str]) -> list[Row]:
    """Rows for the published size and for a large solvent; arguments: sizes of the solvent."""
    rows = []
    for solvent in [int(a) for a in arguments] or [200, 1000]:
        rates = measure(solvent, ("extended", "moving"))
        for scheme in ("extended", "moving"):
            for bare, word in (("langevin", "Langevin"), ("leapfrog", "Verlet")):
                ratio = np.array(rates[scheme]) / np.array(rates[bare])
                best = max(rates[scheme]) / max(rates[bare])
                spread = f"{ratio.min():.2f} to {ratio.max():.2f} in {ROUNDS} rounds"
                rows.append(
                    Row(
                        f"polymer in {solvent}, {scheme}: steps/s against bare {word}",
                        best,
                        f"({spread})",
                        reference=f"{max(rates[bare]):,.0f} steps/s",
                        bound=f">= {BOUND:g}",
                        holds=best >= BOUND,
                    )
                )
    return rows
