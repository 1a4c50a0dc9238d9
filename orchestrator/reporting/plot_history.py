"""How the estimate converged, as a figure: every state's F ± σ against what it cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from msgen.orchestrator.reporting.history import HistoryPoint
from msgen.orchestrator.reporting.plots import STATE_COLOURS


def history_figure(history: Sequence[HistoryPoint], target_kT: float | None = None) -> Figure:
    """Each state's ΔF ± σ to the first against energy evaluations, and σ on logarithmic axes.

    A guide falls as 1/√N; the dashed line is the error asked for. Shading marks the phases.
    """
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    names = list(dict.fromkeys(name for p in history for name in p.states))
    for i, name in enumerate(names):
        if i == 0 and len(names) > 1:
            continue  # 0 by definition: it would only take the others' room
        known = [(p.energy_evaluations, p.states[name]) for p in history if name in p.states]
        rows = [
            (n, s.f_kT, math.nan if s.stderr_kT is None else s.stderr_kT)
            for n, s in known
            if s.f_kT is not None
        ]
        if not rows:
            continue
        x, f, err = np.array(rows, dtype=np.float64).T
        colour = STATE_COLOURS[i % len(STATE_COLOURS)]
        upper.fill_between(x, f - err, f + err, color=colour, alpha=0.25, lw=0)
        upper.plot(x, f, color=colour, lw=1.5, marker="o", ms=2.5, label=name)
        shown = np.isfinite(err) & (err > 0)
        if shown.any():
            lower.loglog(x[shown], err[shown], color=colour, lw=1.5, marker="o", ms=2.5)
            lower.loglog(
                x[shown],
                err[shown][-1] * np.sqrt(x[shown][-1] / x[shown]),
                color=colour,
                lw=0.8,
                ls=":",
            )
    if target_kT is not None and lower.get_lines():
        lower.axhline(target_kT, color="black", lw=1, ls="--")
        low, high = lower.get_ylim()
        lower.set_ylim(low, high * 1.25)  # room for the word
        lower.annotate(
            "asked for", (0.01, target_kT), xycoords=("axes fraction", "data"), va="bottom",
            fontsize="small",
        )  # fmt: skip
    _shade_phases((upper, lower), history)
    reference = f"ΔF to {names[0]}" if len(names) > 1 else "F"
    upper.set_ylabel(f"{reference} / kT (± 1 σ)")
    if upper.get_legend_handles_labels()[0]:
        upper.legend(framealpha=0.9, edgecolor="none", loc="best")
    lower.set(xlabel="energy evaluations", ylabel="σ(F) / kT")
    number_ticks(lower)
    for ax in (upper, lower):
        ax.grid(alpha=0.25)
    return figure


def number_ticks(ax: Axes) -> None:
    """Ticks of counts along x and of errors along y that can be read, whatever they span."""
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter("{x:g}")
    if ax.get_yscale() == "log":  # something was drawn
        for axis in (ax.xaxis, ax.yaxis):
            low, high = axis.get_view_interval()
            subs = (1, 2, 5) if high > 5 * low else range(1, 10)
            axis.set_major_locator(LogLocator(subs=subs))
        ax.yaxis.set_minor_formatter(NullFormatter())


def _shade_phases(panels: Sequence[Axes], history: Sequence[HistoryPoint]) -> None:
    """Colour what was spent before production; a round spans from its predecessor's count."""
    begun = 0.8 * history[0].energy_evaluations if history else 0.0  # an axis may be logarithmic
    for phase, colour in (("explore", "#E69F00"), ("adapt", "#56B4E9")):
        label: str | None = phase
        for before, point in pairwise([None, *history]):
            if point is not None and point.phase == phase:
                x0 = begun if before is None else before.energy_evaluations
                for ax in panels:
                    ax.axvspan(
                        x0, point.energy_evaluations, color=colour, alpha=0.12, lw=0, label=label
                    )
                label = None
