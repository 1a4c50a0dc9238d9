"""Probes of potentials, all of them at once.

Each tunes a step of its own: a narrow well that the campaign's step is too long for would throw
back whatever comes to it. Nothing here needs detailed balance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.actors.context import WorkerContext
from msgen.actors.engines.tempered_base import HeatedTarget
from msgen.actors.kernels.base import BoltzmannTarget, Mask, Target
from msgen.actors.kernels.hmc import Hmc
from msgen.actors.orders.probe import ProbePayload
from msgen.actors.probing import atoms
from msgen.actors.probing.base import Probed, read
from msgen.systems.base import Array, System, Walkers
from msgen.systems.cvs.torch_cvs import Coordinate

HEAT = (3.0, 300.0)
"""Temperatures of the bursts, in units of the campaign's, evenly on a logarithmic scale."""
HEATED, RELAXED, TUNED = 12, 60, 8
"""Proposals of a burst, moves downhill at most, and rounds in which steps are tuned."""
BETWEEN = 2
"""Proposals between two readings."""
STEP, LEAPFROG = 0.5, 5
"""Of HMC, in units of the spread of each coordinate."""
WIDEST = 2.0
"""Half the widest range that coordinates are set down in, over half the widest that is known."""
TRIES = 4
"""Places drawn for a probe, until one has a finite energy."""
BEGUN, LONGEST = 0.1, 0.5
"""First and longest move downhill, in units of the spread of each coordinate."""
GROW, SHRINK = 1.6, 0.4
"""What a step is multiplied by while its slope keeps its sign, and where that turns."""
FALL = 10.0
"""Gain in ln ρ* of a move from which the next may be longer: it is far above any barrier."""
ENOUGH = 1e-3
"""Gain in ln ρ* below which a short move downhill was the last."""
SAME, ALIKE = 0.05, 0.1
"""Distance, in these units, and difference of ln ρ* of two that came to rest in one place."""


@dataclass
class Restless:
    """Walkers of HMC whose steps follow from what each of them accepts.

    Attributes
    ----------
    target : Target
    x : Array, shape (n, D)
    mass : Array, shape (1, D) or (n, D)
    slow : Array, shape (n, 1)
        Factor on the masses: steps are shorter by its root.
    kT : float
    evaluations : int
    """

    target: Target
    x: Array
    mass: Array
    slow: Array
    kT: float
    evaluations: int = 0

    def go(self, steps: int, rng: np.random.Generator) -> None:
        """So many proposals; then shorter steps for who accepts few, longer for who accepts all."""
        kernel = Hmc(STEP, LEAPFROG, self.mass * self.slow, self.kT, jitter=0.2)
        done = kernel(self.target, Walkers(self.x), rng, n_steps=steps)
        self.x = done.walkers.positions
        self.evaluations += done.evaluations
        yes = done.probability[:, None]
        factor = np.where(yes < 0.5, 3.0, np.where(yes > 0.9, 0.6, 1.0))
        self.slow = np.clip(self.slow * factor, 1e-2, 1e12)


def probe_arrays(
    context: WorkerContext, p: ProbePayload, start: Walkers, rng: np.random.Generator
) -> Probed:
    """Bursts and scattered starts, relaxed, and then run at the campaign's temperature."""
    system, n = context.system, len(start)
    target = BoltzmannTarget(system)
    whole = system.topology is not None  # atoms turn and drift together
    spread = np.full(system.n_dof, atoms.SPREAD) if whole else _spread(p, start.positions)
    heat = atoms.HEAT if whole else HEAT
    mass = system.kT / spread[None] ** 2
    x, ways = np.array(start.positions), np.array(p.ways)
    scattered, hot = np.flatnonzero(ways == "scatter"), np.flatnonzero(ways == "burst")
    if whole:
        x[scattered], spent = atoms.scatter(system, x[scattered], rng)
    else:
        x[scattered], spent = scatter(context, p, x[scattered], rng)
    if len(hot):
        tau = np.exp(rng.uniform(np.log(heat[0]), np.log(heat[1]), size=len(hot)))
        burst = Restless(
            HeatedTarget(target, tau), x[hot], mass / tau[:, None], np.ones((len(hot), 1)),
            system.kT,
        )  # fmt: skip
        for _ in range(HEATED // BETWEEN):
            burst.go(BETWEEN, rng)
        x[hot], spent = burst.x, spent + burst.evaluations
    thrown = np.flatnonzero(ways != "stay")
    fallen = downhill(target, x[thrown], spread, RELAXED)
    x[thrown] = fallen.x
    # who came to rest in one place goes on as one
    first = np.arange(n)
    first[thrown] = thrown[at_rest(fallen, spread)]
    ones, mine = np.unique(first, return_inverse=True)
    m = len(ones)
    run = Restless(target, x[ones], mass, np.ones((m, 1)), system.kT)
    for _ in range(TUNED):
        run.go(BETWEEN, rng)
    seen, energy = [], []
    for _ in range(p.readings):
        run.go(BETWEEN * p.patience, rng)
        features, u = read(context, Walkers(run.x))
        seen.append(features)
        energy.append(u)
    spent += fallen.evaluations + run.evaluations + p.readings * m
    readings, heights = np.stack(seen, axis=1), np.stack(energy, axis=1)
    readings[~np.isfinite(heights[:, -1])] = np.nan
    return Probed(Walkers(run.x[mine]), readings[mine], heights[mine], spent)


def _spread(p: ProbePayload, x: Array) -> Array:
    """A length for every coordinate: a quarter of what was seen of it, and never nothing."""
    if p.low is None or p.high is None:
        raise ValueError("probes of a potential are told where its walkers were")
    width = 0.25 * (p.high - p.low)
    widest = float(width.max(initial=0.0)) or 1.0
    return np.asarray(np.maximum(width, 1e-3 * widest))


def _known(context: WorkerContext, p: ProbePayload) -> tuple[Array, Array]:
    """Lower and upper end of every coordinate: as seen, and the range of a CV that is one."""
    assert p.low is not None
    assert p.high is not None
    low, high = np.array(p.low), np.array(p.high)
    for c, cv in enumerate(context.cvs.cvs):
        if isinstance(cv, Coordinate):
            low[cv.index] = min(low[cv.index], p.lower[c])
            high[cv.index] = max(high[cv.index], p.upper[c])
    return low, high


def scatter(
    context: WorkerContext, p: ProbePayload, x: Array, rng: np.random.Generator
) -> tuple[Array, int]:
    """`x` with some of the coordinates set down elsewhere, and the evaluations it took.

    One coordinate of each probe, or two, up to all of them; within what was seen of it, up to
    `WIDEST` times as far as any coordinate was seen to reach: what may be hidden has the scale of
    what is not. A place without a finite energy is drawn again.
    """
    n, d = x.shape
    if not n:
        return x, 0
    low, high = _known(context, p)
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    far = WIDEST * max(float(half.max()), 1e-12)
    out, open_, spent = np.array(x), np.arange(n), 0
    for _ in range(TRIES):
        m = len(open_)
        number = np.exp(rng.uniform(0.0, np.log(d + 1.0), size=m)).astype(np.int64)
        rank = rng.random((m, d)).argsort(axis=1).argsort(axis=1)
        width = half + rng.random((m, d)) * (far - half)
        there = middle + width * rng.uniform(-1.0, 1.0, size=(m, d))
        out[open_] = np.where(rank < np.clip(number, 1, d)[:, None], there, x[open_])
        energy = _energy(context.system, out[open_])
        spent += m
        open_ = open_[~np.isfinite(energy)]
        if not len(open_):
            break
    out[open_] = x[open_]
    return out, spent


def _energy(system: System, x: Array) -> Array:
    with np.errstate(all="ignore"):
        return system.energy(Walkers(x))


@dataclass(frozen=True)
class Fallen:
    """Where walkers came to rest.

    Attributes
    ----------
    x : Array, shape (n, D)
    value : Array, shape (n,)
        ln ρ* there.
    settled : bool array, shape (n,)
        Whether it no longer rose.
    evaluations : int
    """

    x: Array
    value: Array
    settled: Mask
    evaluations: int


def downhill(target: Target, x: Array, spread: Array, most: int) -> Fallen:
    """Where ρ* is larger, by at most so many steps along the signs of its gradient.

    Every coordinate of every walker has a step of its own, which grows while its slope keeps its
    sign and shrinks where that turns, so that stiff coordinates hold up no soft ones (Riedmiller
    and Braun, Proc. IEEE Int. Conf. Neural Networks, 586, 1993). A step that would lose is not
    taken and the next is shorter. None is longer than `LONGEST`, so that none leaps over a barrier
    that is wider, but on the way down from `FALL` above. Coordinates are measured in units of
    `spread`.
    """
    n = len(x)
    if not n:
        return Fallen(x, np.zeros(0), np.zeros(0, dtype=bool), 0)
    value, slope = _sloping(target, x, spread)
    x, spent, settled = np.array(x), n, np.zeros(n, dtype=bool)
    step = np.full(x.shape, BEGUN)
    for _ in range(most):
        live = np.flatnonzero(~settled)
        if not len(live):
            break
        move = np.sign(slope[live]) * step[live]
        new, there = _sloping(target, x[live] + move * spread, spread)
        spent += len(live)
        with np.errstate(invalid="ignore"):
            gain = new - value[live]
            better = gain >= 0.0
            factor = np.where(there * slope[live] > 0.0, GROW, SHRINK)
            factor = np.where(better[:, None], factor, np.where(factor > 1.0, 1.0 / GROW, SHRINK))
            longest = np.where(better & (gain > FALL), np.inf, LONGEST)
        at = live[better]
        x[at] += move[better] * spread
        value[at], slope[at] = new[better], there[better]
        step[live] = np.minimum(step[live] * factor, longest[:, None])
        short = np.abs(move).max(axis=1) < SAME
        settled[live] = (better & (gain < ENOUGH) & short) | (step[live].max(axis=1) < 1e-6)
    return Fallen(x, value, settled, spent)


def _sloping(target: Target, x: Array, spread: Array) -> tuple[Array, Array]:
    """ln ρ*, shape (n,), and its gradient in units of `spread`, (n, D), 0 where there is none."""
    value, slope = target.log_density_and_gradient(x)
    return value, np.where(np.isfinite(slope), slope, 0.0) * spread


def at_rest(fallen: Fallen, spread: Array) -> NDArray[np.intp]:
    """Of each, the first that came to rest in the same place; itself where none has before."""
    z, first = fallen.x / spread, np.arange(len(fallen.x))
    for i in np.flatnonzero(fallen.settled).tolist():
        if first[i] != i:
            continue
        near = np.linalg.norm(z - z[i], axis=1) < SAME
        near &= np.abs(fallen.value - fallen.value[i]) < ALIKE
        first[near & fallen.settled & (first >= i)] = i
    return first
