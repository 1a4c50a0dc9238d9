"""What trajectories told of dynamics, as lines of a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from msgen.orchestrator.estimators.dynamics.chapman_kolmogorov import ChapmanKolmogorov
from msgen.orchestrator.estimators.dynamics.judgement import (
    Beside,
    CurveReading,
    Judgement,
    MadeReading,
    SurfaceReading,
)
from msgen.orchestrator.estimators.dynamics.markov import MarkovModel
from msgen.orchestrator.estimators.dynamics.readings import Curve, Reading

T = TypeVar("T")

_SHOWN = 4
"""Lags of a curve that are printed."""
Row = tuple[str, str, str]


def value_of(told: Reading | None) -> str:
    """A number ± its error; a dash, or «not known» for an error, where there is none."""
    if told is None:
        return ""
    return number(told.value, told.stderr)


def number(value: float | None, stderr: float | None) -> str:
    """Digits down to the second one of the error."""
    if value is None:
        return "–"
    if stderr is None or not stderr > 0:
        return f"{value:.4g} ± not known"
    if not 1e-4 <= stderr < 1e5:
        return f"{value:.4g} ± {stderr:.2g}"
    digits = max(0, 1 - _magnitude(stderr))
    return f"{value:.{digits}f} ± {stderr:.{digits}f}"


def _magnitude(x: float) -> int:
    return int(f"{x:e}".partition("e")[2])


def dynamics_lines(told: Judgement) -> list[str]:
    """All of it, a table with a column for the reference where there is one."""
    heads, rows = dynamics_table(told)
    widths = [max(len(row[k]) for row in [heads, *rows]) for k in range(3)]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in [heads, *rows]
    ]
    return [*lines, *(f"note: {text}" for text in dynamics_notes(told))]


def dynamics_table(told: Judgement) -> tuple[Row, list[Row]]:
    """Heads of the columns, and the rows: what, of the trajectories, of the reference."""
    beside = told.extent.reference is not None
    return ("", "trajectories", "reference" if beside else ""), list(_rows(told))


def dynamics_notes(told: Judgement) -> list[str]:
    """What to know of the figures, each once."""
    return list(dict.fromkeys(_notes(told)))


def _rows(told: Judgement) -> Iterator[Row]:
    unit = told.extent.here.unit
    independent = _both(told.extent, lambda e: f"{e.trajectories} ({e.independent})")
    yield ("trajectories (independent)", *independent)
    yield ("time in all", *_both(told.extent, lambda e: f"{e.time:g} {unit}"))
    yield ("a frame every", *_both(told.extent, lambda e: f"{e.stride:g} {unit}"))
    yield from _of_distributions(told)
    for curve in told.autocorrelations:
        yield from _of_curve(f"autocorrelation of {curve.cv} at", curve, unit)
    for title, curves in (
        ("mean squared displacement of", told.displacements),
        ("  the same, begun between cores,", told.transition_displacements),
    ):
        for curve in curves:
            square = {"1": ""}.get(told.units[curve.cv], f" / {told.units[curve.cv]}²")
            yield from _of_curve(f"{title} {curve.cv}{square} at", curve, unit)
    yield from _of_passages(told, unit)
    yield (f"VAMP-2 at {told.lag:g} {unit}", *_both(told.vamp2, value_of))
    yield from _of_markov_model(told, unit)
    if told.validity is not None:
        v = told.validity
        yield (f"share of invalid structures ({v.judged})", value_of(v.share), "")
    for one in told.made:
        yield from _of_made(one, told.units, unit)


def _of_made(one: MadeReading, units: Mapping[str, str], unit: str) -> Iterator[Row]:
    """What else a model was asked for."""
    reference = None if one.extent is None else one.extent.reference
    beside = "" if reference is None else str(reference.trajectories)
    yield (f"made {one.what}: whole; broken", f"{one.paths}; {one.broken}", beside)
    for row in _of_distances(one.surfaces):
        yield (f"  {row[0].strip()}", *row[1:])
    if one.crossing is not None:
        name = f"  windows of {one.crossing.here.length:g} {unit} that cross"
        yield (name, *_both(one.crossing, lambda c: value_of(c.share)))
    for curve in one.autocorrelations:
        yield from _of_curve(f"  autocorrelation of {curve.cv} at", curve, unit)
    for title, curves in (
        ("  mean squared displacement of", one.displacements),
        ("  the same, begun between cores,", one.transition_displacements),
    ):
        for curve in curves:
            square = {"1": ""}.get(units[curve.cv], f" / {units[curve.cv]}²")
            yield from _of_curve(f"{title} {curve.cv}{square} at", curve, unit)


def _of_distributions(told: Judgement) -> Iterator[Row]:
    """How far free energies and densities are from the reference."""
    yield from _of_distances(told.surfaces)
    for one in told.divergences:
        chance = "–" if one.by_chance is None else f"{one.by_chance:.2g}"
        name = f"JSD of {', '.join(one.of)} / nats, {one.bins} bins"
        yield (name, f"{value_of(one.nats)} (chance {chance})", "")


def _of_distances(surfaces: Sequence[SurfaceReading]) -> Iterator[Row]:
    """Of free energies from the reference."""
    for surface in surfaces:
        off = surface.difference
        if off is None:
            continue
        name = f"F({', '.join(surface.cvs)}), RMS difference where below {off.below_kT:g} kT"
        floor = "–" if off.floor_kT is None else f"{off.floor_kT:.3f} kT"
        yield (name, f"{value_of(off.rms_kT)} kT", "")
        yield ("  noise alone; bins; empty ones", f"{floor}; {off.bins}; {off.empty}", "")


def _of_curve(title: str, curve: CurveReading, unit: str) -> Iterator[Row]:
    """A few of its lags."""
    n = len(curve.curves.here.x)
    for k in sorted({round(i * (n - 1) / (_SHOWN - 1)) for i in range(_SHOWN)}):
        at = f"{title} {curve.curves.here.x[k]:g} {unit}"
        yield (at, *_both(curve.curves, partial(_point, k=k)))


def _of_passages(told: Judgement, unit: str) -> Iterator[Row]:
    if told.crossing is not None:
        name = f"windows of {told.crossing.here.length:g} {unit} that cross"
        yield (name, *_both(told.crossing, lambda c: value_of(c.share)))
    for one in told.passages:
        name = f"mean first passage {one.here.start} → {one.here.end} / {unit}"
        yield (name, *_both(one, lambda p: value_of(p.mean_time)))
        ended = _both(one, lambda p: f"{p.finished}; {p.unfinished}")
        yield ("  passages finished; unfinished", *ended)


def _of_markov_model(told: Judgement, unit: str) -> Iterator[Row]:
    models = told.markov
    if models is not None:
        for k, value in enumerate(models.here.time_scales.value):
            if value is not None:
                name = f"time scale {k + 1} of the Markov model / {unit}"
                yield (name, *_both(models, partial(_time_scale, k=k)))
        for name in models.here.populations:
            yield (f"its population of {name}", *_both(models, partial(_population, name=name)))
    if told.chapman_kolmogorov is not None:
        verdict = _both(told.chapman_kolmogorov, _verdict)
        yield (f"Markov at {told.lag:g} {unit} (Chapman–Kolmogorov)", *verdict)


def _both(told: Beside[T], of: Callable[[T], str]) -> tuple[str, str]:
    return of(told.here), "" if told.reference is None else of(told.reference)


def _point(curve: Curve, k: int) -> str:
    return number(curve.value[k], curve.stderr[k])


def _time_scale(model: MarkovModel, k: int) -> str:
    return _point(model.time_scales, k)


def _population(model: MarkovModel, name: str) -> str:
    return value_of(model.populations[name])


def _verdict(told: ChapmanKolmogorov | None) -> str:
    if told is None:
        return "trajectories are too short to say"
    if told.markov is None or told.gap is None:
        return "not known"
    gap = f"probabilities off by up to {told.gap:.2g}"
    if told.gap_in_errors is not None:
        gap += f", {told.gap_in_errors:.1f} σ"
    return f"{'yes' if told.markov else 'no'}: {gap}"


def _notes(told: Judgement) -> Iterator[str]:
    yield from told.notes
    for one in told.made:
        yield from (f"made {one.what}: {note}" for note in one.notes)
    for passages in told.passages:
        for p in (passages.here, passages.reference):
            if p is not None and p.mean_time.why:
                yield f"{p.start} → {p.end}: {p.mean_time.why}"
    if told.crossing is None:
        yield "no passages: name two states or more as cores, in the CV file or with --states"
    elif told.crossing.here.share.why:
        yield f"windows: {told.crossing.here.share.why}"
    tested = told.chapman_kolmogorov
    if tested is not None and tested.here is not None and tested.here.markov is False:
        yield "not Markov in these CVs at this lag: the model's figures are off"
