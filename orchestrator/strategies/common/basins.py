"""States found from the sampled CV density, where the campaign names none."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.estimators.histogram import Grid
from msgen.systems.base import Array

PERSISTENCE = 2.0
"""kT by which a basin's barrier must stand above its bottom to count."""
MAX_BASINS = 12
LEAST_RUNS, RUNS_EACH = 3, 16
"""A basin is where at least so many pushed walkers came to rest, or one in so many where they are
few: where a single one stays it may be stuck."""
LEAST_READINGS = 8
"""Readings that a basin takes where they are told: fewer show no barrier of `PERSISTENCE`, e² = 7.4
readings against one."""
RELAXED_WIDTH, RELAXED_PERSISTENCE = 1.5, 1.5
"""Bins and kT for what pushed walkers read at rest. They are few, and fill basins by how wide the
way into them is rather than by what they weigh, so that a pass stands out less."""


def find_basins(
    counts: NDArray[Any],
    grid: Grid,
    names: tuple[str, ...],
    persistence: float = PERSISTENCE,
    smooth: float = 1.0,
    seen: NDArray[np.bool_] | None = None,
    readings: NDArray[Any] | None = None,
) -> Partition:
    """Watershed of −ln(density), shallow basins merged into the neighbour over the lowest pass.

    Bins are taken in order of falling density; each joins the basin of a denser neighbour or starts
    its own; where two meet, the one whose bottom is less than `persistence` below the pass is
    merged (topological persistence: Edelsbrunner et al., Discrete Comput. Geom. 28, 511, 2002).
    Bins never seen go to the nearest basin, and so do those of basins that too few runs have seen,
    or that hold too few readings.

    CVs that are not reported are summed over: the states are those of the surface.

    Parameters
    ----------
    counts : Array, shape of the grid or of its surface
        Weight of every bin.
    persistence : float
        kT.
    smooth : float
        Width of the Gaussian the counts are smoothed with, in bins.
    seen : bool array, shape (n,) + grid shape, optional
        Bins that each of n runs was in; a basin then takes some of them, see `LEAST_RUNS`.
    readings : Array, shape as `counts`, optional
        How many there were in every bin; a basin then takes `LEAST_READINGS`.
    """
    if not all(grid.reported):
        hidden = tuple(c for c, told in enumerate(grid.reported) if not told)
        shown = tuple(name for name, told in zip(names, grid.reported, strict=True) if told)
        counts = np.asarray(counts)
        if counts.ndim == len(grid.shape):
            counts = counts.sum(axis=hidden)
        if readings is not None and readings.ndim == len(grid.shape):
            readings = np.sum(readings, axis=hidden)
        if seen is not None:
            seen = np.any(seen, axis=tuple(c + 1 for c in hidden), keepdims=False)
        of_surface = find_basins(counts, grid.surface, shown, persistence, smooth, seen, readings)
        return of_surface.along_more(grid.reported, grid.periodic)
    wrap = ["wrap" if p else "nearest" for p in grid.periodic]
    density = ndimage.gaussian_filter(np.asarray(counts, dtype=np.float64), smooth, mode=wrap)
    with np.errstate(divide="ignore"):
        f = -np.log(density / density.max())
    label = np.full(f.shape, -1, dtype=np.int64)
    parent: list[int] = []
    bottom: list[float] = []
    runs: list[NDArray[np.bool_]] = []
    every = np.ones((1, *f.shape), dtype=bool) if seen is None else seen
    least = int(np.clip(len(every) // RUNS_EACH, 1, LEAST_RUNS))
    known = np.full(f.shape, LEAST_READINGS) if readings is None else np.asarray(readings)
    number: list[float] = []

    def root(b: int) -> int:
        while parent[b] != b:
            b = parent[b]
        return b

    def few(b: int) -> bool:
        return int(runs[b].sum()) < least or number[b] < LEAST_READINGS

    for flat in np.argsort(f, axis=None, kind="stable"):
        at = np.unravel_index(flat, f.shape)
        if not np.isfinite(f[at]):
            break
        met = sorted(
            {root(int(label[n])) for n in _neighbours(at, f.shape, grid.periodic) if label[n] >= 0},
            key=lambda b: (bottom[b], b),
        )
        if not met:
            label[at] = len(parent)
            parent.append(len(parent))
            bottom.append(float(f[at]))
            runs.append(every[(slice(None), *at)].copy())
            number.append(float(known[at]))
            continue
        label[at] = met[0]
        runs[met[0]] |= every[(slice(None), *at)]
        number[met[0]] += float(known[at])
        for other in met[1:]:
            if few(met[0]) or few(other) or f[at] - bottom[other] < persistence:
                parent[other] = met[0]
                runs[met[0]] |= runs[other]
                number[met[0]] += number[other]
    final = np.array([root(b) for b in range(len(parent))], dtype=np.int64)
    lone = np.array([few(b) for b in range(len(parent))], dtype=bool)[final]
    if lone.all():  # the deepest is the one there is
        lone = final != final[int(np.argmin(bottom))]
    final = np.where(lone, -1, final)
    merged = np.where(label >= 0, final[label], -1)
    return _partition(merged, f, grid, names)


def basins_at_rest(runs: Array, grid: Grid, names: tuple[str, ...]) -> Partition:
    """The basins that pushed walkers relaxed into.

    Parameters
    ----------
    runs : Array, shape (n, m, C)
        CVs of n walkers while they relaxed. The first half is their way down, and shows no basin.
    """
    rest = runs[:, runs.shape[1] // 2 :]
    index = grid.index(rest.reshape(-1, rest.shape[2])).reshape(rest.shape[:2])
    seen = np.zeros((len(rest), grid.size), dtype=bool)
    counts = np.zeros(grid.size)
    for own, found in zip(seen, index, strict=True):
        inside = found[found >= 0]
        own[inside] = True
        counts += np.bincount(inside, minlength=grid.size)
    if not counts.any():
        counts += 1.0  # nothing came to rest inside the range: all of it is one
    return find_basins(
        counts.reshape(grid.shape),
        grid,
        names,
        persistence=RELAXED_PERSISTENCE,
        smooth=RELAXED_WIDTH,
        seen=seen.reshape(-1, *grid.shape),
    )


def basins_with(
    weight: NDArray[Any], trail: Array, grid: Grid, names: tuple[str, ...]
) -> Partition:
    """The basins of a density and of some runs that it knows nothing of, each weighing as much.

    Parameters
    ----------
    weight : Array, shape of the surface
        Of every bin.
    trail : Array, shape (k, m, C)
        CVs that the runs read.
    """
    total = np.asarray(weight, dtype=np.float64) / max(float(np.sum(weight)), 1e-300)
    for run in trail:
        index = grid.index(run)
        bins = grid.surface_bins[index[index >= 0]]
        seen = np.bincount(bins, minlength=total.size).reshape(total.shape)
        total = total + seen / max(1, int(seen.sum()))
    return find_basins(total, grid, names)


def nearest_bins(
    known: NDArray[np.bool_], periodic: tuple[bool, ...]
) -> tuple[NDArray[np.int64], ...]:
    """Index along every CV of the nearest bin that is known, for each bin; some has to be."""
    # a tile on each side of a periodic axis, so that 'nearest' knows of the seam
    tiles = [3 if p else 1 for p in periodic]
    _, nearest = ndimage.distance_transform_edt(~np.tile(known, tiles), return_indices=True)
    centre = tuple(
        slice(n, 2 * n) if p else slice(0, n) for n, p in zip(known.shape, periodic, strict=True)
    )
    return tuple(axis[centre] % n for axis, n in zip(nearest, known.shape, strict=True))


def _neighbours(
    at: tuple[np.intp, ...], shape: tuple[int, ...], periodic: tuple[bool, ...]
) -> list[tuple[int, ...]]:
    out = []
    for step in itertools.product((-1, 0, 1), repeat=len(shape)):
        if not any(step):
            continue
        moved = [int(a) + s for a, s in zip(at, step, strict=True)]
        if all(p or 0 <= m < n for m, n, p in zip(moved, shape, periodic, strict=True)):
            out.append(tuple(m % n for m, n in zip(moved, shape, strict=True)))
    return out


def _partition(label: Array, f: Array, grid: Grid, names: tuple[str, ...]) -> Partition:
    """Deepest basin first; unseen bins to the nearest; named by the place of the bottom."""
    bottoms = {b: float(f[label == b].min()) for b in np.unique(label[label >= 0])}
    kept = sorted(bottoms, key=lambda b: (bottoms[b], b))[:MAX_BASINS]
    known = np.isin(label, kept)
    filled = label[nearest_bins(known, grid.periodic)]
    labels = np.zeros(f.shape, dtype=np.int64)
    titles = []
    for k, b in enumerate(kept):
        labels[filled == b] = k
        at = np.unravel_index(np.argmin(np.where(label == b, f, np.inf)), f.shape)
        titles.append(_title(at, grid, names))
    edges = tuple(
        e if p else np.concatenate([[-np.inf], e[1:-1], [np.inf]])
        for e, p in zip(grid.edges, grid.periodic, strict=True)
    )
    return Partition(edges, labels, tuple(titles))


def _title(at: tuple[np.intp, ...], grid: Grid, names: tuple[str, ...]) -> str:
    parts = []
    for c, name in enumerate(names):
        value = grid.centres[c][at[c]]
        text = f"{np.degrees(value):.0f}" if grid.periodic[c] else f"{value:.3g}"
        parts.append(f"{name}={text}")
    return ",".join(parts)
