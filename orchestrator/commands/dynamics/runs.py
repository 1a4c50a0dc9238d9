"""Trajectories of collective variables from a run directory: what each replica stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msgen.orchestrator.commands.dynamics.sections import Regions
from msgen.orchestrator.commands.dynamics.settings import wrong
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.strategies.base import StrategyKind
from msgen.orchestrator.strategies.registry import KINDS


@dataclass(frozen=True, eq=False)
class Run:
    """What a run directory has of dynamics.

    Attributes
    ----------
    data : Trajectories
        Of the CVs it stored, weighed as its estimates weigh them.
    sections : dict of str to CVSection
    states : Regions
        Named in its campaign.
    notes : tuple of str
        What kernel made them, and what else did.
    """

    data: Trajectories
    sections: dict[str, CVSection]
    states: Regions
    notes: tuple[str, ...]


def read_run(path: Path) -> Run:
    """The samples of production by replica, all there are where production has not begun.

    Of a strategy that leaves its replicas to the local moves (`StrategyKind.runs_on`) those of
    consecutive orders are one trajectory; of any other each order is, and pieces of one replica are
    no independent trajectories.

    Raises
    ------
    CampaignError
        If it is no run directory, or holds no samples yet.
    """
    from msgen.orchestrator.library.result import run_directory
    from msgen.orchestrator.reporting.export import read_samples
    from msgen.orchestrator.reporting.results import committed_result
    from msgen.orchestrator.validate import RESOLVED, load_campaign

    run_dir = run_directory(path)
    campaign, result = load_campaign(run_dir / RESOLVED), committed_result(run_dir)
    samples = read_samples(run_dir, result)
    if samples is None or not len(samples.weight):
        raise wrong("DATA", str(path), "holds no samples yet", "Let the campaign run first")
    notes = []
    weight = samples.weight
    if not (weight > 0).any():
        notes.append("production has not begun: all samples count, and count alike")
        weight = np.ones(len(weight))
    kind = KINDS[campaign.strategy.kind]
    order = np.lexsort((np.arange(len(weight)), samples.round, samples.replica))
    replica, rnd = samples.replica[order], samples.round[order]
    parts = np.diff(replica) != 0
    parts |= (np.diff(rnd) > 1) if kind.runs_on else (np.diff(rnd) != 0)
    runs = [r for r in np.split(order, np.flatnonzero(parts) + 1) if (weight[r] > 0).any()]
    # what is before production, or a copy, stands at the ends
    kept = [
        r[np.flatnonzero(weight[r] > 0)[0] : np.flatnonzero(weight[r] > 0)[-1] + 1] for r in runs
    ]
    cvs = result.header.sampled
    stride, unit, told = _clock(campaign, kind)
    return Run(
        Trajectories(
            tuple(samples.cvs[r] for r in kept),
            tuple(cv.name for cv in cvs),
            tuple(cv.periodic for cv in cvs),
            stride,
            unit,
            tuple(weight[r] / weight.max() for r in kept),
            member=np.array([samples.replica[r[0]] for r in kept], dtype=np.int64),
        ),
        dict(campaign.cvs),
        campaign.spec_states() or {},
        tuple(f"{run_dir.name}: {note}" for note in (*notes, *told)),
    )


def _clock(campaign: Campaign, kind: StrategyKind) -> tuple[float, str, tuple[str, ...]]:
    """Time between stored samples, its unit, and what made them, in words."""
    local = campaign.strategy.local
    timestep = campaign.spec_strategy()["local"].get("timestep")
    told = f"kernel: {local.kind} of strategy {campaign.strategy.kind}"
    if not kind.runs_on:
        between = "a bias, or moves that are no dynamics, stand between its frames"
        why = f"{told}; {between}, so that each order is a piece of its own and times mean little"
        return 1.0, "frames", (why,)
    stride, unit = campaign.frame_spacing
    if timestep is None:
        told += f", a frame every {campaign.stride} of its moves"
    else:
        dimension = " ps" if campaign.has_units else ""
        told += f", timestep {timestep:g}{dimension}, a frame every {campaign.stride} steps"
    own = "times are those of this kernel"
    if not kind.keeps_velocities:
        own += ", which draws velocities anew at the beginning of orders"
    return stride, unit, (told, own)
