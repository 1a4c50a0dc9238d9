"""What fields of a campaign must agree on with each other."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema import units
from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.dimensions import plain, wrong_dimension
from msgen.orchestrator.schema.model_rules import model_problems
from msgen.orchestrator.schema.problems import MISSING, Path, Problem, choose
from msgen.orchestrator.schema.surface_rules import surface_problems
from msgen.orchestrator.schema.units import Dimension, Quantity
from msgen.orchestrator.strategies.common.local_rules import local_problems
from msgen.systems.kinds import CV_KINDS

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

_WORD = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_STATE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")
_ROUND_OFF = 1e-9
MOST_CELLS = 20_000
"""Of the product grid that borders of states make: a walker's share of each is known."""
_FULL = 2 * math.pi


def cross_problems(campaign: Campaign) -> list[Problem]:
    """Everything that no single field can know, in the order of the file."""
    return [
        *_cvs(campaign),
        *_states(campaign),
        *_strategy(campaign),
        *_rest(campaign),
    ]


def _cvs(campaign: Campaign) -> Iterator[Problem]:
    if not campaign.cvs:
        yield Problem(("cvs",), {}, "no CV is given", "Name one: phi: {kind: dihedral, …}")
    elif not any(cv.reported for cv in campaign.cvs.values()):
        first = next(iter(campaign.cvs))
        what = "no CV is reported, so there is no surface"
        yield Problem(("cvs", first, "reported"), False, what, "Leave out reported: false of one")
    if campaign.extend == "auto" and (why := campaign.strategy.extends) is not None:
        what = f"is no use with strategy.kind: {campaign.strategy.kind}: {why}"
        yield Problem(("cvs", "extend"), "auto", what, "Write extend: off, or take steered")
    yield from surface_problems(campaign)
    for name, cv in campaign.cvs.items():
        here: Path = ("cvs", name)
        if not _WORD.match(name):
            yield Problem(here, name, "is no name for a CV", "Use letters, digits and _")
        of = CV_KINDS[cv.kind].of
        if campaign.has_atoms and of == "coordinates":
            remedy = "Take one that does not depend on how the molecule lies, as dihedral or rmsd"
            yield Problem((*here, "kind"), cv.kind, "is for analytic systems", remedy)
        if not campaign.has_atoms and of == "atoms":
            remedy = f"{campaign.system.kind} has no atoms: take {{kind: coordinate, index: 0}}"
            yield Problem((*here, "kind"), cv.kind, "is for molecules", remedy)
            continue
        yield from _range((*here, "range"), cv)


def _range(path: Path, cv: CVSection) -> Iterator[Problem]:
    if cv.range is None:
        if not all(math.isfinite(edge) for edge in cv.bounds):
            example = {"length": "[0.2 nm, 2 nm]", "angle": "[0 deg, 90 deg]"}
            remedy = f"Give [low, high] of the surface: {example.get(cv.dimension, '[-2, 2]')}"
            yield Problem(path, MISSING, "is missing for a CV that is not periodic", remedy)
        return
    if cv.is_periodic:
        shown = [plain(q) for q in cv.range]
        yield Problem(path, shown, "a periodic CV spans its whole period", "Remove the range")
        return
    yield from _interval(path, cv.range, cv, bounds=cv.bounds)


def _interval(
    path: Path,
    interval: tuple[Quantity, Quantity],
    cv: CVSection,
    bounds: tuple[float, float],
) -> Iterator[Problem]:
    """Units, order and bounds of [low, high] along one CV."""
    wrong = [
        p for i, q in enumerate(interval) if (p := wrong_dimension((*path, i), q, cv.dimension))
    ]
    if wrong:
        if len(wrong) == 2 and wrong[0].problem == wrong[1].problem:
            shown = [plain(q) for q in interval]
            wrong = [Problem(path, shown, wrong[0].problem, f"{wrong[0].remedy}, both ends")]
        yield from wrong
        return
    low, high = (q.value for q in interval)
    shown = [plain(q) for q in interval]
    if low == high or (low > high and not cv.is_periodic):
        what = "is empty" if low == high else "low is above high"
        yield Problem(path, shown, what, "Write [low, high] with low below high")
        return
    for i, value in enumerate((low, high)):
        if not bounds[0] - _ROUND_OFF <= value <= bounds[1] + _ROUND_OFF:
            edges = " to ".join(say(b, cv.dimension) for b in bounds)
            remedy = f"Allowed: {edges}"
            if cv.is_periodic:
                remedy += "; a region over ±180 deg is written [170 deg, -170 deg]"
            yield Problem((*path, i), plain(interval[i]), "lies outside the CV's range", remedy)


def say(value: float, dimension: Dimension) -> str:
    """A number along a CV with its unit; angles in degrees."""
    if dimension == "angle":
        return f"{math.degrees(value):.6g} deg"
    unit = units.units_of(dimension)[0]
    return "any" if math.isinf(value) else f"{value:.6g} {unit}".strip()


def cv_bounds(cv: CVSection) -> tuple[float, float]:
    """Where a state may lie along a CV: its range if it has one, or all it can take.

    Finite for every CV of a valid campaign; also the range of the surface's grid.
    """
    return (
        cv.bounds if cv.range is None or cv.is_periodic else (cv.range[0].value, cv.range[1].value)
    )


def _states(campaign: Campaign) -> Iterator[Problem]:
    if campaign.states is None:
        return
    if not campaign.states:
        yield Problem(("states",), {}, "no state is given", "Name one, or leave states out")
    sound = []
    borders: dict[str, set[float]] = {name: set() for name in campaign.cvs}
    for region in campaign.states.values():
        for cv_name, interval in region.items():
            borders.get(cv_name, set()).update(q.value for q in interval)
    cells = math.prod(len(found) + 1.0 for found in borders.values())
    if cells > MOST_CELLS:
        what = f"their borders cut CV space into {cells:,.0f} cells, more than {MOST_CELLS:,}"
        remedy = "Let fewer CVs limit them, or take the same borders along a CV for all of them"
        yield Problem(("states",), list(campaign.states), what, remedy)
    for name, region in campaign.states.items():
        here: Path = ("states", name)
        found = list(_state(campaign, here, name, region))
        yield from found
        if not found:
            sound.append(name)
    for a, b in itertools.combinations(sound, 2):
        if _overlap(campaign, a, b):
            remedy = "Move a border: every configuration belongs to one state"
            yield Problem(("states", b), MISSING, f"overlaps with state {a!r}", remedy)


def _state(
    campaign: Campaign, here: Path, name: str, region: dict[str, tuple[Quantity, Quantity]]
) -> Iterator[Problem]:
    if not _STATE.match(name):
        yield Problem(here, name, "is no name for a state", "Use letters, digits, _ . + -")
    if name == "rest":
        yield Problem(here, name, "is what no other state holds", "Take another name")
    if not region:
        yield Problem(here, region, "no CV limits it", "Write e.g. {phi: [0 deg, 130 deg]}")
    for cv_name, interval in region.items():
        cv = campaign.cvs.get(cv_name)
        if cv is None:
            what = "no CV's name fits it" if set("*?[") & set(cv_name) else "no such CV"
            yield Problem((*here, cv_name), MISSING, what, choose(cv_name, campaign.cvs))
        elif campaign.has_atoms or CV_KINDS[cv.kind].of != "atoms":
            yield from _interval((*here, cv_name), interval, cv, cv_bounds(cv))


def _overlap(campaign: Campaign, a: str, b: str) -> bool:
    """Two boxes meet if they meet along every CV; one that names no interval spans it all."""
    assert campaign.states is not None
    one, two = campaign.states[a], campaign.states[b]
    for name, cv in campaign.cvs.items():
        if name in one and name in two:
            parts = itertools.product(*(_parts(r[name], cv.is_periodic) for r in (one, two)))
            if not any(max(p[0], q[0]) < min(p[1], q[1]) - _ROUND_OFF for p, q in parts):
                return False
    return True


def _parts(interval: tuple[Quantity, Quantity], periodic: bool) -> list[tuple[float, float]]:
    low, high = (q.value for q in interval)
    if periodic and low > high:
        return [(low, _FULL / 2), (-_FULL / 2, high)]
    return [(low, high)]


def _strategy(campaign: Campaign) -> Iterator[Problem]:
    yield from local_problems(campaign)
    yield from campaign.strategy.problems(campaign)
    for where, value, dimension in campaign.strategy.timed():
        if isinstance(value, Quantity):
            needed: Dimension = dimension if campaign.has_units else "number"
            wrong = wrong_dimension(where, value, needed)
            if wrong:
                yield wrong


def _rest(campaign: Campaign) -> Iterator[Problem]:
    yield from model_problems(campaign)
    pressure = getattr(campaign.system, "pressure", None)
    if pressure is not None and not campaign.strategy.resizes:
        what = f"is not for strategy.kind: {campaign.strategy.kind}, whose boxes do not change"
        remedy = "Remove it, or take steered, umbrella, parallel_tempering or local"
        yield Problem(("system", "pressure"), units.to_text(pressure, "pressure"), what, remedy)
    if campaign.output.trajectory == "dcd" and not campaign.has_atoms:
        what = f"{campaign.system.kind} has no atoms to write"
        yield Problem(("output", "trajectory"), "dcd", what, "Write trajectory: none")
    if campaign.output.walkers == "files" and not campaign.has_atoms:
        what = f"{campaign.system.kind} has walkers of a few numbers"
        yield Problem(("output", "walkers"), "files", what, "Write walkers: auto")
    steps, stride = campaign.strategy.local.steps, campaign.output.stride
    if stride != "auto" and stride > steps:
        what = f"is more than the {steps} steps of strategy.local.steps, so nothing would be stored"
        yield Problem(("output", "stride"), stride, what, f"Take at most {steps}, or auto")
