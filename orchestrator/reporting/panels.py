"""What the figures are put together from: axes of CVs, coloured maps and their contours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from msgen.orchestrator.base import Array
from msgen.orchestrator.reporting.results import CVInfo

_UNSEEN = "#e6e6e6"
_CEILING_KT = 25.0
_GREEK = {"phi": "φ", "psi": "ψ", "omega": "ω", "chi": "χ", "theta": "θ", "xi": "ξ"}
_GREEK |= {f"chi{i}": f"χ{i}" for i in range(1, 6)}


def scale_of(cv: CVInfo) -> float:
    """What a value in internal units is multiplied by for the axis."""
    return 180.0 / math.pi if cv.unit == "rad" else 1.0


def label_of(cv: CVInfo) -> str:
    """A CV as its axis is labelled."""
    unit = {"rad": " / °", "nm": " / nm"}.get(cv.unit, "")
    return _GREEK.get(cv.name, cv.name) + unit


def edges_of(centres: Array) -> Array:
    """Edges of bins with these centres, one more than they are."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate(
        [[centres[0] - (middle[0] - centres[0])], middle, [2 * centres[-1] - middle[-1]]]
    )


def angle_ticks(axis: Any, cv: CVInfo) -> None:
    """Every 90° along a periodic angle."""
    if cv.unit == "rad" and cv.periodic:
        axis.set_major_locator(MultipleLocator(90))


def coloured_map(
    figure: Figure, ax: Axes, axes: Sequence[Array], values: Array, top: float, cmap: str, bar: str
) -> None:
    """One coloured map; `values` as (x, y)."""
    ax.set_facecolor(_UNSEEN)
    drawn = ax.pcolormesh(
        edges_of(axes[0]),
        edges_of(axes[1]),
        np.ma.masked_invalid(np.minimum(values, top * 1.0001)).T,
        cmap=cmap,
        vmin=0,
        vmax=top,
        rasterized=True,
    )
    over = bool(np.nanmax(np.where(np.isfinite(values), values, 0.0)) > top)
    figure.colorbar(drawn, ax=ax, label=bar, extend="max" if over else "neither", pad=0.02)


def contours(ax: Axes, cvs: Sequence[CVInfo], axes: Sequence[Array], f: Array, top: float) -> None:
    """Lines of equal free energy, kT."""
    if min(f.shape) < 3 or not np.isfinite(f).any():
        return
    step = next((s for s in (0.5, 1.0, 2.0, 5.0) if top / s <= 13), 10.0)
    xs = list(axes)
    for d, cv in enumerate(cvs):  # lines run on across the seam
        if cv.periodic:
            width = xs[d][1] - xs[d][0]
            xs[d] = np.concatenate([[xs[d][0] - width], xs[d], [xs[d][-1] + width]])
            f = np.take(f, np.arange(-1, f.shape[d] + 1) % f.shape[d], axis=d)
    levels = np.arange(step, top + step / 2, step)
    if len(levels) and np.nanmax(f) > levels[0]:
        ax.contour(
            xs[0],
            xs[1],
            np.ma.masked_invalid(f).T,
            levels,
            colors="white",
            linewidths=0.5,
            alpha=0.8,
        )


def ceiling_of(f: Array) -> float:
    """Highest free energy that is drawn, kT."""
    seen = f[np.isfinite(f)]
    return float(min(_CEILING_KT, max(1.0, seen.max()))) if seen.size else 1.0


def frame(ax: Axes, cvs: Sequence[CVInfo], axes: Sequence[Array]) -> None:
    """Limits, labels and ticks of a map of two CVs."""
    for cv, axis, pick in zip(cvs, axes, ("x", "y"), strict=True):
        edges = edges_of(axis)
        getattr(ax, f"set_{pick}lim")(edges[0], edges[-1])
        getattr(ax, f"set_{pick}label")(label_of(cv))
        angle_ticks(getattr(ax, f"{pick}axis"), cv)
