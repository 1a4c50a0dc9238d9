"""What a steered campaign must agree on: its path, its replicas, its model and its CVs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema import units
from msgen.orchestrator.schema.dimensions import width_problems
from msgen.orchestrator.schema.problems import Path, Problem
from msgen.orchestrator.strategies.common.exploration_schema import explore_problems

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.steered.schema import PathSpec, Steered
    from msgen.systems.base import CVSet, System

_PATH: Path = ("strategy", "path")
_SCHEME: Path = (*_PATH, "scheme")
_TESTED = ("symmetric", "coin_flip")
"""Schemes whose steps at fixed λ may be Metropolised."""


def steered_problems(campaign: Campaign, strategy: Steered) -> Iterator[Problem]:
    """Everything about its paths, its strata and its search, in the order of the file."""
    yield from _path(strategy.path, len(campaign.cvs))
    yield from _steps(campaign, strategy)
    yield from width_problems(
        campaign.cvs, strategy.path.width, (*_PATH, "width"), list(campaign.cvs)
    )
    if strategy.stratify and campaign.state_names is not None:
        n = len(campaign.state_names)
        if campaign.first_replicas < n:
            what = f"too few for {n} states (the rest is one) with strategy.stratify on"
            yield Problem(("replicas",), campaign.first_replicas, what, f"Take at least {n}")
    yield from explore_problems(campaign, strategy.explore, not strategy.stratify)


def label_problems(campaign: Campaign, strategy: Steered) -> Iterator[Problem]:
    """Strata need a model with a label, as steps of a dynamics do."""
    if strategy.proposal.kind == "dynamics" and not campaign.model.context:
        what = "holds one density, and strategy.proposal needs one for each place in CV space"
        yield Problem(("model", "kind"), campaign.model.kind, what, "Take spline_flow")
    elif strategy.stratify and not campaign.model.context:
        what = "cannot hold one density for each state"
        remedy = "Take spline_flow, or stratify: off"
        yield Problem(("model", "kind"), campaign.model.kind, what, remedy)


def _steps(campaign: Campaign, strategy: Steered) -> Iterator[Problem]:
    """What steps of a learnt dynamics ask of the moves that it is learnt from."""
    if strategy.proposal.kind == "independence":
        return
    if strategy.stratify:
        what = "keeps each replica in its state, where no dynamics that goes to another is seen"
        yield Problem(("strategy", "stratify"), True, f"{what} (proposal)", "Write stratify: off")
    if strategy.flatten > 0:
        what = "biases the local moves, and the dynamics to be learnt (proposal) is that without"
        flatten = units.to_text(strategy.flatten, "free_energy")
        yield Problem(("strategy", "flatten"), flatten, what, "Write flatten: 0 kT")
    if strategy.path.profile not in ("auto", 0):
        what = "weighs paths as if their ends lay anywhere, and those of a dynamics lie near"
        remedy = "Write profile: off, or remove it"
        yield Problem((*_PATH, "profile"), strategy.path.profile, what, remedy)
    for i, lag in enumerate(strategy.proposal.lags):
        where = ("strategy", "proposal", "lags", i)
        if lag % campaign.stride:
            what = f"is no multiple of the {campaign.stride} steps between two readings"
            yield Problem(where, lag, what, "Take a multiple, or another output.stride")
        if lag > strategy.local.steps // 2:
            what = f"is more than half of the {strategy.local.steps} steps of a stretch of local "
            remedy = "Take longer stretches (strategy.local.steps), or a shorter lag"
            yield Problem(where, lag, f"{what}moves", remedy)


def _path(path: PathSpec, n_cvs: int) -> Iterator[Problem]:
    """Settings of a path that contradict each other."""
    if path.inner == "metropolised" and path.scheme not in _TESTED:
        what = f"is not for the scheme {path.scheme}, which books the error of its steps as work"
        remedy = "Write inner: unadjusted, or take scheme: symmetric or coin_flip"
        yield Problem((*_PATH, "inner"), path.inner, what, remedy)
    if path.scheme != "extended" and path.width != "auto":
        what = f"does nothing: the scheme {path.scheme} holds the CVs exactly at λ"
        yield Problem((*_PATH, "width"), str(path.width), what, "Remove it")
    bare = path.friction != "auto" and path.friction.value == 0.0
    if path.scheme == "asymmetric" and bare and path.dynamics == "inertial":
        what = "is too little for the scheme asymmetric, whose steps need a density"
        yield Problem((*_PATH, "friction"), 0.0, what, "Give one above 0, or dynamics: overdamped")
    if path.profile not in ("auto", 0) and n_cvs > 1:
        what = f"is for one CV, and there are {n_cvs}"
        yield Problem((*_PATH, "profile"), path.profile, what, "Write profile: off, or remove it")


def exact_path_problems(
    campaign: Campaign, strategy: Steered, system: System, cvs: CVSet
) -> list[Problem]:
    """Why CVs cannot be moved exactly as `strategy.path.scheme` wants it; empty where they can."""
    if strategy.path.scheme == "extended":
        return []
    # torch comes with it
    from msgen.actors.kernels.switching.level_sets import level_sets

    scheme = strategy.path.scheme
    if campaign.through_openmm:
        # OpenMM is there, the system being one of its own
        from msgen.systems.openmm.system import OpenMMSystem

        assert isinstance(system, OpenMMSystem)
        made = system.openmm_system
        rigid = made.getNumConstraints()
        if rigid:
            what = f"does not go with the {rigid} rigid bonds of this molecule"
            remedy = "Write system.constraints: None with a shorter timestep, or scheme: extended"
            return [Problem(_SCHEME, scheme, what, remedy)]
        if system.has_sites:
            what = "does not go with virtual sites"
            return [Problem(_SCHEME, scheme, what, "Take scheme: extended")]
    levels = level_sets(cvs, system.masses)
    if scheme != "moving" and not levels.movable:
        what = "needs linear CVs or one distance"
        return [Problem(_SCHEME, scheme, what, "Take scheme: moving or extended")]
    if scheme == "asymmetric" and not levels.linear:
        return [Problem(_SCHEME, scheme, "needs linear CVs", "Take symmetric or coin_flip")]
    return []
