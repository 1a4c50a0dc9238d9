"""The standard free energy of binding of a result: its number, what it rests on, its figure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from msgen.orchestrator.estimators.binding import (
    MeanForce,
    Span,
    binding_of_profile,
    mean_force,
    shell_volume,
    standard_free_energy,
)
from msgen.orchestrator.reporting.panels import edges_of
from msgen.orchestrator.reporting.plots import STATE_COLOURS, Drawing
from msgen.orchestrator.reporting.results import Result
from msgen.systems.constants import STANDARD_VOLUME

FLAT = 0.1
"""kT; what w may change by in the bulk without a warning, whatever its error."""
SIGMA = 3.0
CALORIE = 4.184


class NoBindingError(ValueError):
    """What keeps a result from telling it; `remedy` says what to do."""

    def __init__(self, value: str, problem: str, remedy: str) -> None:
        self.value, self.problem, self.remedy = value, problem, remedy
        super().__init__(f"{value}: {problem}. {remedy}")


@dataclass(frozen=True)
class Binding:
    """ΔG° at 1 mol/L between two states.

    Attributes
    ----------
    cv : str
        The distance of centres.
    free : (float, float)
        Where the shell begins and ends, nm.
    difference_kT : float
        F(bound) − F(free).
    stderr_kT : float or None
        Of it, and so of `standard_kT`; None where not known.
    standard_kT : float
    of_profile : (float, float)
        The same from the profile alone, and an upper bound on its error.
    force : MeanForce
    kT_kJ_per_mol, temperature_K : float
    ungrounded : tuple of str
        Why no error is known.
    """

    cv: str
    free: Span
    difference_kT: float
    stderr_kT: float | None
    standard_kT: float
    of_profile: tuple[float, float]
    force: MeanForce
    kT_kJ_per_mol: float
    temperature_K: float
    ungrounded: tuple[str, ...]

    @property
    def is_flat(self) -> bool:
        """Whether the two halves of the bulk agree; so far as it is known."""
        error = self.force.drift_error
        bound = FLAT + (SIGMA * error if math.isfinite(error) else 0.0)
        return bool(abs(self.force.drift) <= bound)


def binding_of(result: Result, bound: str, free: str) -> Binding:
    """Read it from a result.

    Raises
    ------
    NoBindingError
        If there are no such states, the free one is no shell of a distance, or F between them, or
        the profile along it, is not told.
    """
    states, regions = result.estimate.states, result.header.regions
    for name in (bound, free):
        if name not in states:
            raise NoBindingError(name, "is no state of it", f"One of: {', '.join(states)}")
    if next(iter(states)) not in (bound, free):
        what = "have an error against each other that is not kept"
        raise NoBindingError(f"{bound}, {free}", what, "Let states: begin with one of them")
    region = regions.get(free, {})
    units = {cv.name: cv.unit for cv in result.header.cvs}
    if len(region) != 1 or units.get(next(iter(region))) != "nm":
        what = "is no range of one distance"
        raise NoBindingError(free, what, "Write it as: free: {r: [1.6 nm, 2 nm]}")
    ((cv, span),) = region.items()
    values, errors = [states[n].f_kT for n in (bound, free)], [
        states[n].stderr_kT for n in (bound, free)
    ]  # fmt: skip
    kT, temperature = result.header.kT_kJ_per_mol, result.header.temperature_K
    if None in values or kT is None or temperature is None:
        what = "have no free energy between them yet"
        raise NoBindingError(f"{bound}, {free}", what, "Go on with the run")
    along = next((s for s in result.each_surface if list(s.estimate.axes) == [cv]), None)
    if along is None:
        what = "has no surface of its own"
        raise NoBindingError(cv, what, f"Ask for it: surfaces: [[{cv}], …]")
    r, f = np.asarray(along.estimate.axes[cv]), along.estimate.f_kT
    home = regions.get(bound, {})
    inner = home[cv] if list(home) == [cv] else (math.nan, math.nan)
    difference = float(values[0] or 0.0) - float(values[1] or 0.0)
    known = [e for e in errors if e is not None]
    return Binding(
        cv,
        span,
        difference,
        max(known) if len(known) == len(errors) else None,
        standard_free_energy(difference, span),
        binding_of_profile(r, f, along.estimate.stderr_kT, inner, span),
        mean_force(r, f, along.estimate.stderr_kT, span),
        kT,
        temperature,
        result.estimate.ungrounded,
    )


def binding_lines(b: Binding, bound: str, free: str) -> list[str]:
    """In words."""
    units = (("kT", 1.0), ("kJ/mol", b.kT_kJ_per_mol), ("kcal/mol", b.kT_kJ_per_mol / CALORIE))
    shown = " = ".join(
        f"{b.standard_kT * scale:.2f}{_error(b.stderr_kT, scale)} {unit}" for unit, scale in units
    )
    volume = shell_volume(b.free)
    correction = math.log(volume / STANDARD_VOLUME)
    low, high = b.free
    shell = f"of which 1 mol/L has {STANDARD_VOLUME:.3f}: {-correction:+.2f} kT"
    lines = [
        f"ΔG° = {shown} (1 mol/L, {b.temperature_K:g} K)",
        f"  F({bound}) − F({free}) = {b.difference_kT:.2f}{_error(b.stderr_kT, 1.0)} kT",
        f"  shell of {b.cv} from {low:g} to {high:g} nm: {volume:.2f} nm³, {shell}",
    ]
    value, error = b.of_profile
    if math.isfinite(value):
        most = f", error at most {error:.2f}" if math.isfinite(error) else ""
        lines.append(f"  by the bins of the profile: {value:.2f} kT{most}")
    drift, error = b.force.drift, b.force.drift_error
    most = f" (error at most {error:.2f})" if math.isfinite(error) else ""
    lines.append(f"  w changes by {drift:+.2f} kT{most} from the shell's inner to its outer half")
    lines += [f"  no error is known: {why}" for why in b.ungrounded]
    if not b.is_flat:
        lines.append(
            "  warning: w is not flat there, so that the molecules still feel each other: "
            f"take {free} further out"
        )
    return lines


def _error(stderr: float | None, scale: float) -> str:
    return " ± not known" if stderr is None else f" ± {stderr * scale:.2f}"


def binding_figure(b: Binding, title: str) -> Figure:
    """The potential of mean force with its band, and the shell in which it is 0."""
    figure = Drawing(figsize=(6.4, 4.2), layout="constrained")
    ax = figure.add_subplot()
    r, w, error = b.force.r, b.force.w, b.force.stderr
    band = "± 1 σ" if np.isfinite(error).any() else "σ not known"
    ax.fill_between(r, w - error, w + error, color=STATE_COLOURS[5], alpha=0.5, lw=0, label=band)
    ax.plot(r, w, color=STATE_COLOURS[0], lw=1.6, label="w = F + kT ln 4πr²")
    ax.axhline(0.0, color="black", lw=0.8)
    ax.axvspan(*b.free, color=STATE_COLOURS[2], alpha=0.12, lw=0, label="free: w = 0")
    edges = edges_of(r)
    ax.set(xlabel=f"{b.cv} / nm", ylabel="w / kT", xlim=(edges[0], edges[-1]))
    ax.grid(alpha=0.25)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    figure.suptitle(title)
    return figure
