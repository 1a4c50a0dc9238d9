"""Paths from exact draws with proposals that are known: what a setting of the paths costs.

No campaign and no model: the tunnel and φ⁴, whose walkers here are distributed as they should be,
so that a grid of settings can be scanned and the tuner held against its best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.actors.cv_space.proposals import StratumProposals
from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.engines.mass_matrix import curvature, sheared
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.kernels.switching.steered import Paths, steer
from msgen.models.defensive_mixture import Broad
from msgen.orchestrator.estimators.works.bar import BarResult, bar
from msgen.orchestrator.strategies.common.step_size import positive
from msgen.systems.base import Array, CVSet, System, Walkers
from msgen.systems.cvs.collective import MeanCoordinate
from msgen.systems.cvs.torch_cvs import Coordinate
from msgen.systems.potentials.linear_transform import Sheared
from msgen.systems.potentials.mixtures import GaussianTunnel
from msgen.systems.potentials.phi4 import Phi4

BROAD = 0.05
LINEAR = np.array([False])


@dataclass(frozen=True)
class Normals:
    """Σ w N(μ, σ²) of one CV."""

    weights: Array
    means: Array
    sigma: float
    dim: int = 1

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """λ, shape (n, 1)."""
        centre = rng.choice(self.means, p=self.weights, size=n)
        return (centre + self.sigma * rng.standard_normal(n))[:, None]

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """ln q, shape (n,)."""
        z = (y - self.means) / self.sigma
        each = np.log(self.weights / self.sigma / np.sqrt(2.0 * np.pi)) - 0.5 * z**2
        return np.asarray(np.logaddexp.reduce(each, axis=1))


@dataclass(frozen=True)
class Case:
    """A system with two states, cut at `border` of its one CV.

    Attributes
    ----------
    masses : Array, shape (D,)
        kT/Var(x_d) inside the states, as a campaign tunes them.
    """

    name: str
    system: System
    cvs: CVSet
    model: Normals
    range: tuple[float, float]
    border: float
    draws: Array
    masses: Array

    @property
    def scale(self) -> Array:
        """Unit of distance along the CV: its range over 2π, as in a campaign."""
        return np.array([(self.range[1] - self.range[0]) / (2.0 * np.pi)])

    def measure(self, schedule: Schedule, n: int, seed: int) -> tuple[float, Array, Array]:
        """Evaluations of one path on average, the chance of each to be a crossing, and its work.

        The work is NaN where a path did not try to cross.
        """
        rng = np.random.default_rng(seed)
        start = self.draws[rng.integers(len(self.draws), size=n)]
        paths = self.paths(schedule, start, rng)
        above = paths.start[:, 0] > self.border
        moved = above != (paths.xi[:, 0] > self.border)
        chance = np.where(moved, np.exp(-np.clip(paths.work, 0.0, None)), 0.0)
        tried = above != (paths.stop[:, 0] > self.border)
        return paths.evaluations / n, chance, np.where(tried, paths.work, np.nan)

    def difference(self, schedule: Schedule, seed: int) -> tuple[BarResult, float]:
        """F(below) − F(above the border) by BAR from one path of each draw; its evaluations."""
        paths = self.paths(schedule, self.draws, np.random.default_rng(seed))
        above, ends = paths.start[:, 0] > self.border, paths.xi[:, 0] > self.border
        # a path that stays, or breaks, has crossed nothing
        down = np.where(ends, np.inf, paths.work)[above]
        up = np.where(ends, paths.work, np.inf)[~above]
        return bar(down, up), paths.evaluations / len(self.draws)

    def paths(self, schedule: Schedule, start: Array, rng: np.random.Generator) -> Paths:
        """One path of every start, which is a draw of the density."""
        walkers, n = Walkers(start), len(start)
        engine = ArrayEngine(
            self.system, self.cvs, Hmc(0.1, 5, self.masses, self.system.kT), self.masses
        )
        engine.begin(rng)
        lo, hi = (np.array([v]) for v in self.range)
        whole = Partition.whole(LINEAR)
        proposals = StratumProposals(
            self.model, Broad([False], lower=lo, upper=hi), BROAD, whole, np.zeros(1)
        )
        zero = np.zeros(n, dtype=np.int64)
        xi = self.cvs(walkers.positions)
        return steer(engine, walkers, xi, zero, zero, whole, proposals, schedule, rng)


def tunnel(seed: int = 1) -> Case:
    """The Gaussian tunnel with its exact density as proposal."""
    system, rng = GaussianTunnel(), np.random.default_rng(seed)
    z = rng.choice(system.centres, p=system.weights, size=4096) + rng.standard_normal(4096)
    x = 5 * np.cos(np.pi * z / 10)[:, None] + system.sigma * rng.standard_normal((4096, 19))
    model = Normals(system.weights, system.centres, 1.0)
    masses = np.concatenate([[1.0], 1.0 / system.sigma**2])
    cvs = CVSet((Coordinate("z", 0),))
    return Case("tunnel", system, cvs, model, (-5.0, 15.0), 5.0, np.column_stack([z, x]), masses)


def phi4(seed: int = 1) -> Case:
    """φ⁴ of 64 sites with the proposals of the paper: ± 6.2836, σ 0.4785."""
    system, rng = Phi4(), np.random.default_rng(seed)
    start = Walkers(np.tile(system.initial().positions, (1024, 1)))
    masses = np.full(system.n_dof, 1.0)
    for _ in range(3):
        kernel = Hmc(0.2, 20, masses, system.kT, jitter=0.2)
        done = kernel(BoltzmannTarget(system), start, rng, n_steps=40)
        start = Walkers(done.walkers.positions)
        masses = system.kT / start.positions.var(axis=0)
    # with the mass matrix that a campaign with `metric: dense` finds
    matrix = positive(curvature(system, start.positions[:64])[0])
    moved = Sheared(system, matrix)
    # both signs alike
    x = moved.inside(start.positions * rng.choice([-1.0, 1.0], size=(len(start), 1)))
    cvs = CVSet((sheared(MeanCoordinate("haar", scale=8.0), moved.matrix, system.n_dof),))
    model = Normals(np.array([0.5, 0.5]), np.array([-6.2836, 6.2836]), 0.4785)
    ones = np.ones(system.n_dof)
    return Case("φ⁴", moved, cvs, model, (-11.2, 11.2), 0.0, x, ones)


CASES = {"tunnel": tunnel, "phi4": phi4}
