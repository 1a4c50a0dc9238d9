"""Trajectories of the tilted double well U = −9x² + x³ + 4.5x⁴ + 3y² and what is told of them.

Overdamped Langevin dynamics at mobility 1; its minima are −1.087 and 0.920, its barriers 5.6 and
3.6 kT. The system of Petersen, Roig and Covino, DynamicsDiffusion (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.models.base import Array

STEP, STRIDE = 0.002, 5
"""Of the integrator, and in how many of its steps there is a frame."""
LEFT, RIGHT = -0.6, 0.5
"""Beyond them a frame is in a state."""
EDGES = np.linspace(-1.9, 1.7, 73)
MOST = 10.0
"""kT up to which free energies are compared."""


def potential(x: Array) -> Array:
    """U along x alone, kT."""
    return -9 * x**2 + x**3 + 4.5 * x**4


def simulate(n: int, frames: int, seed: int, kt: float = 1.0) -> Array:
    """n stationary trajectories, shape (n, frames, 2)."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(-2.5, 2.5, 5001)
    weight = np.cumsum(np.exp(-(potential(grid) - potential(grid).min()) / kt))
    x = np.interp(rng.random(n), weight / weight[-1], grid)
    here = np.stack((x, np.sqrt(kt / 6) * rng.standard_normal(n)), axis=1)
    out = np.empty((n, frames, 2))
    for t in range(frames * STRIDE):
        if t % STRIDE == 0:
            out[:, t // STRIDE] = here
        x, y = here[:, 0], here[:, 1]
        force = np.stack((18 * x - 3 * x**2 - 18 * x**3, -6 * y), axis=1)
        here = here + STEP * force + np.sqrt(2 * STEP * kt) * rng.standard_normal((n, 2))
    return out


def states(paths: Array) -> NDArray[np.int64]:
    """0 left, 1 right, −1 between, shape (n, frames)."""
    x = paths[..., 0]
    return np.where(x < LEFT, 0, np.where(x > RIGHT, 1, -1))


@dataclass(frozen=True)
class Told:
    """What trajectories are like.

    Attributes
    ----------
    f_error : float
        RMS of F(x) against the exact one where that is below `MOST`, aligned by least squares, kT.
    empty : int
        Bins there without a frame, which are left out of it.
    correlations : Array, shape (2, 3)
        Of x and y, at lags of 1, 10 and 30 frames.
    crossing : float
        Share of trajectories that begin in one state and are in the other at some time.
    """

    f_error: float
    empty: int
    correlations: Array
    crossing: float


def tell(paths: Array, kt: float = 1.0) -> Told:
    """Of paths (n, frames, 2), against the exact F at this temperature."""
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])
    exact = (potential(centres) - potential(centres).min()) / kt
    counts = np.histogram(paths[..., 0], EDGES)[0]
    seen = (exact < MOST) & (counts > 0)
    off = -np.log(counts[seen]) - exact[seen]
    centred = paths - paths.mean(axis=(0, 1))
    variance = (centred**2).mean(axis=(0, 1))
    lags = [(centred[:, :-k] * centred[:, k:]).mean(axis=(0, 1)) / variance for k in (1, 10, 30)]
    state = states(paths)
    first = np.take_along_axis(state, (state >= 0).argmax(axis=1)[:, None], axis=1)
    crossing = ((state >= 0) & (state != first)).any(axis=1)
    return Told(
        float(off.std()),
        int(((exact < MOST) & (counts == 0)).sum()),
        np.stack(lags, axis=1),
        float(crossing.mean()),
    )


@dataclass(frozen=True)
class Rates:
    """Passages between the wells of overdamped steps, a step of the integrator.

    Attributes
    ----------
    there, back : float
        From left to right over the time since left was visited last, and back.
    flux : float
        Passages there in a step of equilibrium.
    """

    there: float
    back: float
    flux: float


def exact_rates(step: float, stride: int, kt: float = 1.0) -> Rates:
    """By the linear equations of the chain along x; only every `stride`-th step is looked at.

    Of its own stationary density: at a step of 0.002 it has 4 % more at the barrier than ρ.
    """
    edges = np.linspace(-2.0, 1.8, 761)
    x = 0.5 * (edges[1:] + edges[:-1])
    mean = x + step * (18 * x - 3 * x**2 - 18 * x**3)
    one = np.exp(-((x[None] - mean[:, None]) ** 2) / (4 * step * kt))
    moved = np.linalg.matrix_power(one / one.sum(axis=1, keepdims=True), stride)
    left, right = x < LEFT, x >= RIGHT
    rest = ~(left | right)
    whole = np.vstack([moved.T - np.eye(len(x)), np.ones(len(x))])
    p = np.linalg.lstsq(whole, np.append(np.zeros(len(x)), 1.0), rcond=None)[0]
    ahead = right.astype(np.float64)
    inside = np.eye(int(rest.sum())) - moved[np.ix_(rest, rest)]
    ahead[rest] = np.linalg.solve(inside, moved[np.ix_(rest, right)].sum(axis=1))
    # with the chance to have been left last, which is that of the chain run backwards
    came = np.where(left, p, 0.0)
    came[rest] = np.linalg.solve(inside.T, p[left] @ moved[np.ix_(left, rest)])
    flux = float(np.sum(p[left] * (moved[left] @ ahead))) / stride
    return Rates(flux / float(came.sum()), flux / float(1.0 - came.sum()), flux)


def plain_rates(
    step: float, stride: int, walkers: int, frames: int, seed: int
) -> tuple[Array, Array]:
    """Passages there and back of plain dynamics at kT = 1, and steps since either well."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(-2.5, 2.5, 5001)
    weight = np.cumsum(np.exp(-(potential(grid) - potential(grid).min())))
    x = np.interp(rng.random(walkers), weight / weight[-1], grid)
    last = np.full(walkers, -1)
    passages, spent, width = np.zeros(2), np.zeros(2), np.sqrt(2 * step)
    for _ in range(frames):
        for _ in range(stride):
            x = x + step * (18 * x - 3 * x**2 - 18 * x**3) + width * rng.standard_normal(walkers)
        here = np.where(x < LEFT, 0, np.where(x >= RIGHT, 1, -1))
        for end in (0, 1):
            passages[end] += np.count_nonzero((here == 1 - end) & (last == end))
        last = np.where(here >= 0, here, last)
        spent += stride * np.bincount(last[last >= 0], minlength=2)
    return passages, spent
