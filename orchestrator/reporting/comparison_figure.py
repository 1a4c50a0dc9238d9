"""Two results beside each other, as a figure: the surfaces, and errors against what they cost."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from msgen.orchestrator.base import Array
from msgen.orchestrator.reporting.comparison import Compared, Comparison, SurfaceDifference
from msgen.orchestrator.reporting.panels import (
    angle_ticks,
    ceiling_of,
    coloured_map,
    edges_of,
    frame,
    label_of,
    scale_of,
)
from msgen.orchestrator.reporting.plot_history import number_ticks
from msgen.orchestrator.reporting.plots import STATE_COLOURS, Drawing


def comparison_figure(c: Comparison) -> Figure:
    """Of one CV both lines with their bands, of two |ΔF| as a map; and σ of the states with cost.

    Of several surfaces each; one over more CVs has no picture, and what was imported no cost.
    """
    drawn = [s for s in c.surfaces if len(s.cvs) <= 2]
    courses = [_course(one) for one in c.both]
    panels = len(drawn) + any(len(course) for course in courses)
    figure = Drawing(figsize=(5.75 * max(panels, 1), 4.4), layout="constrained")
    if not panels:
        figure.suptitle("no surface of one CV or two that both have, and no error with its cost")
        return figure
    axes = np.atleast_1d(figure.subplots(1, panels))
    for ax, surface in zip(axes, drawn, strict=False):
        if len(surface.cvs) == 1:
            _lines(ax, surface, [one.name for one in c.both])
        else:
            _difference(figure, ax, surface)
    if panels > len(drawn):
        _errors(axes[-1], c, courses)
    return figure


def _difference(figure: Figure, ax: Axes, surface: SurfaceDifference) -> None:
    cvs = surface.both[0].header.cvs
    axes = [np.asarray(surface.both[0].estimate.axes[v.name]) * scale_of(v) for v in cvs]
    apart = np.abs(surface.difference)
    top = max(float(np.nanquantile(apart, 0.98)), 0.1)
    coloured_map(figure, ax, axes, apart, top, "cividis", "|difference of F| / kT")
    frame(ax, cvs, axes)


def _lines(ax: Axes, surface: SurfaceDifference, names: list[str]) -> None:
    (cv,) = surface.both[0].header.cvs
    tops = []
    for result, name, colour in zip(surface.both, names, STATE_COLOURS, strict=False):
        x: Array = np.asarray(result.estimate.axes[cv.name]) * scale_of(cv)
        f, err = result.estimate.f_kT, result.estimate.stderr_kT
        ax.fill_between(x, f - err, f + err, color=colour, alpha=0.25, lw=0)
        ax.plot(x, f, color=colour, lw=1.5, label=name)
        ax.set_xlim(edges_of(x)[0], edges_of(x)[-1])
        tops.append(ceiling_of(f))
    ax.set(xlabel=label_of(cv), ylabel="F / kT (± 1 σ)")
    ax.set_ylim(-0.5, max(tops) * 1.12 + 0.5)
    angle_ticks(ax.xaxis, cv)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)


def _course(one: Compared) -> Array:
    """Energy evaluations and the largest error of a state, of each round that counts: (n, 2)."""
    rows = []
    for p in one.history:
        known = [s.stderr_kT for s in p.states.values() if s.stderr_kT is not None]
        if p.phase == "produce" and known and len(known) == len(p.states) and max(known) > 0:
            rows.append((p.energy_evaluations, max(known)))
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def _errors(ax: Axes, c: Comparison, courses: list[Array]) -> None:
    for one, course, colour in zip(c.both, courses, STATE_COLOURS, strict=False):
        if len(course):
            x, y = course.T
            ax.plot(x, y, color=colour, marker="o", ms=2.5, lw=1.5, label=one.name)
    ax.set(xlabel="energy evaluations", ylabel="largest σ(F) of a state / kT")
    ax.set_xscale("log")
    ax.set_yscale("log")
    number_ticks(ax)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
