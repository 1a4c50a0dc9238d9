"""Whether a campaign has converged, and in words what is missing if not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pair = tuple[str, str]

MOST_STUCK = 3
"""Windows that are named one by one where their walkers differ."""


@dataclass(frozen=True)
class Criteria:
    """What `converge:` asks for; None asks for nothing.

    Attributes
    ----------
    state_error : float
        Largest standard error of any state's free energy, kT.
    surface_error : float or None
        Largest RMS standard error of the surface over visited bins lower than `below`, both kT.
    below : float
    r_hat : float or None
        Largest split R̂ of any CV.
    ess : float or None
        Least number of effective samples.
    round_trips : int
        Least number of round trips between every two states, where replicas are free to move.
    overlap : float
        Least overlap of forward and reverse work for every pair used, where they are stratified.
    """

    state_error: float = 0.1
    surface_error: float | None = 0.2
    below: float = 8.0
    r_hat: float | None = 1.05
    ess: float | None = 100.0
    round_trips: int = 10
    overlap: float = 0.03


@dataclass(frozen=True)
class Passages:
    """How often replicas left a state, and how often one that had left it came back."""

    left: int
    returned: int


def judge(
    criteria: Criteria,
    *,
    state_errors: Mapping[str, float | None],
    surface_f: Array,
    surface_err: Array,
    r_hat: Mapping[str, float],
    ess: float,
    stratified: bool,
    round_trips: Mapping[Pair, int] | None = None,
    passages: Mapping[str, Passages] | None = None,
    overlaps: Mapping[Pair, float] | None = None,
) -> tuple[bool, tuple[str, ...]]:
    """Hold what is known against what is asked; all of it must hold.

    Parameters
    ----------
    criteria : Criteria
    state_errors : Mapping of state name to float or None
        Standard errors in kT; None or NaN where unknown. The state that the others are measured
        against has 0.
    surface_f, surface_err : Array, grid shape
        Surface and its standard error in kT, NaN where never visited.
    r_hat : Mapping of CV name to float
        Where replicas are stratified: the worst over states of R̂ inside each.
    ess : float
        Effective samples, over the worst state where replicas are stratified.
    stratified : bool
        Whether replicas are kept in their states and joined by works between pairs; if not, each
        moves over all states by itself.
    round_trips : Mapping of two state names to int
        Needed where not stratified.
    passages : Mapping of state name to Passages
        Needed where not stratified: a state never left and re-entered is never converged.
    overlaps : Mapping of two state names to float
        Of every pair used; needed where stratified, and they must join all states.

    Returns
    -------
    converged : bool
    unmet : tuple of str
        Every reason against, with its numbers.
    """
    unmet = large_errors(criteria, state_errors) + rough_surface(criteria, surface_f, surface_err)
    if criteria.r_hat is not None:
        if not r_hat:
            unmet.append("split R̂ unknown")
        unmet += [
            f"{cv}: split R̂ {shown(value, 3)}, asked {criteria.r_hat:g}"
            for cv, value in r_hat.items()
            if not value <= criteria.r_hat
        ]
    if criteria.ess is not None and not ess >= criteria.ess:
        unmet.append(f"effective samples {shown(ess, 0)}, asked {criteria.ess:g}")
    names = list(state_errors)
    if len(names) < 2:
        unmet.append(f"only {len(names)} state known: there is no difference to converge")
    if stratified:
        unmet += _overlaps(criteria, names, overlaps or {})
    else:
        unmet += _transitions(criteria, names, round_trips or {}, passages or {})
    return not unmet, tuple(unmet)


def judge_windows(
    criteria: Criteria,
    *,
    state_errors: Mapping[str, float | None],
    surface_f: Array,
    surface_err: Array,
    ess: float,
    stuck: Sequence[str],
    gaps: Sequence[str],
    independent: bool,
    round_trips: int | None,
) -> tuple[bool, tuple[str, ...]]:
    """The same for umbrella windows.

    Parameters
    ----------
    criteria, state_errors, surface_f, surface_err
        As in `judge`.
    ess : float
        Effective samples of the worst window, by its slowest observable; NaN where unknown.
    stuck : sequence of str
        Windows whose walkers differ, in words.
    gaps : sequence of str
        Neighbours without overlap, in words.
    independent : bool
        Whether the walkers of a window have seeds of their own. Where all descend from one start
        they may agree in what is wrong; then they must travel.
    round_trips : int or None
        Of walkers between the ends of their ladder; None where windows do not exchange.
    """
    unmet = [*gaps]
    if not independent and round_trips is None:
        unmet.append(
            "all walkers descend from one start and windows do not exchange, so that their "
            "agreement proves nothing: take seeds: model, or exchange: on"
        )
    elif not independent and round_trips is not None and round_trips < criteria.round_trips:
        what = f"{round_trips} round trips of walkers between the ends of the windows"
        unmet.append(f"{what}, asked {criteria.round_trips} where they descend from one start")
    # errors mean nothing across a gap, or where walkers are stuck: these are told first
    unmet += list(stuck[:MOST_STUCK])
    if len(stuck) > MOST_STUCK:
        unmet.append(f"and {len(stuck) - MOST_STUCK} more windows or observables like this")
    unmet += large_errors(criteria, state_errors) + rough_surface(criteria, surface_f, surface_err)
    if criteria.ess is not None and not ess >= criteria.ess:
        unmet.append(f"effective samples {shown(ess, 0)}, asked {criteria.ess:g} in every window")
    if len(state_errors) < 2:
        unmet.append("only 1 state known: there is no difference to converge")
    return not unmet, tuple(unmet)


def judge_ladders(
    criteria: Criteria,
    *,
    state_errors: Mapping[str, float | None],
    surface_f: Array,
    surface_err: Array,
    r_hat: Mapping[str, float],
    ess: float,
    gaps: Mapping[str, float],
    round_trips: int,
) -> tuple[bool, tuple[str, ...]]:
    """The same for ladders of temperatures.

    Parameters
    ----------
    criteria, state_errors, surface_f, surface_err
        As in `judge`.
    r_hat : Mapping of str to float
        Of every observable, between ladders that never exchange with one another.
    ess : float
        Effective samples of the slowest observable.
    gaps : Mapping of str to float
        Share of accepted exchanges between neighbouring temperatures; `Criteria.overlap` at least.
    round_trips : int
        Of walkers between the lowest and the highest temperature.
    """
    unmet = large_errors(criteria, state_errors) + rough_surface(criteria, surface_f, surface_err)
    if criteria.r_hat is not None:
        unmet += [
            f"{cv}: split R̂ {shown(value, 3)}, asked {criteria.r_hat:g}"
            for cv, value in r_hat.items()
            if not value <= criteria.r_hat
        ]
    if criteria.ess is not None and not ess >= criteria.ess:
        unmet.append(f"effective samples {shown(ess, 0)}, asked {criteria.ess:g}")
    unmet += [
        f"{name}: {shown(value)} of the exchanges accepted, asked {criteria.overlap:g}"
        for name, value in gaps.items()
        if not value >= criteria.overlap
    ]
    if round_trips < criteria.round_trips:
        what = f"{round_trips} round trips of walkers between the lowest and highest temperature"
        unmet.append(f"{what}, asked {criteria.round_trips}")
    if len(state_errors) < 2:
        unmet.append("only 1 state known: there is no difference to converge")
    return not unmet, tuple(unmet)


def shown(value: float, digits: int = 2) -> str:
    """A number, or that it is unknown."""
    return "unknown" if np.isnan(value) else f"{value:.{digits}f}"


def large_errors(criteria: Criteria, errors: Mapping[str, float | None]) -> list[str]:
    """States whose error is larger than asked, in words."""
    out = []
    for name, error in errors.items():
        value = float("nan") if error is None else error
        if not value <= criteria.state_error:
            kT = " kT" if np.isfinite(value) else ""
            out.append(f"{name}: error {shown(value)}{kT}, asked {criteria.state_error:.2f}")
    return out


def rough_surface(criteria: Criteria, f: Array, err: Array) -> list[str]:
    """What is wrong with the errors of the surface, in words."""
    if criteria.surface_error is None:
        return []
    with np.errstate(invalid="ignore"):
        low = np.isfinite(f) & (f <= criteria.below)
    if not low.any():
        return [f"surface: no bin below {criteria.below:g} kT visited"]
    unknown = int(np.count_nonzero(~np.isfinite(err[low])))
    if unknown:
        return [f"surface: error unknown in {unknown} bins below {criteria.below:g} kT"]
    rms = float(np.sqrt(np.mean(err[low] ** 2)))
    if rms <= criteria.surface_error:
        return []
    asked = f"asked {criteria.surface_error:.2f}"
    return [f"surface below {criteria.below:g} kT: RMS error {rms:.2f} kT, {asked}"]


def _overlaps(criteria: Criteria, names: list[str], overlaps: Mapping[Pair, float]) -> list[str]:
    out = [
        f"{a} to {b}: overlap of forward and reverse work {shown(value, 3)}, "
        f"asked {criteria.overlap:g}"
        for (a, b), value in overlaps.items()
        if not value >= criteria.overlap
    ]
    reached = set(names[:1])
    for _ in names:
        reached |= {x for pair in overlaps for x in pair if reached & set(pair)}
    out += [f"{name}: no works join it to {names[0]}" for name in names if name not in reached]
    return out


def _transitions(
    criteria: Criteria,
    names: list[str],
    round_trips: Mapping[Pair, int],
    passages: Mapping[str, Passages],
) -> list[str]:
    out = []
    for name in names:
        seen = passages.get(name, Passages(0, 0))
        if seen.left == 0:
            out.append(f"{name}: never left")
        elif seen.returned == 0:
            out.append(f"{name}: left {seen.left} times but never re-entered")
    for i, b in enumerate(names):
        for a in names[:i]:
            trips = round_trips.get((a, b), round_trips.get((b, a), 0))
            if trips < criteria.round_trips:
                out.append(f"{a} to {b}: {trips} round trips, asked {criteria.round_trips}")
    return out
