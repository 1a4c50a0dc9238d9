"""`msgen project`: another surface of a run, from its weighted samples, with errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from msgen.actors.base import CodecError, Tree, decode
from msgen.orchestrator.base import SurfaceEstimate
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.estimators.marginals import Marginal
from msgen.orchestrator.library.result import run_directory
from msgen.orchestrator.reporting.export import read_samples
from msgen.orchestrator.reporting.results import Result, committed_result
from msgen.orchestrator.reporting.stored_samples import Told, told_by
from msgen.orchestrator.reporting.tables import write_tables
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.schema import Campaign, CampaignError, Problem
from msgen.orchestrator.schema.problems import choose
from msgen.orchestrator.schema.rules import cv_bounds
from msgen.orchestrator.schema.surface_rules import MOST_ALONG, MOST_BINS
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.common.projection import Drawn, projected
from msgen.orchestrator.strategies.registry import KINDS
from msgen.orchestrator.validate import RESOLVED, load_campaign

SAME = 1e-6
"""Relative difference that sums of samples and those of the checkpoint may have."""


def project(directory: Path, along: Sequence[str]) -> tuple[SurfaceEstimate, list[Path]]:
    """The surface along some CVs of a run, and the tables it was written to.

    It is what the campaign would have told had it been asked for: the same samples, weighed by the
    same bias, joined by the same works, with errors by the same blocks.

    Parameters
    ----------
    directory : Path
    along : sequence of str
        CVs of the campaign, three at most.

    Raises
    ------
    CampaignError
        If there is no such CV, nothing counts yet, or the strategy keeps no sums by replica.
    """
    run_dir = run_directory(directory)
    campaign, result = load_campaign(run_dir / RESOLVED), committed_result(run_dir)
    columns = _columns(campaign, along)
    told = told_by(campaign, result)
    production = _production(run_dir, told)
    samples = read_samples(run_dir, result)
    if samples is None or not np.any(samples.weight > 0):
        raise _refused(str(run_dir), "has no samples that count", "Wait until production has begun")
    kind = told.prefix + next(k for k in KINDS[told.campaign.strategy.kind].samples)
    store = Store(run_dir / "store.zarr")
    bias = np.zeros(len(samples.cvs))
    if f"{kind}/log_bias" in store.names():
        bias = np.asarray(store.read(f"{kind}/log_bias"), dtype=np.float64)
    keep = samples.weight > 0
    drawn = Drawn(samples.cvs[keep], bias[keep], samples.replica[keep], samples.round[keep])
    if not drawn.is_what(production, SAME):
        what = "has samples beside its last checkpoint, which do not fit together"
        raise _refused(str(run_dir), what, "Resume the run, or look with: msgen verify")
    periodic = tuple(cv.is_periodic for cv in campaign.cvs.values())
    grid = Grid.regular(
        tuple((-np.pi, np.pi) if cv.is_periodic else cv_bounds(cv) for cv in campaign.cvs.values()),
        tuple(cv.bins for cv in campaign.cvs.values()),
        periodic,
    )
    marginal = Marginal.of(grid, columns)
    stratified = bool(getattr(told.campaign.strategy, "stratify", False))
    found = projected(production, marginal, drawn, periodic, stratified=stratified)
    axes = dict(zip(along, marginal.grid.centres, strict=True))
    error = found.stderr
    if result.estimate.ungrounded:
        error = np.full_like(found.stderr, np.nan)
    surface = SurfaceEstimate(axes, found.f, error)
    return surface, write_tables(run_dir, _alone(result, surface))


def _columns(campaign: Campaign, along: Sequence[str]) -> tuple[int, ...]:
    names = list(campaign.cvs)
    for name in along:
        if name not in names:
            raise _refused(name, "no such CV", choose(name, names), "--along")
    shown = ",".join(along)
    if len(set(along)) < len(along) or not 1 <= len(along) <= MOST_ALONG:
        what = "names a CV twice" if along else "names no CV"
        what = f"is over {len(along)} CVs" if len(along) > MOST_ALONG else what
        raise _refused(shown, what, f"Name one to {MOST_ALONG} different ones", "--along")
    bins = math.prod(campaign.cvs[name].bins for name in along)
    if bins > MOST_BINS:
        remedy = "Name fewer CVs: bins are those of the campaign"
        raise _refused(shown, f"would have {bins:,} bins", remedy, "--along")
    return tuple(names.index(name) for name in along)


def _production(run_dir: Path, told: Told) -> Production:
    """What the last checkpoint has gathered."""
    last = Store(run_dir / "store.zarr").last_round
    state: Tree = Checkpoints(run_dir / "checkpoints").load(last)[1]["strategy"]
    if told.prefix:
        state = state["courses"][told.prefix.rstrip(".")]["state"]
    state = state.get("strategy", state)  # probes are beside it
    what = f"strategy {told.campaign.strategy.kind} keeps no sums by replica to take errors from"
    other = _refused(str(run_dir), what, "Weigh the samples that msgen export writes")
    if "produced" not in state:
        raise other
    if not state["produced"]:
        raise _refused(str(run_dir), "nothing counts yet", "Wait until production has begun")
    try:
        return decode(Production, state["produced"])
    except CodecError:  # sums of another kind, as of windows or temperatures
        raise other from None


def _alone(result: Result, surface: SurfaceEstimate) -> Result:
    """The result as though this were the only surface that was asked for."""
    known = tuple(cv for cv in result.header.sampled if cv.name in surface.axes)
    header = replace(result.header, cvs=known)
    return replace(result, header=header, estimate=replace(result.estimate, surfaces=(surface,)))


def _refused(value: str, what: str, remedy: str, where: str = "DIR") -> CampaignError:
    return CampaignError("command line", [Problem((where,), value, what, remedy)])
