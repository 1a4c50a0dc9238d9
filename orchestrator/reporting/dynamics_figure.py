"""What trajectories told of dynamics, as a figure: free energies, curves, the Markov model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from msgen.orchestrator.estimators.dynamics.chapman_kolmogorov import ChapmanKolmogorov
from msgen.orchestrator.estimators.dynamics.judgement import (
    Beside,
    CurveReading,
    Judgement,
    MadeReading,
    SurfaceReading,
)
from msgen.orchestrator.estimators.dynamics.markov import MarkovModel
from msgen.orchestrator.estimators.dynamics.readings import Array, Curve
from msgen.orchestrator.reporting.panels import ceiling_of, coloured_map
from msgen.orchestrator.reporting.plots import STATE_COLOURS, Drawing

MOST_CVS = 4
"""That are drawn; all are in the table."""
_ACROSS = 3
Panel = Callable[[Axes], None]


def dynamics_figure(told: Judgement, title: str) -> Figure:
    """Panels of what there is, each with the reference where there is one (dashed, black)."""
    return _drawn([*_surfaces(told), *_curves(told), *_model(told)], told, title)


def made_figure(told: Judgement, title: str) -> Figure | None:
    """Panels of what else a model was asked for; None where that was nothing."""
    panels = [panel for one in told.made for panel in _made(one, told)]
    return _drawn(panels, told, title) if panels else None


def _drawn(panels: list[Panel], told: Judgement, title: str) -> Figure:
    rows = -(-len(panels) // _ACROSS)
    figure = Drawing(figsize=(4.2 * _ACROSS, 3.2 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, _ACROSS, squeeze=False).ravel()
    for ax, panel in zip(axes, panels, strict=False):
        panel(ax)
        ax.grid(alpha=0.25)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    figure.suptitle(f"{title}" + (" (dashed: reference)" if told.extent.reference else ""))
    return figure


def _surfaces(told: Judgement) -> list[Panel]:
    """F along every CV, and a map of the first two."""
    lines = [s for s in told.surfaces if len(s.cvs) == 1][:MOST_CVS]
    maps = [s for s in told.surfaces if len(s.cvs) == 2]

    def line(one: SurfaceReading, ax: Axes) -> None:
        _line(ax, one, _label(told, one.cvs[0]))

    def coloured(one: SurfaceReading, ax: Axes) -> None:
        axes = [np.array(axis) for axis in one.axes]
        f = _floats(one.f_kT).reshape(len(axes[0]), len(axes[1]))
        figure = ax.get_figure(root=True)
        assert figure is not None
        coloured_map(figure, ax, axes, f, ceiling_of(f), "viridis", "F / kT")
        ax.set(xlabel=_label(told, one.cvs[0]), ylabel=_label(told, one.cvs[1]))

    return [*(partial(line, one) for one in lines), *(partial(coloured, one) for one in maps)]


def _label(told: Judgement, cv: str) -> str:
    return cv if told.units[cv] == "1" else f"{cv} / {told.units[cv]}"


def _line(ax: Axes, one: SurfaceReading, label: str) -> None:
    """F along one CV."""
    x = np.array(one.axes[0])
    f, err = _floats(one.f_kT), _floats(one.stderr_kT)
    ax.fill_between(x, f - err, f + err, color=STATE_COLOURS[5], alpha=0.5, lw=0)
    ax.plot(x, f, color=STATE_COLOURS[0], lw=1.5)
    if one.reference_kT:
        shift = None if one.difference is None else one.difference.shift_kT
        ax.plot(x, _floats(one.reference_kT) + (shift or 0.0), "k--", lw=1.2)
    ax.set(xlabel=label, ylabel="F / kT")
    ax.set_ylim(-0.5, ceiling_of(f) * 1.1 + 0.5)


def _made(one: MadeReading, told: Judgement) -> Iterator[Panel]:
    """F along the first CV of what should be at equilibrium, else some paths; displacements."""
    unit = told.extent.here.unit
    for surface in one.surfaces[:1]:

        def line(ax: Axes, surface: SurfaceReading = surface) -> None:
            _line(ax, surface, _label(told, surface.cvs[0]))
            ax.set_title(one.what, fontsize="medium")

        yield line
    if one.examples and not one.surfaces:

        def paths(ax: Axes) -> None:
            for path in one.examples:
                first = np.array(path)[:, 0]
                ax.plot(told.extent.here.stride * np.arange(len(first)), first, lw=1.0)
            cv = next(iter(told.units))
            ax.set(xlabel=f"time / {unit}", ylabel=_label(told, cv))
            ax.set_title(one.what, fontsize="medium")

        yield paths
    curves = one.transition_displacements or one.displacements
    if curves:

        def displacements(ax: Axes) -> None:
            for k, curve in enumerate(curves[:MOST_CVS]):
                _pair(ax, curve.curves, STATE_COLOURS[k], curve.cv)
            ax.set(xlabel=f"lag / {unit}", ylabel="mean squared displacement", xscale="log")
            ax.set_title(one.what, fontsize="medium")
            ax.legend(frameon=False, fontsize="small")

        yield displacements


def _curves(told: Judgement) -> list[Panel]:
    """Autocorrelations of all CVs in one panel, and displacements of each."""
    unit = told.extent.here.unit
    if not told.autocorrelations:
        return []

    def correlations(ax: Axes) -> None:
        for k, one in enumerate(told.autocorrelations[:MOST_CVS]):
            _pair(ax, one.curves, STATE_COLOURS[k], one.cv)
        ax.axhline(0.0, color="grey", lw=0.8)
        ax.set(xlabel=f"lag / {unit}", ylabel="autocorrelation", xscale="log")
        ax.legend(frameon=False, fontsize="small")

    def displacements(ax: Axes) -> None:
        shown: tuple[tuple[str, tuple[CurveReading, ...]], ...] = (
            ("", told.displacements),
            (" between cores", told.transition_displacements),
        )
        for j, (name, curves) in enumerate(shown):
            for k, one in enumerate(curves[:MOST_CVS]):
                colour = STATE_COLOURS[(k + j * MOST_CVS) % len(STATE_COLOURS)]
                _pair(ax, one.curves, colour, one.cv + name)
        ax.set(xlabel=f"lag / {unit}", ylabel="mean squared displacement", xscale="log")
        if any(v for one in told.displacements for v in one.curves.here.value if v):
            ax.set_yscale("log")
        ax.legend(frameon=False, fontsize="small")

    return [correlations, displacements]


def _model(told: Judgement) -> list[Panel]:
    """The slowest time scale against the lag, and Chapman and Kolmogorov's test."""
    unit = told.extent.here.unit
    panels: list[Panel] = []
    markov = told.markov
    if markov is not None and markov.here.slowest.x:

        def slowest(ax: Axes, models: Beside[MarkovModel] = markov) -> None:
            reference = None if models.reference is None else models.reference.slowest
            _pair(ax, Beside(models.here.slowest, reference), STATE_COLOURS[0], "slowest")
            x = np.array(models.here.slowest.x)
            low, high = ax.get_ylim()
            ax.fill_between(x, 0.0, x, color="grey", alpha=0.25, lw=0, label="below the lag")
            ax.set(xlabel=f"lag / {unit}", ylabel=f"implied time scale / {unit}")
            ax.set_ylim(min(low, float(x.min())), max(high, 1.05 * float(x.max())))
            ax.legend(frameon=False, fontsize="small")

        panels.append(slowest)
    tested = told.chapman_kolmogorov
    if tested is not None and tested.here is not None:

        def chapman(ax: Axes, test: ChapmanKolmogorov = tested.here) -> None:
            for k, name in enumerate(test.sets[:MOST_CVS]):
                colour = STATE_COLOURS[k]
                x, value, _ = test.predicted[k].arrays()
                ax.plot(x, value, color=colour, lw=1.4, label=f"{name}: T(τ)ᵏ")
                _points(ax, test.observed[k], colour, "T(kτ)")
            ax.set(xlabel=f"time / {unit}", ylabel="probability to be there still")
            ax.legend(frameon=False, fontsize="x-small")

        panels.append(chapman)
    return panels


def _pair(ax: Axes, curves: Beside[Curve], colour: str, label: str) -> None:
    """A curve, and its reference."""
    _points(ax, curves.here, colour, label, "-")
    if curves.reference is not None:
        x, value, stderr = curves.reference.arrays()
        ax.errorbar(x, value, stderr, color="black", ls="--", lw=1.0, capsize=2)


def _points(ax: Axes, curve: Curve, colour: str, label: str, line: str = "") -> None:
    x, value, stderr = curve.arrays()
    ax.errorbar(
        x, value, stderr, color=colour, marker="o", ms=3, ls=line, lw=1.2, capsize=2, label=label
    )


def _floats(values: tuple[float | None, ...]) -> Array:
    return np.array(values, dtype=np.float64)
