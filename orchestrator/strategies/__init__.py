"""Strategies: what a campaign does next, and what it makes of the result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msgen.orchestrator.base import Strategy
    from msgen.orchestrator.schema import Campaign
    from msgen.orchestrator.strategies.common.inputs import Beside, Problem
    from msgen.systems.base import CVSet, System

__all__ = ["build", "build_probed", "problem_of", "workers_settings"]

# the sections of the campaign file lie in here: what needs torch is imported where it is used


def problem_of(
    campaign: Campaign,
    system: System,
    cvs: CVSet,
    walkers: Path | None = None,
) -> Problem:
    """The campaign as the strategies see it.

    Parameters
    ----------
    campaign : Campaign
    system : System
    cvs : CVSet
    walkers : Path, optional
        Folder of the walkers' files, where the workers write them.

    Raises
    ------
    SpecError
        If a CV has no finite range, so that no surface can be drawn over it.
    """
    import numpy as np

    from msgen.actors.engines.local_kernel import own_timestep
    from msgen.actors.walker_files import Shelf
    from msgen.orchestrator.convergence.base import Criteria
    from msgen.orchestrator.estimators.histogram import Grid
    from msgen.orchestrator.schema.rules import cv_bounds
    from msgen.orchestrator.strategies.common.inputs import Problem
    from msgen.systems.cvs.torch_cvs import coordinate_angles
    from msgen.systems.errors import SpecError
    from msgen.systems.watched import watched

    ranges, bins = [], []
    for name, spec in campaign.cvs.items():
        low, high = (-np.pi, np.pi) if spec.is_periodic else cv_bounds(spec)
        if not np.isfinite([low, high]).all():
            raise SpecError(
                ("cvs", name, "range"),
                None,
                "the surface needs a finite range",
                "Give one, as range: [0.2 nm, 1.5 nm]",
            )
        ranges.append((float(low), float(high)))
        bins.append(int(spec.bins))
    periodic = tuple(bool(p) for p in cvs.periodic)
    start = system.initial()
    gradient = cvs.value_and_gradient(start.positions)[1][0]
    beside = watched(system, cvs)
    return Problem(
        names=cvs.names,
        grid=Grid.regular(
            tuple(ranges), tuple(bins), periodic, tuple(c.reported for c in campaign.cvs.values())
        ),
        boxes=campaign.spec_states(),
        strategy=campaign.spec_strategy(),
        criteria=Criteria(**campaign.converge.model_dump()),
        replicas=campaign.first_replicas,
        seed=campaign.seed,
        start=start,
        start_xi=cvs(start.positions)[0],
        batched=campaign.batched,
        has_atoms=campaign.has_atoms,
        kT=system.kT,
        slopes=gradient**2,
        masses=system.masses,
        coordinates=all(spec.kind == "coordinate" for spec in campaign.cvs.values()),
        angles=coordinate_angles(cvs, system.n_dof),
        stride=campaign.stride,
        timestep=own_timestep(system),
        ends=beside.ends,
        watched_names=beside.names,
        watched_periodic=beside.periodic,
        watched_as_cv=tuple(beside.as_cv),
        unwatched=beside.left_out,
        cis=beside.cis,
        shelf=None if walkers is None else Shelf(walkers),
        surfaces=campaign.surface_columns,
    )


def build(
    campaign: Campaign,
    system: System,
    cvs: CVSet,
    walkers: Path | None = None,
    base_dir: Path = Path(),
) -> Strategy[Any]:
    """The strategy a campaign asks for.

    Parameters
    ----------
    campaign, system, cvs, walkers
        As in `problem_of`.
    base_dir : Path
        The campaign file's folder.

    Raises
    ------
    SpecError
        As in `problem_of`, and if there is no such run as the strategy begins with, or whose model
        goes ahead.
    """
    from msgen.orchestrator.finished_models import explorer_of
    from msgen.orchestrator.strategies.registry import KINDS

    campaign = campaign.strategy.settled(campaign, base_dir, system, cvs)
    problem = _begun(problem_of(campaign, system, cvs, walkers), campaign, base_dir)
    explorer = explorer_of(campaign, base_dir, system, cvs)
    problem = replace(problem, explorer=explorer, beside=_beside(campaign, base_dir))
    return KINDS[campaign.strategy.kind].build(problem, system, campaign)


def build_probed(
    campaign: Campaign,
    system: System,
    cvs: CVSet,
    walkers: Path | None = None,
    base_dir: Path = Path(),
) -> Strategy[Any]:
    """The same, with the probes that every campaign makes beside it."""
    from msgen.orchestrator.strategies.probing.strategy import Probing
    from msgen.orchestrator.strategies.registry import KINDS

    made = build(campaign, system, cvs, walkers, base_dir)
    if KINDS[campaign.strategy.kind].probes_inside:
        return made
    return Probing(problem_of(campaign, system, cvs, walkers), made)


def workers_settings(campaign: Campaign) -> dict[str, Any]:
    """What workers have to know of the strategy, see `msgen.actors.context.WorkerContext`."""
    from msgen.orchestrator.strategies.registry import KINDS

    told: dict[str, Any] = {
        "strategy": campaign.spec_strategy(),
        "model": campaign.spec_model(),
        "seed": campaign.seed,
        "roles": dict(KINDS[campaign.strategy.kind].roles),
    }
    nested = campaign.strategy.nested(campaign)
    beside = {
        name: {
            **workers_settings(one),
            "system": one.spec_system(),
            "cvs": one.spec_cvs(),
            "molecule": name,
        }
        for name, one in campaign.strategy.beside(campaign).items()
    }
    inside = {n: workers_settings(c) for n, c in nested.items()}
    return {**told, "nested": inside, **({"beside": beside} if beside else {})}


def _beside(campaign: Campaign, base_dir: Path) -> dict[str, Beside]:
    """Campaigns of other systems, each with its system and the run that it begins with."""
    from msgen.orchestrator.strategies.common.inputs import Beside
    from msgen.systems import build_cvs, build_system

    found = {}
    for name, one in campaign.strategy.beside(campaign).items():
        spec = one.spec_system()
        # asked for its atoms and box: what steps it is on the workers
        platform = "any" if spec.get("platform") == "auto" else None
        system = build_system(spec, base_dir, platform=platform)
        cvs = build_cvs(one.spec_cvs(), system, base_dir)
        found[name] = Beside(_begun(problem_of(one, system, cvs), one, base_dir), system, one)
    return found


def _begun(problem: Problem, campaign: Campaign, base_dir: Path) -> Problem:
    """With the finished run that the strategy begins with, where it names one."""
    from msgen.orchestrator.finished_runs import begun_with

    return replace(problem, begun_with=begun_with(campaign, base_dir))
