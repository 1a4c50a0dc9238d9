"""Two results of one system beside each other: differences, their errors, and what each cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msgen.orchestrator.base import Array
from msgen.orchestrator.reporting.history import HistoryPoint
from msgen.orchestrator.reporting.results import Region, Result

BELOW = 8.0
"""kT; bins higher than this in either are left out of what is said of surfaces."""
APART = 3.0
"""Standard errors beyond which two free energies are said to differ."""


class NotComparableError(ValueError):
    """What keeps two results from being held against each other; `remedy` says what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}. {remedy}")


@dataclass(frozen=True)
class Compared:
    """One of the two.

    Attributes
    ----------
    name : str
        What it is called in the table.
    result : Result
    history : sequence of HistoryPoint
        Empty of what was imported.
    """

    name: str
    result: Result
    history: Sequence[HistoryPoint]

    @property
    def error(self) -> float | None:
        """Largest error of any state, kT; None where one is not known."""
        return self.result.estimate.largest_error

    @property
    def before(self) -> int:
        """Energy evaluations before production, when nothing counted yet."""
        other = [p.energy_evaluations for p in self.history if p.phase in ("explore", "adapt")]
        return max(other, default=0)

    def evaluations_to(self, error: float) -> float | None:
        """Energy evaluations to an error of its states, from σ ∝ 1/√N of production.

        What came before production is paid once. None where there is no error, or no cost.
        """
        total, mine = self.result.cost.energy_evaluations, self.error
        if not total or not mine:
            return None
        return self.before + (total - self.before) * (mine / error) ** 2


@dataclass(frozen=True)
class StateDifference:
    """F of a state in both, against the first state, kT; None where not known.

    Attributes
    ----------
    state : str
    values, errors : tuple
    same : bool
        Whether it, and the first, are the same region in both. Of found states each run has its
        own.
    """

    state: str
    values: tuple[float | None, float | None]
    errors: tuple[float | None, float | None]
    same: bool = True

    @property
    def difference(self) -> float | None:
        """The second less the first."""
        a, b = self.values
        return None if a is None or b is None else b - a

    @property
    def deviations(self) -> float | None:
        """The difference in its standard errors, those of independent runs."""
        a, b = self.errors
        if self.difference is None or a is None or b is None or not a + b > 0:
            return None
        return self.difference / math.hypot(a, b)


@dataclass(frozen=True)
class SurfaceDifference:
    """A surface that both have, on the same bins.

    Attributes
    ----------
    both : tuple of Result
        As though it were the only one.
    difference : Array
        The second less the first where both know it, kT, on the level that their populations agree
        best on.
    rms_kT, expected_kT : float or None
        Of it below `BELOW`, and what the errors of both make of it.
    """

    both: tuple[Result, Result]
    difference: Array
    rms_kT: float
    expected_kT: float | None

    @property
    def cvs(self) -> tuple[str, ...]:
        """Names of its CVs."""
        return tuple(self.both[0].estimate.axes)


@dataclass(frozen=True)
class Comparison:
    """Both results.

    Attributes
    ----------
    both : tuple of Compared
    states : tuple of StateDifference
        But the first, which is 0 in both.
    surfaces : tuple of SurfaceDifference
    """

    both: tuple[Compared, Compared]
    states: tuple[StateDifference, ...]
    surfaces: tuple[SurfaceDifference, ...]

    @property
    def error(self) -> float | None:
        """The larger of both errors: what both have reached."""
        errors = [c.error for c in self.both]
        return None if None in errors else max(e for e in errors if e is not None)


def compare(one: Compared, other: Compared) -> Comparison:
    """Hold two results against each other.

    Raises
    ------
    NotComparableError
        For other CVs, another temperature, or another first state.
    """
    a, b = one.result, other.result
    if [(c.name, c.periodic, c.unit) for c in a.header.cvs] != [
        (c.name, c.periodic, c.unit) for c in b.header.cvs
    ]:
        names = [", ".join(c.name for c in r.header.cvs) for r in (a, b)]
        what = f"have other CVs: {names[0]} and {names[1]}"
        raise NotComparableError(what, "Compare runs along the same CVs")
    if a.header.temperature_K != b.header.temperature_K:
        shown = " and ".join(f"{r.header.temperature_K} K" for r in (a, b))
        what = f"are at {shown}"
        raise NotComparableError(what, "F in kT is of one temperature: run both at the same")
    firsts = [next(iter(r.estimate.states), None) for r in (a, b)]
    if firsts[0] != firsts[1]:
        what = f"have other first states, {firsts[0]} and {firsts[1]}, which F is told against"
        raise NotComparableError(what, "Write states: in both campaigns, in the same order")
    common = [name for name in a.estimate.states if name in b.estimate.states][1:]
    states = tuple(
        StateDifference(
            name,
            (a.estimate.states[name].f_kT, b.estimate.states[name].f_kT),
            (a.estimate.states[name].stderr_kT, b.estimate.states[name].stderr_kT),
            all(_same_region(a, b, one) for one in (firsts[0], name)),
        )
        for name in common
    )
    theirs = {tuple(r.estimate.axes): r for r in b.each_surface}
    pairs = [(r, theirs[key]) for r in a.each_surface if (key := tuple(r.estimate.axes)) in theirs]
    found = [_surface(*pair) for pair in pairs]
    return Comparison((one, other), states, tuple(s for s in found if s is not None))


def _same_region(a: Result, b: Result, state: str | None) -> bool:
    """Whether a state is the same boxes in both; one without a box is what all others leave."""
    mine, theirs = a.header.regions, b.header.regions
    if state in mine or state in theirs:
        return _same_box(mine.get(state or "", {}), theirs.get(state or "", {}))
    return mine.keys() == theirs.keys() and all(_same_box(mine[n], theirs[n]) for n in mine)


def _same_box(one: Region, other: Region) -> bool:
    return one.keys() == other.keys() and all(np.allclose(one[cv], other[cv]) for cv in one)


def _surface(a: Result, b: Result) -> SurfaceDifference | None:
    """None where the bins differ, or none is known to both."""
    f, g = a.estimate.f_kT, b.estimate.f_kT
    both_axes = zip(a.estimate.axes.values(), b.estimate.axes.values(), strict=True)
    if f.shape != g.shape or not all(np.allclose(x, y) for x, y in both_axes):
        return None
    low = np.isfinite(f) & np.isfinite(g) & (f < BELOW) & (g < BELOW)
    if not low.any():
        return None
    # by population: a bin that nobody is in sets no level
    weight = np.exp(-0.5 * (f[low] + g[low]))
    difference = g - f
    difference = difference - np.average(difference[low], weights=weight)
    rms = float(np.sqrt(np.mean(difference[low] ** 2)))
    errors = a.estimate.stderr_kT[low] ** 2 + b.estimate.stderr_kT[low] ** 2
    known = bool(np.isfinite(errors).all())
    return SurfaceDifference(
        (a, b), difference, rms, float(np.sqrt(errors.mean())) if known else None
    )


def comparison_lines(c: Comparison, error: float | None = None) -> list[str]:
    """The table in words; `error` in kT is what evaluations are told to, else what both have."""
    asked = c.error if error is None else error
    width = max(len(one.name) for one in c.both)
    lines = []
    for one in c.both:
        cost = one.result.cost.energy_evaluations
        spent = f"{cost:,} energy evaluations, {one.before:,} before production" if cost else (
            "no cost known"
        )  # fmt: skip
        reached = "error not known" if one.error is None else f"states to ±{one.error:.3f} kT"
        lines.append(f"{one.name:{width}}  {one.result.status}: {reached}; {spent}")
        lines += [f"{'':{width}}  no error is known: {w}" for w in one.result.estimate.ungrounded]
    for state in c.states:
        shown = [_value(f, e) for f, e in zip(state.values, state.errors, strict=True)]
        said = f"ΔF({state.state}): {shown[0]} and {shown[1]}"
        if state.difference is not None:
            said += f", {state.difference:+.3f} kT apart"
        if state.deviations is not None:
            far = abs(state.deviations)
            said += f", {far:.1f} σ" + (": they differ" if far > APART and state.same else "")
        if not state.same:
            said += "; but the states are other regions in each"
        lines.append(said)
    for surface in c.surfaces:
        expected = surface.expected_kT
        by_errors = "" if expected is None else f", {expected:.3f} of it by their errors"
        along = ", ".join(surface.cvs)
        apart = f"{surface.rms_kT:.3f} kT apart (RMS){by_errors}"
        lines.append(f"F({along}) below {BELOW:g} kT: {apart}")
    if not c.surfaces:
        lines.append("surfaces: on other bins, or nowhere both known")
    if asked is not None:
        lines += _costs(c, asked, width)
    return lines


def _costs(c: Comparison, asked: float, width: int) -> list[str]:
    needed = [one.evaluations_to(asked) for one in c.both]
    lines = [f"energy evaluations to ±{asked:.3f} kT, by σ ∝ 1/√N of production:"]
    for one, n in zip(c.both, needed, strict=True):
        lines.append(f"  {one.name:{width}}  {'not known' if n is None else f'{n:,.0f}'}")
    a, b = needed
    if a and b:
        fewer = c.both[0 if a < b else 1].name
        lines.append(f"  {fewer} takes {max(a, b) / min(a, b):.2f} times fewer")
    return lines


def _value(f: float | None, error: float | None) -> str:
    if f is None:
        return "not known"
    return f"{f:.3f}" + ("" if error is None else f" ± {error:.3f}")
