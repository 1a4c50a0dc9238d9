"""The local samples that a run has stored, with their equilibrium weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msgen.actors.base import bare
from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.reporting.results import Result
from msgen.orchestrator.reporting.samples import Samples
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.strategies.common.reweighting import StoredSamples, by_cells
from msgen.orchestrator.strategies.registry import KINDS


def stored_samples(run_dir: Path, result: Result, campaign: Campaign | None) -> Samples | None:
    """The local samples of a run, None if it holds none.

    Weighed as the strategy of its campaign says; by cells where there is no campaign file any more.
    """
    told = None if campaign is None else told_by(campaign, result)
    strategy = None if told is None else KINDS[told.campaign.strategy.kind]
    store = Store(Path(run_dir) / "store.zarr")
    names = store.names()
    stored = [name.partition("/")[0] for name in names if name.endswith("/cvs")]
    sampled = stored
    if told is not None and strategy is not None:
        sampled = [told.prefix + kind for kind in strategy.samples]
    kind = next((k for k in sampled if k in stored), None)
    if kind is None:
        return None
    xi = np.asarray(store.read(f"{kind}/cvs"), dtype=np.float64)
    rounds, replicas = np.zeros(len(xi), dtype=np.int64), np.zeros(len(xi), dtype=np.int64)
    blocks: dict[tuple[int, int], tuple[int, int]] = {}
    pictures: dict[tuple[int, int], int] = {}
    for rnd, array, replica, start, stop in store.index().tolist():
        if names[array] == f"{kind}/cvs":
            rounds[start:stop], replicas[start:stop] = rnd, replica
            blocks[rnd, replica] = (start, stop)
        elif names[array] == f"{kind}/positions":
            pictures[rnd, replica] = stop - start
    if f"{kind}/replica" in names:  # one order may serve several
        replicas = np.asarray(store.read(f"{kind}/replica")).astype(np.int64)
    cvs = result.header.sampled
    weights = (by_cells if strategy is None else strategy.reweight)(
        StoredSamples(
            kind=bare(kind),
            xi=xi,
            rounds=rounds,
            replicas=replicas,
            produced=_last_production(run_dir, _turns(store, told)),
            names=tuple(cv.name for cv in cvs),
            periodic=np.array([cv.periodic for cv in cvs]),
            regions=result.header.regions,
            estimate=result.estimate,
            columns=frozenset(n.partition("/")[2] for n in names if n.startswith(f"{kind}/")),
            read=lambda name: np.asarray(store.read(f"{kind}/{name}"), dtype=np.float64),
        )
    )
    # samples come replica after replica, and a frame is the last of its replica
    ends = np.append(np.flatnonzero(np.diff(replicas)), len(replicas) - 1)
    rows = [
        row
        for key, (start, stop) in blocks.items()
        if key in pictures
        for row in [*ends[(start <= ends) & (ends < stop - 1)].tolist(), stop - 1]
    ]
    boxes = None
    if pictures and f"{kind}/box" in names:
        boxes = np.asarray(store.read(f"{kind}/box"), dtype=np.float64).reshape(-1, 3, 3)
    return Samples(
        rounds,
        replicas,
        weights,
        xi,
        np.asarray(store.read(f"{kind}/positions"), dtype=np.float64) if pictures else None,
        np.array(rows, dtype=np.int64),
        boxes,
    )


@dataclass(frozen=True)
class Told:
    """The strategy whose samples a result rests on.

    Attributes
    ----------
    campaign : Campaign
        Of that strategy alone.
    prefix : str
        Of its kinds of orders; '' where it is the campaign's own.
    """

    campaign: Campaign
    prefix: str = ""


def told_by(campaign: Campaign, result: Result) -> Told:
    """The campaign itself, or the one inside it that was chosen."""
    name = result.estimate.diagnostics.get("choice", {}).get("kind")
    inside = campaign.strategy.nested(campaign)
    return Told(inside[name], f"{name}.") if name in inside else Told(campaign)


def _turns(store: Store, told: Told | None) -> frozenset[int] | None:
    """Rounds of a strategy that had only some of them; None for all."""
    if told is None or not told.prefix:
        return None
    names = store.names()
    rows = store.index().tolist()
    return frozenset(rnd for rnd, array, *_ in rows if names[array].startswith(told.prefix))


def _last_production(run_dir: Path, turns: frozenset[int] | None = None) -> tuple[int, ...]:
    """Rounds of the produce phase since it began for the last time; none while it has not.

    Of those that are `turns`, where the others are of somebody else.
    """
    out: tuple[int, ...] = ()
    before = ""
    for point in read_history(run_dir):
        if turns is not None and point.round not in turns:
            continue
        if point.phase == "produce":
            out = (*out, point.round) if before == "produce" else (point.round,)
        before = point.phase
    return out
