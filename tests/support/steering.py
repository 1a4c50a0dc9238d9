"""What the tests of steered moves share: systems with a known answer, exact draws, the check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from exact_populations import exact_probabilities, exact_state_probability, grid_2d
from scipy.stats import norm

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.proposals import Independent, Proposals, StratumProposals
from msgen.actors.cv_space.strata import Labels, Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.base import Switched
from msgen.actors.engines.batched import ArrayEngine
from msgen.actors.kernels.base import Mask
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.switching.steered import Paths, accept, steer
from msgen.models.defensive_mixture import Broad
from msgen.orchestrator.estimators.works.bar import bar
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.cvs.torch_cvs import Coordinate
from msgen.systems.potentials.mixtures import GaussianTunnel
from msgen.systems.potentials.two_dimensional import DoubleWell

CVS = CVSet((Coordinate("x", 0),))
LINEAR = np.array([False])
EPSILON = 0.1


@dataclass
class Normals:
    """Normal densities of λ at `means`, mixed by a row of `weights` for each stratum."""

    means: tuple[float, ...]
    sd: float
    weights: tuple[tuple[float, ...], ...]
    dim: int = 1

    def _rows(self, n: int, context: Array | None) -> Array:
        return np.array(self.weights)[np.zeros(n, int) if context is None else context.argmax(1)]

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        chances = self._rows(n, context).cumsum(axis=1)
        which = (rng.random((n, 1)) > chances[:, :-1]).sum(axis=1)
        return (np.array(self.means)[which] + self.sd * rng.standard_normal(n))[:, None]

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        each = norm.pdf(y, np.array(self.means), self.sd)
        return np.asarray(np.log((self._rows(len(y), context) * each).sum(axis=1)))

    def below(self, border: float) -> Array:
        """Mass below `border` of each stratum's density."""
        return np.asarray(np.array(self.weights) @ norm.cdf(border, self.means, self.sd))


@dataclass(frozen=True)
class Case:
    """A system cut in two at `border`, inside the well of the state 'upper'."""

    system: DoubleWell | GaussianTunnel
    border: float
    model: Normals
    range: tuple[float, float]
    schedule: Schedule
    gentle: bool
    """Whether so little is dissipated that exponential averages converge."""
    engine: type[ArrayEngine] = ArrayEngine

    @property
    def partition(self) -> Partition:
        return Partition.from_boxes({"upper": {"x": (self.border, np.inf)}}, ["x"], LINEAR)

    @property
    def delta_f(self) -> float:
        """F(rest) − F(upper), exactly."""
        p = exact_state_probability(self.system, CVS, {"x": (self.border, np.inf)})
        return float(-np.log((1 - p) / p))

    @property
    def density(self) -> tuple[Array, Array]:
        """A fine grid of ξ, and the exact probability of every cell of it."""
        lo, hi = self.range
        edges = np.linspace(lo - 3.0, hi + 3.0, 3001)
        if isinstance(self.system, DoubleWell):
            z = 0.5 * (edges[1:] + edges[:-1])
            p = np.exp(-(-9 * z**2 + z**3 + 4.5 * z**4))
            return z, p / p.sum()
        return 0.5 * (edges[1:] + edges[:-1]), exact_probabilities(self.system, CVS, [edges])

    def proposals(self, partition: Partition | None = None) -> StratumProposals:
        """Defended normals; the mass inside each of the two states is known in closed form."""
        lo, hi = self.range
        broad = Broad([False], lower=np.array([lo]), upper=np.array([hi]))
        if partition is not None:
            return StratumProposals(self.model, broad, EPSILON, partition, np.zeros(len(partition)))
        below = (1 - EPSILON) * self.model.below(self.border)
        below += EPSILON * (self.border - lo) / (hi - lo)
        mass = np.log([1 - below[0], below[1]])
        return StratumProposals(self.model, broad, EPSILON, self.partition, mass)

    def draws(self, n: int, rng: np.random.Generator, stratum: int | None = None) -> Walkers:
        """Exact draws of ρ*, truncated to a state if one is given."""
        if isinstance(self.system, DoubleWell):
            points, p = grid_2d(self.system, 750)
            if stratum is not None:
                p = p * (self.partition.assign(CVS(points)) == stratum)
            step = np.array([hi - lo for lo, hi in self.system.bounds]) / 750
            i = np.searchsorted(np.cumsum(p / p.sum()), rng.random(n))
            return Walkers(points[i] + step * (rng.random((n, 2)) - 0.5))
        t = self.system
        z = np.empty(0)
        while len(z) < n:
            new = rng.choice(t.centres, p=t.weights, size=4 * n) + rng.standard_normal(4 * n)
            if stratum is not None:
                new = new[(new > self.border) == (stratum == 0)]
            z = np.concatenate([z, new])[:n]
        x = 5 * np.cos(np.pi * z / 10)[:, None] + t.sigma * rng.standard_normal((n, 19))
        return Walkers(np.column_stack([z, x]))

    def make(self, rng: np.random.Generator) -> ArrayEngine:
        engine = self.engine(self.system, CVS, Mala(0.01))
        engine.begin(rng)
        return engine

    def paths(self, proposals: Proposals, source: int, target: int, n: int, seed: int) -> Paths:
        rng = np.random.default_rng(seed)
        engine, walkers = self.make(rng), self.draws(n, rng, source)
        return steer(
            engine,
            walkers,
            CVS(walkers.positions),
            np.full(n, source),
            np.full(n, target),
            self.partition,
            proposals,
            self.schedule,
            rng,
        )


def _spring(kappa: float) -> Conditional:
    return Conditional(np.array([kappa]), LINEAR)


WELL = Case(
    DoubleWell(),
    # the right well's minimum is at 0.92: g, of width 0.3, leaks over the border from both sides
    border=0.84,
    model=Normals((0.95, -1.05), 0.35, ((0.9, 0.1), (0.2, 0.8))),
    range=(-1.6, 1.6),
    schedule=Schedule(_spring(16.0), 0.06, 60.0, np.ones(1), friction=0.2, refresh=3),
    gentle=True,
)
TUNNEL = Case(
    GaussianTunnel(),
    border=9.5,
    model=Normals((10.0, 0.0), 1.2, ((0.9, 0.1), (0.4, 0.6))),
    range=(-4.0, 14.0),
    schedule=Schedule(_spring(12.0), 0.2, 15.0, np.ones(1), friction=0.02, refresh=5),
    gentle=False,
)
CASES = {"well": WELL, "tunnel": TUNNEL}


def deviation(case: Case, proposals: Proposals | None = None, n: int = 12_000) -> float:
    """By how many σ paths between the states miss the exact answer, at worst.

    Looked at: ΔF of BAR; the same ΔF by BAR and, if gentle, as the exponential average of each
    direction over the share of the other that has a finite work; for paths that stay in their
    state, where ΔF = 0, too.
    """
    q = proposals or case.proposals()
    forward, reverse = (case.paths(q, a, b, n, 31 + a).work for a, b in ((0, 1), (1, 0)))
    both = bar(forward, reverse)
    off = [(both.delta_f - case.delta_f) / both.stderr]
    if case.gentle:
        off.append(_exponential(forward, reverse, case.delta_f))
        off.append(_exponential(reverse, forward, -case.delta_f))
    for state in (0, 1):
        first, second = (case.paths(q, state, state, n, 33 + state + 2 * k).work for k in (0, 1))
        same = bar(first, second)
        off.append(same.delta_f / same.stderr)
        if case.gentle:
            off.append(_exponential(first, second, 0.0))
    return float(np.nanmax(np.abs(off)))


def _exponential(forward: Array, reverse: Array, delta_f: float) -> float:
    e, f = np.exp(-forward), np.isfinite(reverse).astype(float)
    miss = np.log(e.mean() / f.mean()) + delta_f
    error = np.hypot(e.std() / e.mean(), f.std() / f.mean()) / np.sqrt(len(e))
    return float(miss / error)


class LambdaFirst(ArrayEngine):
    """Wrong twin: half the way at once, then propagation that ends at λ_N."""

    def switch(self, walkers: Walkers, start: Array, stop: Array, schedule: Schedule) -> Switched:
        delta = schedule.g.displacement(stop, start)
        first = start + delta / 2
        xi = self.cvs(walkers.positions)
        jump = schedule.g.energy(first, xi) - schedule.g.energy(start, xi)
        driven = super().switch(walkers, first, stop, schedule)
        return replace(driven, work=driven.work + jump)


class NoShadow(ArrayEngine):
    """Wrong twin: books protocol work only; all paths of one length."""

    _last: tuple[Array, Array] | None = None
    _protocol: Array

    def _forces(self, g: Conditional, x: Array, lam: Array) -> tuple[Array, Array, Array]:
        xi = self.cvs(x)
        if self._last is None:
            self._protocol = np.zeros(len(x))
        else:
            lam_before, xi_before = self._last
            self._protocol += g.energy(lam, xi_before) - g.energy(lam_before, xi_before)
        self._last = (lam.copy(), xi)
        return super()._forces(g, x, lam)

    def switch(self, walkers: Walkers, start: Array, stop: Array, schedule: Schedule) -> Switched:
        self._last = None
        driven = super().switch(walkers, start, stop, schedule)
        return replace(driven, work=np.where(np.isfinite(driven.work), self._protocol, np.inf))


@dataclass(frozen=True)
class Told(Independent):
    """Wrong twin: draws from one version of the proposals and evaluates another."""

    drawn: StratumProposals
    told: StratumProposals

    def sample(self, stratum: Labels, rng: np.random.Generator) -> Array:
        return self.drawn.sample(stratum, rng)

    def log_prob(self, lam: Array, stratum: Labels) -> Array:
        return self.told.log_prob(lam, stratum)


def chain_deviation(
    case: Case,
    n: int = 8000,
    moves: int = 8,
    start: int | None = None,
    decide: Callable[[Paths, np.random.Generator], Mask] = accept,
    proposals: Proposals | None = None,
) -> float:
    """By how many σ a Metropolis chain of steered moves, with no local moves, misses the density.

    From exact draws of ρ*, of which a wrong chain leaves the mean, the mean square or P(upper); or
    from one state alone, so that a slow chain fails too.
    """
    partition = Partition.whole(LINEAR)
    aims, rng = proposals or case.proposals(partition), np.random.default_rng(41)
    walkers, zero = case.draws(n, rng, start), np.zeros(n, dtype=np.int64)
    engine = case.make(rng)
    for _ in range(moves):
        xi = CVS(walkers.positions)
        paths = steer(engine, walkers, xi, zero, zero, partition, aims, case.schedule, rng)
        moved = decide(paths, rng)
        walkers = Walkers(np.where(moved[:, None], paths.walkers.positions, walkers.positions))
    x = CVS(walkers.positions)[:, 0]
    z, p = case.density
    off = []
    for f in (lambda v: v > case.border, lambda v: v, np.square):
        mean = p @ f(z)
        off.append((f(x).mean() - mean) / np.sqrt((p @ f(z) ** 2 - mean**2) / n))
    return float(np.abs(off).max())
