"""How the estimate converged, as a figure: every state's F ± σ against what it cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from msgen.orchestrator.history import HistoryPoint
from msgen.orchestrator.plots import STATE_COLOURS


def history_figure(history: Sequence[HistoryPoint], target_kT: float | None = None) -> Figure:
    """Each state's F ± σ against energy evaluations, and below it σ on logarithmic axes.

    A guide falls as 1/√N; the dashed line is the error asked for. Shading marks the phases.
    """
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    names = list(dict.fromkeys(name for p in history for name in p.states))
    for i, name in enumerate(names):
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
        lower.annotate(
            "asked for", (0.01, target_kT), xycoords=("axes fraction", "data"), va="bottom",
            fontsize="small",
        )  # fmt: skip
    _shade_phases((upper, lower), history)
    upper.set_ylabel("F / kT")
    if upper.get_lines():
        upper.legend(frameon=False, loc="best", title="state (± 1 σ)")
    lower.set(xlabel="energy evaluations", ylabel="σ(F) / kT")
    lower.xaxis.set_major_formatter(EngFormatter(sep=""))
    lower.yaxis.set_major_formatter("{x:g}")
    if lower.get_yscale() == "log":  # something was drawn
        lower.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        lower.yaxis.set_minor_formatter(NullFormatter())
    for ax in (upper, lower):
        ax.grid(alpha=0.25)
    return figure


def _shade_phases(panels: Sequence[Axes], history: Sequence[HistoryPoint]) -> None:
    shades = {"explore": "#E69F00", "adapt": "#56B4E9"}
    start = 0
    for i, point in enumerate(history):
        last = i + 1 == len(history)
        if not last and history[i + 1].phase == point.phase:
            continue
        if point.phase in shades:
            x0 = history[start].energy_evaluations
            x1 = history[min(i + 1, len(history) - 1)].energy_evaluations
            for ax in panels:
                ax.axvspan(x0, x1, color=shades[point.phase], alpha=0.1, lw=0)
            panels[0].annotate(
                point.phase, (x0, 1.0), xycoords=("data", "axes fraction"), xytext=(2, -2),
                textcoords="offset points", va="top", fontsize="small", color="#555555",
            )  # fmt: skip
        start = i + 1
