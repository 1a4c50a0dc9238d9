"""The free-energy surface beside its error, as a figure.

Drawn with matplotlib's object API on the Agg canvas: no window, no global state, safe in threads.
Colours are viridis (F), cividis (error) and Okabe–Ito (states): all legible to the colour-blind.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Array, Estimate, ProfileEstimate
from msgen.orchestrator.reporting.panels import (
    angle_ticks,
    ceiling_of,
    coloured_map,
    contours,
    edges_of,
    frame,
    label_of,
    scale_of,
)
from msgen.orchestrator.reporting.results import Result

STATE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_EDGE = 0.15
"""Of a line's width at either side, where a name is written towards the middle."""


class Drawing(Figure):
    """A figure that a notebook shows wherever it is a cell's value, without pyplot."""

    def _repr_png_(self) -> bytes:
        return png(self, 100)


def drawable(estimate: Estimate) -> bool:
    """Whether there is a surface to draw: more than one bin, and one of them visited."""
    return estimate.f_kT.size > 1 and bool(np.isfinite(estimate.f_kT).any())


def png(figure: Figure, dpi: float = 150) -> bytes:
    """`figure` as a PNG file's content."""
    out = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(out, format="png", dpi=dpi)
    return out.getvalue()


def minimum_of(result: Result, name: str) -> tuple[float, ...] | None:
    """CV values (internal units) of a state's lowest bin, None where it is not known.

    'rest' is every bin outside all the regions. The diagnostics may name centres (``centres``:
    name → values) instead, which then count.
    """
    named = result.estimate.diagnostics.get("centres", {})
    if name in named and len(named[name]) == len(result.header.cvs):
        return tuple(float(v) for v in named[name])
    header, estimate = result.header, result.estimate
    if not header.regions:
        return None
    names = tuple(c.name for c in header.cvs)
    axes = [np.asarray(estimate.axes[n]) for n in names]
    partition = Partition.from_boxes(
        header.regions, names, np.array([c.periodic for c in header.cvs])
    )
    if name not in partition.names:
        return None
    mask = partition.overlap_with(axes) == partition.names.index(name)
    f = np.where(mask, estimate.f_kT, np.nan)
    if not np.isfinite(f).any():
        return None
    index = np.unravel_index(int(np.nanargmin(f)), f.shape)
    return tuple(float(axis[i]) for axis, i in zip(axes, index, strict=True))


def _mark_states(ax: Axes, result: Result, dims: Sequence[int]) -> None:
    cvs = result.header.cvs
    outline = [withStroke(linewidth=3, foreground="black")]
    for name in result.estimate.states:
        at = minimum_of(result, name)
        if at is None:
            continue
        x, y = (at[d] * scale_of(cvs[d]) for d in dims)
        ax.plot(x, y, marker="o", ms=6, mfc="white", mec="black", zorder=5)
        left, low = x < float(np.mean(ax.get_xlim())), y < float(np.mean(ax.get_ylim()))
        ax.annotate(  # towards the middle: beside an edge it would lie on what stands there
            name,
            (x, y),
            xytext=(7 if left else -7, 7 if low else -7),
            textcoords="offset points",
            ha="left" if left else "right",
            va="bottom" if low else "top",
            color="white",
            fontweight="bold",
            path_effects=outline,
            zorder=6,
        )
    for region in result.header.regions.values():
        spans = []
        for d in dims:
            limits = ax.get_xlim() if d == dims[0] else ax.get_ylim()
            lo, hi = region.get(cvs[d].name, (-math.inf, math.inf))
            spans.append(
                (max(lo * scale_of(cvs[d]), limits[0]), min(hi * scale_of(cvs[d]), limits[1]))
            )
        (x0, x1), (y0, y1) = spans
        if x1 > x0 and y1 > y0:  # a region across the seam would need two boxes: its name will do
            box = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec="white", ls="--", lw=1.2)
            box.set_path_effects([withStroke(linewidth=2.4, foreground="black")])  # seen on grey
            ax.add_patch(box).set_zorder(4)


def surface_figure(result: Result) -> Figure:
    """The free energy and its standard error, in kT.

    One CV: a line with its ± 1 σ band. Two: a map of F and one of its error, with contour lines in
    kT, grey where nobody has been, and the states marked at their lowest bin. More: one- and
    two-dimensional marginals (see `marginals`). Where several are asked for, a panel for each.
    """
    if result.estimate.surfaces:
        return _panels_figure(result)
    cvs, estimate = result.header.cvs, result.estimate
    axes = [np.asarray(estimate.axes[c.name]) * scale_of(c) for c in cvs]
    title = f"{result.header.campaign} · {result.status}"
    if len(cvs) == 1:
        figure = Drawing(figsize=(6.4, 4.2), layout="constrained")
        _line_panel(figure.add_subplot(), result, axes[0])
        figure.suptitle(title)
        return figure
    if len(cvs) > 2:
        return _pairs_figure(result, axes, title)
    figure = Drawing(figsize=(11.5, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    top = ceiling_of(estimate.f_kT)
    coloured_map(figure, left, axes, estimate.f_kT, top, "viridis", "F / kT")
    contours(left, cvs, axes, estimate.f_kT, top)
    errors = estimate.stderr_kT[np.isfinite(estimate.stderr_kT)]
    high = float(np.quantile(errors, 0.98)) if errors.size else 1.0
    coloured_map(figure, right, axes, estimate.stderr_kT, max(high, 1e-3), "cividis", "σ(F) / kT")
    error = "standard error" if errors.size else "standard error: not known"
    for ax, name in ((left, "free energy"), (right, error)):
        frame(ax, cvs, axes)
        ax.set_title(name, fontsize="medium")
    _mark_states(left, result, (0, 1))
    figure.suptitle(title)
    return figure


def _line_panel(ax: Axes, result: Result, x: Array) -> None:
    f, err = result.estimate.f_kT, result.estimate.stderr_kT
    cv = result.header.cvs[0]
    band = "± 1 σ" if np.isfinite(err).any() else "σ not known"
    ax.fill_between(x, f - err, f + err, color=STATE_COLOURS[5], alpha=0.5, lw=0, label=band)
    counted = "F" if result.estimate.profile is None else "F by counting"
    ax.plot(x, f, color=STATE_COLOURS[0], lw=1.6, label=counted)
    top = ceiling_of(f)
    if result.estimate.profile is not None:
        top = max(top, ceiling_of(_paths_line(ax, x, f, result.estimate.profile)))
    ax.set(xlabel=label_of(cv), ylabel="F / kT", xlim=(edges_of(x)[0], edges_of(x)[-1]))
    ax.set_ylim(-0.5, top * 1.12 + 0.5)
    angle_ticks(ax.xaxis, cv)
    for i, name in enumerate(result.estimate.states):
        colour = STATE_COLOURS[(i + 1) % len(STATE_COLOURS)]
        if cv.name in result.header.regions.get(name, {}):
            lo, hi = result.header.regions[name][cv.name]
            _shade(ax, lo * scale_of(cv), hi * scale_of(cv), colour)
        at = minimum_of(result, name)
        if at is not None:
            spot = at[0] * scale_of(cv)
            low, high = ax.get_xlim()
            from_left = (spot - low) / (high - low)
            side = "left" if from_left < _EDGE else "right" if from_left > 1 - _EDGE else "center"
            ax.annotate(
                name, (spot, 0.99), xycoords=("data", "axes fraction"), ha=side, va="top",
                color=colour, fontweight="bold",
            )  # fmt: skip
    ax.grid(alpha=0.25)
    # above: a line may run anywhere below
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)


def _shade(ax: Axes, lo: float, hi: float, colour: str) -> None:
    """A state's region along a CV; one that begins above its end runs across the seam."""
    low, high = ax.get_xlim()
    for a, b in [(lo, hi)] if lo < hi else [(low, hi), (lo, high)]:
        if max(a, low) < min(b, high):
            ax.axvspan(max(a, low), min(b, high), color=colour, alpha=0.08, lw=0)


def _paths_line(ax: Axes, x: Array, f: Array, told: ProfileEstimate) -> Array:
    """The profile by works of paths, shifted to the population of counting where both know it."""
    p, err = told.f_kT, told.stderr_kT
    both = np.isfinite(p) & np.isfinite(f)
    if both.any():
        p = p + np.log(np.exp(-p[both]).sum() / np.exp(-f[both]).sum())
    ax.errorbar(x, p, err, fmt="ko", ms=3, lw=1, label="F by paths both ways, ± 1 σ")
    return p


def marginals(f: Array, err: Array, keep: Sequence[int]) -> tuple[Array, Array]:
    """Marginal free energy −ln Σ exp(−F) over the axes not in `keep`, and a bound on its error.

    The errors' correlations are not stored, so the error is the bound Σ w σ with w the bins' share
    of the marginal's probability: the triangle inequality, met when they move together. NaN where
    no error is known.
    """
    drop = tuple(d for d in range(f.ndim) if d not in keep)
    p = np.where(np.isfinite(f), np.exp(-f), 0.0)
    total = p.sum(axis=drop)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.where(total > 0, -np.log(total), np.nan)
        bound = (p * np.nan_to_num(err)).sum(axis=drop) / total
    if not np.isfinite(err).any():
        bound = np.full_like(bound, np.nan)
    return out - (np.nanmin(out) if np.isfinite(out).any() else 0.0), bound


def _panels_figure(result: Result) -> Figure:
    """A line or a map for each of the surfaces asked for, along one CV or two."""
    shown = [one for one in result.each_surface if len(one.header.cvs) <= 2]
    columns = max(1, math.ceil(math.sqrt(len(shown))))
    rows = max(1, math.ceil(len(shown) / columns))
    figure = Drawing(figsize=(4.2 * columns, 3.4 * rows), layout="constrained")
    for number, one in enumerate(shown):
        ax = figure.add_subplot(rows, columns, number + 1)
        cvs, f = one.header.cvs, one.estimate.f_kT
        axes = [np.asarray(one.estimate.axes[c.name]) * scale_of(c) for c in cvs]
        if len(cvs) == 1:
            _line_panel(ax, one, axes[0])
            continue
        top = ceiling_of(f)
        coloured_map(figure, ax, axes, f, top, "viridis", "F / kT")
        contours(ax, cvs, axes, f, top)
        frame(ax, cvs, axes)
    figure.suptitle(f"{result.header.campaign} · {result.status}")
    return figure


def _pairs_figure(result: Result, axes: Sequence[Array], title: str) -> Figure:
    cvs, f, err = result.header.cvs, result.estimate.f_kT, result.estimate.stderr_kT
    n = len(cvs)
    figure = Drawing(figsize=(3.2 * n + 0.8, 2.8 * n), layout="constrained")
    grid = figure.subplots(n, n)
    for i in range(n):
        for j in range(n):
            ax = grid[i, j]
            if j > i:
                ax.set_axis_off()
            elif i == j:
                line, bound = marginals(f, err, (i,))
                ax.fill_between(
                    axes[i], line - bound, line + bound, color=STATE_COLOURS[5], alpha=0.5, lw=0
                )
                ax.plot(axes[i], line, color=STATE_COLOURS[0], lw=1.4)
                ax.set(xlabel=label_of(cvs[i]), ylabel="F / kT")
                ax.set_ylim(-0.5, ceiling_of(line) * 1.1)
                angle_ticks(ax.xaxis, cvs[i])
            else:
                pair, _ = marginals(f, err, (j, i))  # axes stay in order, j < i
                top = ceiling_of(pair)
                coloured_map(figure, ax, (axes[j], axes[i]), pair, top, "viridis", "F / kT")
                contours(ax, (cvs[j], cvs[i]), (axes[j], axes[i]), pair, top)
                frame(ax, (cvs[j], cvs[i]), (axes[j], axes[i]))
    figure.suptitle(f"{title} · marginals (bands: upper bound on σ)")
    return figure
