"""A surface and its samples in PLUMED's files: `fes.dat`, `bias.dat` and `COLVAR`.

PLUMED 2 knows a grid by its points (manual of EXTERNAL; `GridBase::create`): a periodic CV has
``nbins`` of them from min on, and its min and max must read as the CV's own domain does, ``-pi``
and ``pi`` of an angle; another has ``nbins`` of them from min to max inclusive. A file that
EXTERNAL reads has a derivative for every CV, finite numbers, and no column that it does not ask
for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from msgen.orchestrator.base import Array
from msgen.orchestrator.reporting.results import CVInfo, Result
from msgen.orchestrator.reporting.samples import Samples

BIAS = "external"
"""Label of the action that reads `bias.dat`: its column is called so."""


@dataclass(frozen=True)
class Grid:
    """A function at PLUMED's grid points.

    Attributes
    ----------
    points : tuple of Array
        Of each CV.
    values : Array
        Shape as of `points`.
    slopes : tuple of Array
        Its derivative along each CV.
    """

    points: tuple[Array, ...]
    values: Array
    slopes: tuple[Array, ...]


def on_grid(f: Array, axes: Sequence[Array], periodic: Sequence[bool]) -> Grid:
    """From bins to grid points; NaN where what is needed is not known.

    The points of a CV that is not periodic are the centres of its bins. Those of a periodic one
    are the borders, as its first is −π: f there is the mean of the bins on both sides.
    """
    points, values, slopes = [], f, [f] * len(axes)
    for k, (axis, turns) in enumerate(zip(axes, periodic, strict=True)):
        width = float(axis[1] - axis[0]) if len(axis) > 1 else 1.0
        points.append(axis - 0.5 * width if turns else np.asarray(axis))
        slopes = [
            _slope(one, k, width, turns) if i == k else _at_points(one, k, turns)
            for i, one in enumerate(slopes)
        ]
        values = _at_points(values, k, turns)
    return Grid(tuple(points), values, tuple(slopes))


def _at_points(f: Array, axis: int, turns: bool) -> Array:
    return np.asarray(0.5 * (np.roll(f, 1, axis) + f)) if turns else f


def _slope(f: Array, axis: int, width: float, turns: bool) -> Array:
    """At borders of a periodic CV; at centres from both neighbours, or the one that is known."""
    if turns:
        return np.asarray((f - np.roll(f, 1, axis)) / width)
    steps = np.diff(f, axis=axis) / width
    nothing = np.full_like(np.take(f, [0], axis), np.nan)
    below = np.concatenate([nothing, steps], axis)
    above = np.concatenate([steps, nothing], axis)
    known = np.isfinite(below).astype(int) + np.isfinite(above)
    total = np.nan_to_num(below) + np.nan_to_num(above)
    return np.where(np.isfinite(f), total / np.maximum(known, 1), np.nan)


def fes_lines(result: Result) -> Iterator[str]:
    """`fes.dat`: as `sum_hills` writes it, with the errors in a last column.

    The mean of two bins has the mean of their errors at most, which is what is told.
    """
    estimate, scale = result.estimate, _scale(result)
    grid, error = (_grid(result, f) for f in (estimate.f_kT, estimate.stderr_kT))
    unit = "kT" if result.header.kT_kJ_per_mol is None else "kJ/mol"
    yield from _head(result, ["file.free", *_slope_names(result), "err"])
    yield f"# free energies and their standard errors in {unit}; inf where never visited"
    yield from (f"# errors are inf as none is known: {why}" for why in estimate.ungrounded)
    columns = [scale * grid.values, *(scale * s for s in grid.slopes), scale * error.values]
    yield from _rows(grid, [np.where(np.isfinite(c), c, np.inf) for c in columns])


def bias_lines(result: Result) -> Iterator[str]:
    """`bias.dat`: max F − F for ``EXTERNAL FILE=bias.dat LABEL=external``, which flattens it.

    Where F is not known it counts as the highest that is, so that all numbers are finite. The
    bias is 0 there: PLUMED's splines leave out the slope of what is nothing.
    """
    f, top = result.estimate.f_kT, float(np.nanmax(result.estimate.f_kT))
    grid = _grid(result, top - np.where(np.isfinite(f), f, top))
    scale = _scale(result)
    yield from _head(result, [f"{BIAS}.bias", *_slope_names(result)])
    yield from _rows(grid, [scale * grid.values, *(scale * s for s in grid.slopes)])


def colvar_lines(result: Result, samples: Samples) -> Iterator[str]:
    """`COLVAR`: the samples that weigh anything, with weights, for READ and HISTOGRAM.

    `time` counts them. The weights of all sum to 1, and `logweight` is what HISTOGRAM's LOGWEIGHTS
    take.
    """
    cvs = result.header.sampled
    yield "#! FIELDS " + " ".join(
        ["time", *(c.name for c in cvs), "weight", "logweight", "replica", "round"]
    )
    for cv in cvs:
        if cv.periodic:
            yield f"#! SET min_{cv.name} -pi"
            yield f"#! SET max_{cv.name} pi"
    yield "# samples of one replica follow each other and are not independent: replicas are"
    rows = np.flatnonzero(samples.weight > 0)
    for k, row in enumerate(rows.tolist()):
        w = float(samples.weight[row])
        cells = [f"{k:d}", *(f"{x:.9g}" for x in samples.cvs[row].tolist())]
        cells += [f"{w:.9g}", f"{math.log(w):.9g}"]
        yield " ".join([*cells, str(samples.replica[row]), str(samples.round[row])])


def _scale(result: Result) -> float:
    kT = result.header.kT_kJ_per_mol
    return 1.0 if kT is None else kT


def _grid(result: Result, f: Array) -> Grid:
    cvs = result.header.cvs
    axes = [np.asarray(result.estimate.axes[c.name], dtype=np.float64) for c in cvs]
    return on_grid(np.asarray(f, dtype=np.float64), axes, [c.periodic for c in cvs])


def _slope_names(result: Result) -> list[str]:
    return [f"der_{c.name}" for c in result.header.cvs]


def _head(result: Result, columns: Sequence[str]) -> Iterator[str]:
    cvs = result.header.cvs
    yield "#! FIELDS " + " ".join([*(c.name for c in cvs), *columns])
    for cv in cvs:
        axis = np.asarray(result.estimate.axes[cv.name], dtype=np.float64)
        yield from _axis(cv, axis)


def _axis(cv: CVInfo, axis: Array) -> Iterator[str]:
    low, high = ("-pi", "pi") if cv.periodic else (f"{axis[0]:.9f}", f"{axis[-1]:.9f}")
    yield f"#! SET min_{cv.name} {low}"
    yield f"#! SET max_{cv.name} {high}"
    yield f"#! SET nbins_{cv.name} {len(axis)}"
    yield f"#! SET periodic_{cv.name} {'true' if cv.periodic else 'false'}"


def _rows(grid: Grid, columns: Sequence[Array]) -> Iterator[str]:
    """A line a point, the first CV fastest, and a blank one where it begins anew."""
    for reverse in np.ndindex(*grid.values.shape[::-1]):
        index = reverse[::-1]
        if index[0] == 0 and len(index) > 1 and any(reverse):
            yield ""
        at = [points[i] for points, i in zip(grid.points, index, strict=True)]
        yield " ".join(f"{x:15.9f}" for x in [*at, *(column[index] for column in columns)])
