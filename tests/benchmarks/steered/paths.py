"""What steered paths of the dimer cost where the proposal is already right, for any barrier.

Campaigns learn their proposal q; here it is read off the surface itself, so that what is measured
is the paths. The solvent does not know the bond's height: configurations of a bond with a barrier
of 0.2, which are sampled in no time, are those of any other height h once they are weighted with
e^{−(U_h − U_0.2)/kT}, and so is their density of r. Paths start from configurations drawn with
these weights, so from ρ*, and half-learnt proposals or unequilibrated walkers play no part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sections import build_cvs, build_system

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.proposals import StratumProposals
from msgen.actors.cv_space.strata import Labels, Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.kernels.switching.steered import steer
from msgen.models.defensive_mixture import Broad
from msgen.models.tabulated import Tabulated
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.openmm.dimer import Dimer
from msgen.systems.openmm.reduced_units import WCA
from msgen.systems.openmm.system import OpenMMSystem
from steered.campaigns import KEPT

LINEAR = np.array([False])
RANGE, CELLS = (0.0, 6.6), 66
TOP = WCA + 2.0
"""Where the two states are parted: the top of the bare barrier."""
EASY = 0.2
"""Barrier, kT, at which r diffuses freely."""
STEP, FRICTION = 0.01, 0.5
"""Of plain MD."""
DENSITY = 100 / 15.0**2


def dimer(h: float, particles: int = 100) -> tuple[OpenMMSystem, CVSet]:
    """The dimer at the published density, whatever the number of discs."""
    spec = {
        "kind": "dimer",
        "particles": particles,
        "box": float(np.sqrt(particles / DENSITY)),
        "h": h,
        "w": 2.0,
        "kT": 1.0,
        "start": "compact",
        "timestep": STEP,
        "friction": FRICTION,
        "platform": "CPU",
    }
    system = build_system(spec, Path())
    if not isinstance(system, OpenMMSystem):
        raise TypeError("the dimer is not stepped by OpenMM")
    r = {"kind": "distance", "atoms": [0, 1], "range": list(RANGE), "bins": CELLS}
    return system, build_cvs({"r": r}, system, Path())


@dataclass(frozen=True)
class Pool:
    """Configurations of a dimer with a barrier of `EASY`, and r along the way.

    Attributes
    ----------
    walkers : Walkers
    r : Array, shape (n,)
        Of the walkers.
    trail : Array, shape (T,)
        r every ten steps.
    """

    particles: int
    walkers: Walkers
    r: Array
    trail: Array

    @classmethod
    def sample(cls, particles: int, n: int, every: int, seed: int) -> Pool:
        """n configurations, `every` steps apart."""
        system, cvs = dimer(EASY, particles)
        engine = MoleculeEngine(system, cvs)
        engine.begin(np.random.default_rng(seed))
        engine.load(system.initial())
        lam, free = np.zeros((1, 1)), np.zeros(1, dtype=bool)
        for _ in range(200):
            engine.chunk(lam, free, 50)
        found, r, trail = [], [], []
        for _ in range(n):
            trail += [float(engine.chunk(lam, free, 10)[0, 0]) for _ in range(every // 10)]
            found.append(engine.walkers().positions)
            r.append(trail[-1])
        box = engine.walkers().box
        boxes = None if box is None else np.repeat(box, n, axis=0)
        walkers = Walkers(np.concatenate(found), None, boxes)
        return cls(particles, walkers, np.array(r), np.array(trail))

    @classmethod
    def kept(cls, particles: int, n: int = 300, every: int = 1000) -> Pool:
        """The one that an earlier call has left in `KEPT`, or a new one."""
        path = KEPT / f"pool-{particles}.npz"
        if not path.is_file():
            one = cls.sample(particles, n, every, seed=1)
            box = np.zeros((0, 3, 3)) if one.walkers.box is None else one.walkers.box
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, x=one.walkers.positions, box=box, r=one.r, trail=one.trail)
        with np.load(path) as z:
            box = z["box"] if len(z["box"]) else None
            return cls(particles, Walkers(z["x"], None, box), z["r"], z["trail"])

    def weights(self, h: float, r: Array) -> Array:
        """Of configurations with these r at a barrier h, normalised."""
        change = Dimer(h=h).bond_energy(r) - Dimer(h=EASY).bond_energy(r)
        w = np.exp(-(change - change.min()))
        return np.asarray(w / w.sum())

    def draw(self, h: float, n: int, rng: np.random.Generator) -> Walkers:
        """n starts of ρ* at a barrier h, as evenly over the pool as their weights allow."""
        at = (rng.random() + np.arange(n)) / n
        return self.walkers.take(np.searchsorted(np.cumsum(self.weights(h, self.r)), at))

    def density(self, h: float) -> Array:
        """Probability of r at a barrier h in `CELLS` cells of `RANGE`."""
        return np.histogram(
            self.trail, bins=CELLS, range=RANGE, weights=self.weights(h, self.trail)
        )[0]

    def delta_f(self, h: float) -> float:
        """F(compact) − F(stretched), kT."""
        inside = self.weights(h, self.trail)[self.trail < TOP].sum()
        return float(-np.log(inside / (1.0 - inside)))


@dataclass(frozen=True)
class Across:
    """Proposals q of which only those on the other side of `TOP` are sent out.

    Of a chain's paths those to the other state alone tell what a crossing costs; the density is q
    all the same.
    """

    q: StratumProposals
    compact: NDArray[np.bool_]

    def sample(self, stratum: Labels, rng: np.random.Generator) -> Array:
        """One λ in the other state for every walker."""
        lam = self.q.sample(stratum, rng)
        while (same := (lam[:, 0] < TOP) == self.compact).any():
            lam[same] = self.q.sample(stratum[same], rng)
        return lam

    def log_prob(self, lam: Array, stratum: Labels) -> Array:
        """ln q(λ)."""
        return self.q.log_prob(lam, stratum)


@dataclass(frozen=True)
class Price:
    """What n paths gave; means with their errors.

    Attributes
    ----------
    acceptance : tuple of float
        Mean of min(1, e^{−w}).
    crossed : tuple of float
        Chance of a path of the chain to be an accepted crossing.
    evaluations : float
        Of one path.
    failures : float
        Share of paths that broke, every one of them a rejection.
    """

    steps: int
    dt: float
    friction: float
    n: int
    acceptance: tuple[float, float]
    crossed: tuple[float, float]
    evaluations: float
    failures: float

    @property
    def per_crossing(self) -> float:
        """Evaluations of paths an accepted crossing."""
        return self.evaluations / self.crossed[0] if self.crossed[0] > 0 else float("inf")


def schedule(
    steps: int, dt: float = 0.02, friction: float = 0.001, scheme: str = "moving", **more: Any
) -> Schedule:
    """A path of `steps` steps."""
    kappa = Conditional(np.array([100.0]), LINEAR)
    plain = Schedule(kappa, dt, 0.0, np.ones(1), friction=friction, refresh=5, smooth=0.0)
    return replace(plain, min_steps=steps, scheme=scheme, **more)


def theirs() -> Array:
    """½N(0, 0.2²) + ½N(1, 0.2²) of (r − r₀)/2w, as published, in the cells of a density."""
    edges = np.linspace(*RANGE, CELLS + 1)
    z = (0.5 * (edges[1:] + edges[:-1]) - WCA) / 4.0
    return np.asarray(np.exp(-((z / 0.2) ** 2) / 2) + np.exp(-(((z - 1) / 0.2) ** 2) / 2))


def price(
    pool: Pool,
    h: float,
    path: Schedule,
    n: int,
    seed: int,
    *,
    across: bool = False,
    mass: Array | None = None,
    broad: float = 0.1,
) -> Price:
    """n paths from ρ* at a barrier h; `across` sends all of them to the other state.

    Parameters
    ----------
    mass : Array, shape (CELLS,), optional
        The proposal; by default ρ* along r.
    broad : float
        Share of proposals that are uniform.
    """
    system, cvs = dimer(h, pool.particles)
    rng = np.random.default_rng(seed)
    engine = MoleculeEngine(system, cvs)
    engine.begin(rng)
    whole = Partition.whole(LINEAR)
    box = Broad([False], lower=np.array(RANGE[:1]), upper=np.array(RANGE[1:]))
    own = Tabulated(*RANGE, pool.density(h) if mass is None else mass)
    q = StratumProposals(own, box, broad, whole, np.zeros(1))
    starts, zero = pool.draw(h, n, rng), np.zeros(n, dtype=np.int64)
    xi = cvs(starts.positions)
    compact = xi[:, 0] < TOP
    below = float(np.mean(q.sample(np.zeros(20_000, dtype=np.int64), rng) < TOP))
    reach = np.where(compact, 1.0 - below, below)
    proposals = Across(q, compact) if across else q
    paths = steer(engine, starts, xi, zero, zero, whole, proposals, path, rng)
    a = np.exp(-np.clip(paths.work, 0.0, None))
    crossed = a * reach if across else np.where((paths.stop[:, 0] < TOP) != compact, a, 0.0)
    each = (_mean(a), _mean(crossed), paths.evaluations / n, paths.broken / n)
    return Price(path.min_steps, path.dt, path.friction, n, *each)


def _mean(values: Array) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
