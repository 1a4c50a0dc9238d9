"""Steps of a learnt dynamics of the double well: acceptance by lag, and free energies that cover.

Arguments: numbers of pairs of each lag that are learnt from (by default 20,000). The local moves
are MALA at a step of 0.002; lags are in its time.
"""

from __future__ import annotations

import numpy as np
from double_well_paths import LEFT, RIGHT, potential
from rows import Row
from trials import coverage

from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.mala import Mala
from msgen.actors.kernels.propagator import Propagate
from msgen.models import Broad
from msgen.models.base import Array
from msgen.models.propagator import Pairs, Propagator
from msgen.orchestrator.schema.model_alone import model_spec
from msgen.systems.base import Walkers
from msgen.systems.potentials.two_dimensional import DoubleWell

STEP = 0.002
LAGS = (0.1, 0.5, 2.0)
REPEATS, WALKERS, STEPS, LEFT_OUT = 100, 20, 240, 60
SECTION = {"kind": "spline_flow", "transforms": 3, "hidden": [48, 48], "epochs": 12}
TARGET = BoltzmannTarget(DoubleWell())


def run(arguments: list[str]) -> list[Row]:
    """Rows; see the module."""
    return [row for number in [int(a) for a in arguments] or [20_000] for row in learnt(number)]


def learnt(number: int) -> list[Row]:
    """Of a model of so many pairs of each lag."""
    rng = np.random.default_rng(number)
    model = Propagator.of(model_spec(SECTION), [False, False], LAGS)
    model.fit(pairs(number, rng), seed=1)
    wide = Broad([False, False], mean=np.zeros(2), std=np.array([1.5, 0.8]))
    rows = []
    y = equilibrium(20_000, rng)
    for lag in LAGS:
        kernel = Propagate(model, (lag,), wide, 0.05)
        done = kernel.step(TARGET, y, TARGET.log_density(y), rng)
        crosses = (y[:, 0] < 0) != (done.drawn[:, 0] < 0)
        name = f"{number} pairs, lag {lag:g}"
        passed, bound = float(done.accepted.mean()), "> 0.8" if lag == 0.5 else ""
        # of proposals a share of 0.05 is broad, and hardly any of these is accepted
        rows.append(
            Row(f"{name}: accepted", passed, "", "", bound, passed > 0.8 if bound else None)
        )
        rows.append(
            Row(f"{name}: of crossings", float(done.accepted[crosses].mean()), "",
                f"of {int(crosses.sum())}")
        )  # fmt: skip
    return [*rows, *covered(Propagate(model, LAGS, wide, 0.05), number, rng)]


def covered(kernel: Propagate, number: int, rng: np.random.Generator) -> list[Row]:
    """F of the wells, from counts along 100 times 20 chains that begin in either half and half."""
    n = REPEATS * WALKERS
    y = np.zeros((n, 2))
    y[:, 0] = np.where(np.arange(n) % 2, 0.92, -1.087)
    log_density, counts = TARGET.log_density(y), np.zeros((n, 2))
    for k in range(STEPS):
        done = kernel.step(TARGET, y, log_density, rng)
        y, log_density = done.y, done.log_density
        if k >= LEFT_OUT:
            counts += np.column_stack([y[:, 0] < LEFT, y[:, 0] >= RIGHT])
    return judged(f"{number} pairs", counts.reshape(REPEATS, WALKERS, 2))


def judged(name: str, counts: Array) -> list[Row]:
    """Whether F, and its jackknife errors, are right: counts in both wells, (repeat, chain, 2)."""
    grid = np.linspace(-2.5, 2.5, 50_001)
    p = np.exp(-(potential(grid) - potential(grid).min()))
    exact = float(np.log(p[grid < LEFT].sum() / p[grid >= RIGHT].sum()))
    repeats, chains = counts.shape[:2]
    total = counts.sum(axis=1, keepdims=True)
    f = np.log(total[:, 0, 0] / total[:, 0, 1])
    rest = total - counts
    without = np.log(rest[..., 0] / rest[..., 1])
    spread = without - without.mean(axis=1, keepdims=True)
    error = np.sqrt((chains - 1) / chains * np.sum(spread**2, axis=1))
    z = (f - exact) / error
    bias = float(f.mean() - exact)
    scatter = float(f.std(ddof=1) / np.sqrt(repeats))
    off = Row(f"{name}: F(right) − F(left), mean of {repeats}, off by", bias / scatter, "sigma",
              f"{exact:.4f} kT", "3", abs(bias) < 3 * scatter)  # fmt: skip
    return [off, *coverage(z.tolist(), name)]


def equilibrium(n: int, rng: np.random.Generator) -> Array:
    """Exact draws, shape (n, 2)."""
    grid = np.linspace(-2.5, 2.5, 5001)
    weight = np.cumsum(np.exp(-(potential(grid) - potential(grid).min())))
    x = np.interp(rng.random(n), weight / weight[-1], grid)
    return np.column_stack([x, np.sqrt(1 / 6) * rng.standard_normal(n)])


def pairs(number: int, rng: np.random.Generator) -> Pairs:
    """As many of each lag, half of them begun flat along x so that both wells are known."""
    before = equilibrium(number, rng)
    before[::2, 0] = rng.uniform(-1.7, 1.5, size=len(before[::2]))
    walkers, done, after = Walkers(before), 0, []
    for lag in LAGS:
        steps = round(lag / STEP) - done
        walkers = Mala(STEP)(TARGET, walkers, rng, n_steps=steps).walkers
        done += steps
        after.append(walkers.positions)
    lags = np.repeat(LAGS, number)
    return Pairs(np.tile(before, (len(LAGS), 1)), np.concatenate(after), lags)
