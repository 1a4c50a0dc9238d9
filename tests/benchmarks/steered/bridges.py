"""ΔF of the dimer's two states by BAR, from paths of one scheme, both ways.

Starts are drawn from ρ* inside a state (see `paths`), ends from ρ* along r inside the other, cut
off at the border. What `steer` books is then the work of Crooks' relation for any scheme.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.cv_space.strata import Labels, Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.kernels.switching.steered import steer
from msgen.models.tabulated import Tabulated
from msgen.orchestrator.estimators.works.bar import BarResult, bar
from msgen.systems.base import Array
from steered.paths import CELLS, LINEAR, RANGE, TOP, Pool, dimer

STATES = Partition.from_boxes({"compact": {"r": (RANGE[0], TOP)}}, ["r"], LINEAR)
WIDE = 0.1
"""Share of each state's proposal that is uniform."""


@dataclass(frozen=True)
class Sides:
    """One table for each state; meets `msgen.actors.kernels.switching.steered.Proposals`."""

    tables: tuple[Tabulated, Tabulated]

    @classmethod
    def of(cls, pool: Pool, h: float) -> Sides:
        """ρ* along r inside each state."""
        w = pool.weights(h, pool.trail)
        edges = ((RANGE[0], TOP), (TOP, RANGE[1]))
        low, high = (np.histogram(pool.trail, CELLS // 2, e, weights=w)[0] for e in edges)
        return cls((Tabulated(*edges[0], low, WIDE), Tabulated(*edges[1], high, WIDE)))

    def sample(self, stratum: Labels, rng: np.random.Generator) -> Array:
        """λ ~ q_k, shape (n, 1)."""
        both = [table.sample(len(stratum), rng) for table in self.tables]
        return np.asarray(np.where(stratum[:, None] == 0, *both))

    def log_prob(self, lam: Array, stratum: Labels) -> Array:
        """ln q_k(λ), shape (n,)."""
        both = [table.log_prob(lam) for table in self.tables]
        return np.asarray(np.where(stratum == 0, *both))


@dataclass(frozen=True)
class Bridge:
    """ΔF = F(stretched) − F(compact) in kT, and what the paths were.

    Attributes
    ----------
    result : BarResult
    crossed : float
        Mean of min(1, e^{∆F − w}), the chance of a path in a chain that knows ΔF.
    evaluations : float
        Of one path.
    broken : int
        Paths that broke; their work is infinite.
    """

    result: BarResult
    crossed: float
    evaluations: float
    broken: int


def bridge(pool: Pool, h: float, path: Schedule, n: int, seed: int) -> Bridge:
    """n paths each way."""
    system, cvs = dimer(h, pool.particles)
    rng = np.random.default_rng(seed)
    engine = MoleculeEngine(system, cvs)
    engine.begin(rng)
    q, weight = Sides.of(pool, h), pool.weights(h, pool.r)
    works, blocks, evaluations, broken = [], [], 0, 0
    for source in (0, 1):
        mine = np.where((pool.r < TOP) == (source == 0), weight, 0.0).cumsum()
        # several paths may share a start: they are one block
        which = np.searchsorted(mine, mine[-1] * (rng.random() + np.arange(n)) / n)
        starts = pool.walkers.take(which)
        xi = cvs(starts.positions)
        here, there = np.full(n, source), np.full(n, 1 - source)
        paths = steer(engine, starts, xi, here, there, STATES, q, path, rng)
        works.append(paths.work)
        blocks.append(which)
        evaluations += paths.evaluations
        broken += paths.broken
    found = bar(*works, forward_blocks=blocks[0], reverse_blocks=blocks[1])
    signed = np.concatenate([works[0] - found.delta_f, works[1] + found.delta_f])
    crossed = float(np.exp(-np.clip(signed, 0.0, None)).mean())
    return Bridge(found, crossed, evaluations / (2 * n), broken)
