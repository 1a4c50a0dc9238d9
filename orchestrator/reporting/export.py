"""What other programs read: tables of the surface, weighted samples, a trajectory."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from msgen.orchestrator.reporting.plumed import colvar_lines
from msgen.orchestrator.reporting.results import Result, committed_result
from msgen.orchestrator.reporting.samples import Samples
from msgen.orchestrator.reporting.stored_samples import stored_samples
from msgen.orchestrator.reporting.tables import write_tables
from msgen.orchestrator.reporting.trajectories import write_frames
from msgen.orchestrator.run_directory import provenance
from msgen.orchestrator.run_directory.atomic_files import write_atomic
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.validate import RESOLVED, load_campaign
from msgen.systems.ase.description import elements_of


def read_samples(run_dir: Path, result: Result) -> Samples | None:
    """The local samples of a run, see `stored_samples`."""
    return stored_samples(run_dir, result, _campaign(run_dir))


def export(run_dir: Path) -> list[Path]:
    """Write what a run has for other programs; returns the paths.

    - ``results/fes.csv`` and ``results/fes.dat``, the surface with its error, and
      ``results/bias.dat``, which PLUMED's EXTERNAL reads;
    - ``results/samples.npz`` and ``results/samples.csv``, the local samples: round, replica,
      equilibrium weight (0 where a sample is not in the estimates) and CVs in internal units;
      ``results/COLVAR``, those that weigh anything, for PLUMED;
    - ``trajectories/frames.dcd``, for molecules whose coordinates were stored, and beside it
      ``frames.csv`` with the same columns, a row for each frame, and ``frames.pdb``, which says
      what the atoms are and which box they are in; ``frames.xyz`` for what a calculator of ASE's
      computes.

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
    colvar = run_dir / "results" / "COLVAR"
    write_atomic(colvar, "\n".join(colvar_lines(result, samples)) + "\n")
    written.append(colvar)
    # coordinates in nm come with a molecule only
    if samples.frames is not None and result.header.kT_kJ_per_mol is not None:
        folder = run_dir / "trajectories"
        folder.mkdir(exist_ok=True)
        shown = {name: column[samples.frame_rows] for name, column in samples.columns.items()}
        total = shown["weight"].sum()
        shown["weight"] = shown["weight"] / total if total > 0 else shown["weight"]
        campaign = _campaign(run_dir)
        system = {} if campaign is None else campaign.spec_system()
        simulated = provenance.read(run_dir).get("simulated", {})
        elements = elements_of(simulated) if system.get("kind") == "ase" else ()
        written += write_frames(folder, samples.frames, system, elements, samples.boxes)
        written.append(_write_csv(folder / "frames.csv", result, shown))
    return written


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
