"""Umbrella windows of a slow–fast system, a thousand independent experiments at a time.

One experiment is one estimate of p(x₂ | x₁) by a histogram of all its steps; its error is the
L1 distance Σ_b |p̂_b − p_b| to the exact density of the fast variable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from slow_fast_paths import Dynamics, Window, euler_maruyama_density

from msgen.actors.kernels.base import Kernel
from msgen.actors.kernels.independence import Independence
from msgen.actors.kernels.mala import Mala
from msgen.models.base import Drawn
from msgen.models.tabulated import Tabulated
from msgen.systems.base import Array, Walkers
from msgen.systems.potentials.slow_fast import SlowFast

BINS = np.linspace(-2.4, 2.4, 241)
"""Of the histograms. Chosen once, so that the columns of the emulation come out as they stand."""

EVERY = 5
"""With in-window moves, every fifth step is one; it counts as a step."""

_ROWS = 200
"""Steps held in memory; a multiple of `EVERY`."""


@dataclass(frozen=True)
class Scheme:
    """How one experiment of N steps is run.

    Attributes
    ----------
    name : str
    walkers : int
        Of N / walkers steps each, pooled.
    starts : {'well', 'drawn', 'stratified'}
        In the left well; drawn from the seeds' density; or drawn, one from each of as many equal
        shares of it as there are walkers.
    moves : bool
        Whether every `EVERY`-th step is an independence move.
    tested : bool
        Whether the local steps, the same Euler–Maruyama steps, are Metropolis-tested (MALA).
    """

    name: str
    walkers: int
    starts: Literal["well", "drawn", "stratified"]
    moves: bool = False
    tested: bool = False


ALONE = Scheme("umbrella alone", 1, "well")
SEEDED = Scheme("seeded", 10, "drawn")
STRATIFIED = Scheme("stratified", 10, "stratified")
IN_WINDOW = Scheme("seeded + in-window moves", 10, "drawn", moves=True)
EXACT = Scheme("the same, local steps tested", 10, "drawn", moves=True, tested=True)


@dataclass(frozen=True)
class FastVariable:
    """ρ*(x₂) ∝ exp(−2V(x₁, x₂)/a₃²) at a fixed x₁."""

    system: SlowFast
    x1: float

    def log_density(self, x: Array) -> Array:
        """ln ρ*, shape (n,), of configurations (n, 1)."""
        k = self.system.tilt(self.x1)
        return np.asarray(-2.0 / self.system.a3**2 * self.system.potential(k, x[:, 0]))

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """ln ρ*, shape (n,), and its gradient, shape (n, 1)."""
        k = self.system.tilt(self.x1)
        return self.log_density(x), -2.0 / self.system.a3**2 * self.system.slope(k, x)


def exact_seeds(system: SlowFast, x1: float, cells: int = 4000) -> Tabulated:
    """The exact density of the fast variable at x₁."""
    low, high = system.bounds[1]
    mass = system.conditional(x1, np.linspace(low, high, cells + 1))
    return Tabulated(low, high, mass)


def histograms(
    system: SlowFast,
    x1: float,
    scheme: Scheme,
    n_steps: int,
    experiments: int,
    seed: int,
    seeds: Tabulated | None = None,
    proposal: Drawn | None = None,
) -> Array:
    """Visits of every experiment to every bin of `BINS`, shape (experiments, bins).

    Parameters
    ----------
    system : SlowFast
    x1 : float
        Centre of the window.
    scheme : Scheme
    n_steps : int
        N, over all walkers of an experiment, moves included.
    experiments : int
    seed : int
    seeds : Tabulated, optional
        Density of the starts; by default the exact one.
    proposal : Drawn, optional
        Of the in-window moves; by default `seeds`.
    """
    n, bins = experiments * scheme.walkers, len(BINS) - 1
    scale = bins / (BINS[-1] - BINS[0])
    offset = np.repeat(np.arange(experiments) * bins, scheme.walkers)
    counts = np.zeros(experiments * bins)
    for path in paths(system, x1, scheme, n_steps // scheme.walkers, n, seed, seeds, proposal):
        index = np.clip(((path - BINS[0]) * scale).astype(np.int64), 0, bins - 1) + offset
        counts += np.bincount(index.ravel(), minlength=len(counts))
    return counts.reshape(experiments, bins)


def paths(
    system: SlowFast,
    x1: float,
    scheme: Scheme,
    n_steps: int,
    n: int,
    seed: int,
    seeds: Tabulated | None = None,
    proposal: Drawn | None = None,
) -> Iterator[Array]:
    """The fast variables of n walkers after each of `n_steps` steps, some rows (·, n) at a time."""
    rng, table = np.random.default_rng(seed), seeds or exact_seeds(system, x1)
    window = Window(system, x1, _starts(system, x1, scheme, table, n, rng), hold=True)
    move, local = Independence(proposal or table), Mala(Dynamics().dt, system.a3**2 / 2)
    target = FastVariable(system, x1)

    def kernel(step: Kernel, m: int) -> Array:
        done = step(target, Walkers(window.fast[:, None]), rng, n_steps=m, record_every=1)
        window.fast = done.walkers.positions[:, 0]
        assert done.trajectory is not None
        return done.trajectory[:, :, 0]

    for begin in range(0, n_steps, _ROWS):
        rows = min(_ROWS, n_steps - begin)
        if not scheme.moves:
            yield window.run(rows, rng)
            continue
        path = np.empty((rows, n))
        for first in range(0, rows, EVERY):
            to = min(first + EVERY - 1, rows)
            m = to - first
            path[first:to] = kernel(local, m) if scheme.tested else window.run(m, rng)
            if to < rows:
                path[to : to + 1] = kernel(move, 1)
        yield path


def l1(counts: Array, exact: Array) -> Array:
    """Σ_b |p̂_b − p_b| of every row."""
    p = counts / counts.sum(axis=-1, keepdims=True)
    return np.asarray(np.abs(p - exact).sum(axis=-1))


def floor(system: SlowFast, x1: float, dt: float = 1e-2) -> float:
    """L1 between the integrator's own stationary density and the exact one: what no N removes."""
    exact = system.conditional(x1, BINS)
    return float(np.abs(euler_maruyama_density(system, x1, BINS, dt) - exact).sum())


def _starts(
    system: SlowFast, x1: float, scheme: Scheme, seeds: Tabulated, n: int, rng: np.random.Generator
) -> Array:
    if scheme.starts == "well":
        return np.full(n, system.minima(x1)[0])
    u = rng.random(n)
    if scheme.starts == "stratified":
        u = (np.arange(n) % scheme.walkers + u) / scheme.walkers
    return seeds.quantile(u)
