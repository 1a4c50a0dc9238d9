"""Imported windows joined by MBAR: the surface, states, errors, overlap and hidden slowness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate, StateEstimate
from msgen.orchestrator.commands.importing.bias import Bias
from msgen.orchestrator.estimators.diagnostics import autocorrelation_time
from msgen.orchestrator.estimators.errors import inflations
from msgen.orchestrator.estimators.hidden.findings import Findings, StateSeries, look
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.estimators.windows.pooling import Pooled, pool_cells
from msgen.orchestrator.estimators.windows.window_cells import WindowCells
from msgen.systems.base import Array

Ints = NDArray[np.int64]

MOST_ENTRIES = 20_000_000
"""Windows times samples that MBAR is solved over as they are; more are put into fine cells."""
BLOCKS = 16
"""Stretches that a window is cut into at the most, for errors."""
PER_BLOCK = 4.0
"""Effective samples of a stretch at the least."""
FEWEST = 8.0
"""Effective samples of a window below which no error is told."""
LEAST_OVERLAP = 0.03
"""Of the weakest link between windows (P. V. Klimovich, M. R. Shirts and D. L. Mobley, J. Comput.
Aided Mol. Des. 29, 397, 2015)."""
HIDDEN = 0.2
"""Share of a variance beyond which walkers, or stretches of one, are said to disagree, as a
campaign's ``converge.hidden``."""


@dataclass(frozen=True)
class Window:
    """What one window left.

    Attributes
    ----------
    label : str
    bias : Bias
    walkers : tuple of Array, shape (n, C)
        CVs, internal units, in the order of time.
    watched : tuple of Array, shape (n, H)
        What else the files have, of each walker.
    """

    label: str
    bias: Bias
    walkers: tuple[Array, ...]
    watched: tuple[Array, ...]


@dataclass(frozen=True)
class Joined:
    """The windows together.

    Attributes
    ----------
    estimate : Estimate
    f : Array, shape (K,)
        Free energies of the windows, kT, the first 0.
    overlap : Array, shape (K, K)
        O_ij = N_j Σ_n w_i(x_n) w_j(x_n).
    effective : Array, shape (K,)
        Effective samples of each window, by the slowest CV.
    """

    estimate: Estimate
    f: Array
    overlap: Array
    effective: Array


def join(
    windows: Sequence[Window],
    grid: Grid,
    names: Sequence[str],
    watched: Sequence[str],
    angles: NDArray[np.bool_],
    states: Partition,
) -> Joined:
    """Solve, weigh, and look for what is wrong.

    Parameters
    ----------
    windows : sequence of Window
    grid : Grid
        Of the surface.
    names, watched : sequence of str
        Of the CVs, and of what else the files have.
    angles : bool array, shape (C + H,)
        Which of these turn.
    states : Partition
    """
    xi = np.concatenate([x for w in windows for x in w.walkers])
    n = np.array([sum(len(x) for x in w.walkers) for w in windows])
    effective = np.array([_effective(w, angles) for w in windows])
    unit, of_window = _units(windows, effective)
    pooled, overlap = _pooled(windows, grid, xi, n, unit)
    bins, members = grid.index(pooled.points), states.assign(pooled.points)
    log_p = pooled.log_probability(bins, grid.size)
    spread = _error(pooled.influence(bins, grid.size), of_window)
    seen = np.isfinite(log_p)
    f = np.where(seen, np.max(log_p[seen], initial=-np.inf) - log_p, np.nan)
    stderr = np.where(seen, spread, np.nan)
    found = look([*names, *watched], angles, [_series(w) for w in windows])
    ungrounded = (*_thin(windows, effective), *_weak_link(windows, overlap), *_slow(found))
    estimate = Estimate(
        axes=dict(zip(names, grid.centres, strict=True)),
        f_kT=f.reshape(grid.shape),
        stderr_kT=stderr.reshape(grid.shape),
        states=_states(pooled, members, states.names, of_window),
        diagnostics={
            "ess": float(effective.min()),
            "windows": {
                "labels": [w.label for w in windows],
                "f_kT": pooled.f.tolist(),
                "samples": n.tolist(),
                "effective": effective.tolist(),
                "weakest_link": _weakest(overlap)[0],
            },
        },
        converged=False,
        unmet=(),
        ungrounded=ungrounded,
    )
    return Joined(estimate.told(), pooled.f, overlap, effective)


def _effective(window: Window, angles: NDArray[np.bool_]) -> float:
    """Effective samples by the slowest CV, an angle by its cosine and sine."""
    g = 1.0
    for c in range(window.walkers[0].shape[1]):
        chains = [x[:, c] for x in window.walkers]
        parts = [chains]
        if angles[c]:
            parts = [[np.cos(x) for x in chains], [np.sin(x) for x in chains]]
        g = max(g, *(autocorrelation_time(p) for p in parts))
    return sum(len(x) for x in window.walkers) / g


def _units(windows: Sequence[Window], effective: Array) -> tuple[Ints, Ints]:
    """The stretch of time that each sample is of, and the window of each stretch."""
    unit: list[Ints] = []
    of_window: list[int] = []
    for k, (window, number) in enumerate(zip(windows, effective, strict=True)):
        total = sum(len(x) for x in window.walkers)
        blocks = int(np.clip(number / PER_BLOCK, 2, BLOCKS))
        for x in window.walkers:
            parts = max(1, round(blocks * len(x) / total))
            unit.append(len(of_window) + (np.arange(len(x)) * parts) // len(x))
            of_window += [k] * parts
    return np.concatenate(unit), np.array(of_window, dtype=np.int64)


def _pooled(
    windows: Sequence[Window], grid: Grid, xi: Array, n: Ints, unit: Ints
) -> tuple[Pooled, Array]:
    """MBAR over the samples, or over fine cells of too many; and the windows' overlap."""
    of = np.repeat(np.arange(len(windows)), n)
    if len(windows) * len(xi) <= MOST_ENTRIES:
        points, counts = xi, np.ones(len(xi))
        rows = np.stack([unit, of, np.arange(len(xi))])
    else:
        record = WindowCells.empty(xi.shape[1]).with_samples(grid, xi, of, unit)
        points, counts, rows = record.points(grid), record.counts, record.rows
    u = np.array([w.bias.energy(points) for w in windows])
    pooled = pool_cells(points, u, rows, counts)
    in_cell = np.bincount(rows[2], counts, minlength=len(points))
    mixture = logsumexp(pooled.f[:, None] - u + np.log(n)[:, None], axis=0)
    w = np.exp(pooled.f[:, None] - u - mixture)
    return pooled, (w * in_cell) @ w.T * n


def _error(effect: Array, of_window: Ints) -> Array:
    """Standard error of what stretches of all windows add up to, shape (U, n) → (n,).

    Windows are strata: each has its samples whatever the others do, so that the effects count from
    the mean of their window's. Few stretches make the error uncertain itself, by Welch's degrees of
    freedom (`errors.inflations`); NaN where only one of a window's has an effect.
    """
    variance, uncertain = np.zeros(effect.shape[1]), np.zeros(effect.shape[1])
    for k in np.unique(of_window):
        mine = effect[of_window == k]
        blocks = len(mine)
        if blocks < 2:
            return np.full(effect.shape[1], np.nan)
        part = blocks / (blocks - 1) * ((mine - mine.mean(axis=0)) ** 2).sum(axis=0)
        variance += part
        uncertain += part**2 / (blocks - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(uncertain > 0, variance**2 / uncertain, np.nan)
    return np.asarray(np.sqrt(variance) * inflations(freedom))


def _states(
    pooled: Pooled, members: Ints, names: Sequence[str], of_window: Ints
) -> dict[str, StateEstimate]:
    """F = −ln P of each against the first."""
    log_s = pooled.log_probability(members, len(names))
    push = pooled.influence(members, len(names))
    out = {}
    for i, name in enumerate(names):
        if not np.isfinite(log_s[[0, i]]).all():
            out[name] = StateEstimate(None, None)
            continue
        error = float(_error((push[:, i] - push[:, 0])[:, None], of_window)[0]) if i else 0.0
        known = error if np.isfinite(error) else None
        out[name] = StateEstimate(float(log_s[0] - log_s[i]), known)
    return out


def _series(window: Window) -> StateSeries:
    columns = [np.hstack(both) for both in zip(window.walkers, window.watched, strict=True)]
    return StateSeries(f"window {window.label}", columns, None)


def _weakest(overlap: Array) -> tuple[float | None, tuple[int, int]]:
    """The weakest link of the tree of strongest ones that holds all windows together."""
    if len(overlap) < 2:
        return None, (0, 0)
    both = np.maximum(overlap, overlap.T)
    reached, best = {0}, (np.inf, (0, 0))
    while len(reached) < len(overlap):
        links = [
            (both[i, j], (i, j)) for i in reached for j in range(len(both)) if j not in reached
        ]
        strength, pair = max(links)
        best = min(best, (strength, pair))
        reached.add(pair[1])
    return float(best[0]), best[1]


def _weak_link(windows: Sequence[Window], overlap: Array) -> tuple[str, ...]:
    strength, (a, b) = _weakest(overlap)
    if strength is None or strength >= LEAST_OVERLAP:
        return ()
    pair = f"windows {windows[a].label} and {windows[b].label}"
    rest = "and nothing holds the rest together better"
    return (f"{pair} overlap by {strength:.2g}, {rest}; asked {LEAST_OVERLAP:g}",)


def _thin(windows: Sequence[Window], effective: Array) -> tuple[str, ...]:
    few = [k for k in np.argsort(effective).tolist() if effective[k] < FEWEST]
    if not few:
        return ()
    worst = f"window {windows[few[0]].label} has {effective[few[0]]:.1f} effective samples"
    more = f", and {len(few) - 1} more have as few" if len(few) > 1 else ""
    return (f"{worst}{more}; asked {FEWEST:g}",)


def _slow(found: Findings) -> tuple[str, ...]:
    """What differs between walkers, or stretches of one, by more than chance and by much."""
    sure = [f for f in found.watched if f.sure and f.share > HIDDEN]
    sure.sort(key=lambda f: -f.share)
    said = tuple(
        f"{f.state}: {f.what} differs between its stretches or files, {100 * f.share:.0f} % of its "
        "variance lies between them"
        for f in sure[:3]
    )
    return said + ((f"and {len(sure) - 3} more like this",) if len(sure) > 3 else ())
