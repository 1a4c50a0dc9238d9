"""How often plain MD of the dimer crosses, and what that says of barriers it does not cross.

A crossing is a passage from the core of one state to that of the other. Along a CV that diffuses
in F(r) with one diffusion coefficient D, the mean first passage from the bottom a of one well to
that of the other, b > a, takes

.. math:: τ = \\frac{1}{D} ∫_a^b dy\\, e^{F(y)} ∫_0^y dz\\, e^{−F(z)}

(Kramers, Physica 7, 284, 1940). F is known for every barrier; D is fitted where MD crosses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.engines.openmm import MoleculeEngine
from msgen.systems.base import Array
from msgen.systems.openmm.reduced_units import WCA
from steered.paths import CELLS, RANGE, STEP, Pool, dimer

CORES = (WCA + 0.6, WCA + 3.4)
"""Nearer than the first, farther than the second: in the core of a state."""
BOTTOMS = (WCA, WCA + 4.0)
EVERY = 10


@dataclass(frozen=True)
class Crossings:
    """Of plain MD: how many in how many steps."""

    number: int
    steps: int

    @property
    def per_crossing(self) -> float:
        """Steps a crossing; infinite where there was none."""
        return self.steps / self.number if self.number else float("inf")

    @property
    def error(self) -> float:
        """Relative, as of a Poisson process."""
        return float(self.number) ** -0.5 if self.number else float("inf")


def count(r: Array) -> int:
    """Passages from core to core along a series of r."""
    core = np.where(r < CORES[0], 0, np.where(r > CORES[1], 1, -1))
    core = core[core >= 0]
    return int(np.count_nonzero(core[1:] != core[:-1]))


def plain(h: float, particles: int, steps: int, seed: int) -> Crossings:
    """So many steps of MD from the compact state."""
    system, cvs = dimer(h, particles)
    engine = MoleculeEngine(system, cvs)
    engine.begin(np.random.default_rng(seed))
    engine.load(system.initial())
    lam, free = np.zeros((1, 1)), np.zeros(1, dtype=bool)
    engine.chunk(lam, free, 2000)
    r = [float(engine.chunk(lam, free, EVERY)[0, 0]) for _ in range(steps // EVERY)]
    return Crossings(count(np.array(r)), steps)


def passage(pool: Pool, h: float) -> float:
    """Dτ, averaged over both directions, with F from the pool at a barrier h; nm²."""
    edges = np.linspace(*RANGE, CELLS + 1)
    p = pool.density(h) / np.diff(edges)
    r, width = 0.5 * (edges[1:] + edges[:-1]), edges[1] - edges[0]
    between = (r > BOTTOMS[0]) & (r < BOTTOMS[1])
    below = np.cumsum(p) * width
    there = float((below[between] / p[between]).sum()) * width
    back = float(((below[-1] - below[between]) / p[between]).sum()) * width
    return 0.5 * (there + back)


def diffusion(pool: Pool, measured: dict[float, Crossings]) -> tuple[float, float]:
    """D in nm²/ps by the crossings at some barriers, each with the weight of its number, and the
    largest ratio between what D makes of one of them and what was counted."""
    known = {h: c for h, c in measured.items() if c.number >= 5}
    each = {h: passage(pool, h) / (c.per_crossing * STEP) for h, c in known.items()}
    n = sum(c.number for c in known.values())
    d = float(np.exp(sum(c.number * np.log(each[h]) for h, c in known.items()) / n))
    return d, max(max(v / d, d / v) for v in each.values())
