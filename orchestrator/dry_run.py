"""What ``--dry-run`` prints: what a campaign would do, before it does anything."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from msgen.orchestrator.forecast import Forecast
from msgen.orchestrator.memory import Memory
from msgen.orchestrator.schema import REST, units
from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.rules import cv_bounds
from msgen.orchestrator.schema.units import Dimension
from msgen.orchestrator.validate import described

if TYPE_CHECKING:
    from msgen.orchestrator.schema import Campaign
    from msgen.orchestrator.validate import Checked


def plan(checked: Checked) -> str:
    """System, CVs, states, replicas, resources, cost of a round and budget, a line each."""
    given = checked.campaign
    campaign = given.strategy.settled(given, checked.base_dir, checked.system, checked.cvs)
    about, expected = described(checked), Forecast.of(checked)
    rows = [
        ("campaign", f"{campaign.name}, seed {campaign.seed}"),
        ("system", f"{campaign.system.kind}, {checked.system.n_dof} degrees of freedom"),
        *(() if about is None else about.facts.items()),
        *_platform(checked),
        *((f"cv {name}", _cv(checked, name, cv)) for name, cv in campaign.cvs.items()),
        *_surfaces(campaign),
        *_states(campaign),
        ("strategy", f"{campaign.strategy.kind}, local {campaign.strategy.local.kind}"),
        ("model", campaign.model.kind if campaign.uses_model else "none"),
        ("replicas", campaign.strategy.replicas_in_words(campaign)),
        ("workers", _workers(campaign)),
        ("a round", campaign.strategy.round_in_words(campaign)),
        ("memory", Memory.of(campaign, checked.system.n_dof).in_words),
        ("first result", expected.first_result),
        ("budget", _budget(campaign)),
        *zip(("run directory", "warning"), checked.where, strict=False),
        *(("warning", text) for text in (() if about is None else about.warnings)),
        *(("warning", text) for text in expected.warnings()),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _platform(checked: Checked) -> list[tuple[str, str]]:
    """The OpenMM platform and what a step takes on it, measured here and now."""
    if not checked.campaign.through_openmm:
        return []
    from msgen.systems.openmm.system import OpenMMSystem  # which an analytic system needs not

    assert isinstance(checked.system, OpenMMSystem)
    asked = str(checked.campaign.spec_system().get("platform", "auto"))
    if asked == "auto":
        choice = checked.system.fastest_platform()
        speeds = sorted(choice.us_per_step.items(), key=lambda item: item[1])
        measured = ", ".join(f"{name} {us:,.3g} µs a step" for name, us in speeds)
        return [("platform", f"{choice.name}, the fastest here: {measured}")]
    name = checked.system.platform_name
    return [("platform", f"{name}, {checked.system.speed(name):,.3g} µs a step here")]


def _number(value: float, dimension: Dimension) -> str:
    if math.isinf(value):
        return "-∞" if value < 0 else "∞"
    if dimension == "angle":
        return f"{math.degrees(value):.5g} deg"
    return f"{value:.5g} {units.units_of(dimension)[0]}".strip()


def _cv(checked: Checked, name: str, cv: CVSection) -> str:
    low, high = cv_bounds(cv)
    start = checked.cvs(checked.system.initial().positions)[0][checked.cvs.names.index(name)]
    edges = f"{_number(low, cv.dimension)} to {_number(high, cv.dimension)}"
    kind = f"{cv.kind}, {'periodic, ' if cv.is_periodic else ''}{edges}"
    return f"{kind}, {cv.bins} bins, starts at {_number(float(start), cv.dimension)}"


def _surfaces(campaign: Campaign) -> list[tuple[str, str]]:
    """Those that are made, where it is not the one over all CVs."""
    names = list(campaign.cvs)
    each = [", ".join(names[c] for c in columns) for columns in campaign.surface_columns]
    return [("surfaces", "; ".join(each))] if each else []


def _states(campaign: Campaign) -> list[tuple[str, str]]:
    regions = campaign.spec_states()
    if regions is None:
        return [("states", "found while sampling")]
    rows = []
    for state, region in regions.items():
        parts = [
            f"{_number(low, campaign.cvs[cv].dimension)} ≤ {cv} < "
            f"{_number(high, campaign.cvs[cv].dimension)}{' (wraps)' if low > high else ''}"
            for cv, (low, high) in region.items()
        ]
        rows.append((f"state {state}", ", ".join(parts)))
    return [*rows, (f"state {REST}", "everything else")]


def _workers(campaign: Campaign) -> str:
    resources = campaign.resources
    if campaign.executor == "inline":
        return f"this process, {resources.threads} threads"
    count = resources.workers
    if count == "auto":
        here = max(1, (os.cpu_count() or 1) // resources.cpus_per_worker)
        return f"auto ({here} on this machine), {resources.threads} threads each, through Ray"
    return f"{count}, {resources.threads} threads each, through Ray"


def _budget(campaign: Campaign) -> str:
    budget = campaign.budget
    parts = [f"{budget.energy_evaluations:,} energy evaluations"]
    if budget.wall is not None:
        parts.append(f"{budget.wall / 60:.4g} min")
    if budget.rounds is not None:
        parts.append(f"{budget.rounds} rounds")
    return ", ".join(parts) + ", whichever ends first"
