"""What other programs read: tables of the surface, weighted samples, a trajectory."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.reporting.results import Result, committed_result, write_tables
from msgen.orchestrator.reporting.samples import Samples
from msgen.orchestrator.reporting.trajectories import write_frames
from msgen.orchestrator.run_directory.atomic_files import write_atomic
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.strategies.common.reweighting import StoredSamples, by_cells
from msgen.orchestrator.strategies.registry import KINDS
from msgen.orchestrator.validate import RESOLVED, load_campaign


def read_samples(run_dir: Path, result: Result) -> Samples | None:
    """The local samples of a run, None if it holds none.

    Weighed as its strategy says; by cells where there is no campaign file any more.
    """
    campaign = _campaign(run_dir)
    strategy = None if campaign is None else KINDS[campaign.strategy.kind]
    store = Store(Path(run_dir) / "store.zarr")
    names = store.names()
    stored = [name.partition("/")[0] for name in names if name.endswith("/cvs")]
    sampled = stored if strategy is None else strategy.samples
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
            kind=kind,
            xi=xi,
            rounds=rounds,
            replicas=replicas,
            produced=_last_production(run_dir),
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
    return Samples(
        rounds,
        replicas,
        weights,
        xi,
        np.asarray(store.read(f"{kind}/positions"), dtype=np.float64) if pictures else None,
        np.array(rows, dtype=np.int64),
    )


def export(run_dir: Path) -> list[Path]:
    """Write what a run has for other programs; returns the paths.

    - ``results/fes.csv`` and ``results/fes.dat``, the surface with its error;
    - ``results/samples.npz`` and ``results/samples.csv``, the local samples: round, replica,
      equilibrium weight (0 where a sample is not in the estimates) and CVs in internal units;
    - ``trajectories/frames.dcd``, for molecules whose coordinates were stored, and beside it
      ``frames.csv`` with the same columns, a row for each frame; ``frames.pdb`` for particles.

    Raises
    ------
    CampaignError
        If no round has been committed yet.
    """
    run_dir = Path(run_dir)
    result = committed_result(run_dir)
    written = write_tables(run_dir, result)
    samples = read_samples(run_dir, result) if (run_dir / "store.zarr").is_dir() else None
    if samples is None:
        return written
    content = io.BytesIO()
    np.savez_compressed(content, **samples.columns)
    write_atomic(run_dir / "results" / "samples.npz", content.getvalue())
    written.append(run_dir / "results" / "samples.npz")
    written.append(_write_csv(run_dir / "results" / "samples.csv", result, samples.columns))
    # coordinates in nm come with a molecule only
    if samples.frames is not None and result.header.kT_kJ_per_mol is not None:
        folder = run_dir / "trajectories"
        folder.mkdir(exist_ok=True)
        shown = {name: column[samples.frame_rows] for name, column in samples.columns.items()}
        total = shown["weight"].sum()
        shown["weight"] = shown["weight"] / total if total > 0 else shown["weight"]
        campaign = _campaign(run_dir)
        system = {} if campaign is None else campaign.spec_system()
        written += write_frames(folder, samples.frames, system)
        written.append(_write_csv(folder / "frames.csv", result, shown))
    return written


def _last_production(run_dir: Path) -> tuple[int, ...]:
    """Rounds of the produce phase since it began for the last time; none while it has not."""
    out: tuple[int, ...] = ()
    for point in read_history(run_dir):
        begins = bool(out) and point.round > out[-1] + 1
        if point.phase == "produce":
            out = (point.round,) if begins else (*out, point.round)
    return out


def _campaign(run_dir: Path) -> Campaign | None:
    resolved = run_dir / RESOLVED
    return load_campaign(resolved) if resolved.is_file() else None


def _write_csv(path: Path, result: Result, columns: dict[str, Any]) -> Path:
    names = [c.column for c in result.header.sampled]
    rows = [",".join(["round", "replica", "weight", *names])]
    for rnd, replica, weight, xi in zip(
        columns["round"], columns["replica"], columns["weight"], columns["cvs"], strict=True
    ):
        rows.append(",".join([str(rnd), str(replica), f"{weight:.9g}", *(f"{v:.9g}" for v in xi)]))
    write_atomic(path, "\n".join(rows) + "\n")
    return path
