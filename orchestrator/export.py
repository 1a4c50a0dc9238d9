"""What other programs read: tables of the surface, weighted samples, a trajectory."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.partition import Partition
from msgen.orchestrator.base import Array
from msgen.orchestrator.files import write_atomic
from msgen.orchestrator.history import read_history
from msgen.orchestrator.results import Result, read_result, write_tables
from msgen.orchestrator.schema.problems import CampaignError, Problem
from msgen.orchestrator.store import Store
from msgen.systems.errors import SpecError


def committed_result(run_dir: Path) -> Result:
    """What `read_result` gives, for the command line.

    Raises
    ------
    CampaignError
        If no round has been committed yet, or another version of msgen wrote the result.
    """
    try:
        return read_result(run_dir)
    except (FileNotFoundError, SpecError) as error:
        remedy = "Wait for the first round, or give another run directory"
        problem = Problem(("DIR",), str(run_dir), str(error), remedy)
        raise CampaignError("command line", [problem]) from None


def sample_weights(result: Result, labels: NDArray[np.int64], names: tuple[str, ...]) -> Array:
    """Equilibrium weights of samples that are in equilibrium inside their states; they sum to 1.

    .. math:: w_i = P_{s(i)} / n_{s(i)}, \\qquad P_s = e^{-F_s} / \\sum_t e^{-F_t}

    so that how many samples each state was given plays no part. Over a chain that visits all states
    by itself they are uniform up to its own error.

    Parameters
    ----------
    labels : int array, shape (n,)
        Index into `names`; a state without a free energy, and −1, weigh nothing.
    """
    weights = np.zeros(len(labels))
    for k, name in enumerate(names):
        state = result.estimate.states.get(name)
        members = labels == k
        if state is not None and state.f_kT is not None and members.any():
            weights[members] = np.exp(-state.f_kT) / members.sum()
    total = weights.sum()
    return weights / total if total > 0 else weights


def export(run_dir: Path) -> list[Path]:
    """Write what a run has for other programs; returns the paths.

    - ``results/fes.csv`` and ``results/fes.dat``, the surface with its error;
    - ``results/samples.npz`` and ``results/samples.csv``, the local samples: round, replica,
      equilibrium weight (0 before the produce phase) and CVs in internal units; the npz holds all
      other arrays stored with them too;
    - ``trajectories/samples.dcd``, for molecules whose coordinates were stored: the same rows.

    Raises
    ------
    CampaignError
        If no round has been committed yet.
    """
    run_dir = Path(run_dir)
    result = committed_result(run_dir)
    written = write_tables(run_dir, result)
    if not (run_dir / "store.zarr").is_dir():
        return written
    columns = read_samples(run_dir, result)
    if columns is None:
        return written
    folder = run_dir / "results"
    content = io.BytesIO()
    np.savez_compressed(content, **columns)
    write_atomic(folder / "samples.npz", content.getvalue())
    written.append(folder / "samples.npz")
    names = [f"{c.name}_{c.unit}" for c in result.header.cvs]
    rows = [",".join(["round", "replica", "weight", *names])]
    for rnd, replica, weight, xi in zip(
        columns["round"], columns["replica"], columns["weight"], columns["cvs"], strict=True
    ):
        rows.append(",".join([str(rnd), str(replica), f"{weight:.9g}", *(f"{v:.9g}" for v in xi)]))
    write_atomic(folder / "samples.csv", "\n".join(rows) + "\n")
    written.append(folder / "samples.csv")
    # coordinates in nm come with a molecule only
    if "positions" in columns and result.header.kT_kJ_per_mol is not None:
        written.append(_write_dcd(run_dir / "trajectories" / "samples.dcd", columns["positions"]))
    return written


def read_samples(run_dir: Path, result: Result) -> dict[str, Any] | None:
    """The local samples of a run in the order of the store, None if it holds none.

    Returns
    -------
    dict
        ``round``, ``replica``, ``weight``, each shape (n,); ``cvs``, shape (n, C); and what else
        was stored for every sample, by its name there.
    """
    store = Store(Path(run_dir) / "store.zarr")
    all_names = store.names()
    if "sample/cvs" not in all_names:
        return None
    xi = np.asarray(store.read("sample/cvs"), dtype=np.float64)
    n = len(xi)
    rounds, replicas = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for rnd, array, replica, start, stop in store.index():
        if all_names[array] == "sample/cvs":
            rounds[start:stop], replicas[start:stop] = rnd, replica
    produced = [p.round for p in read_history(run_dir) if p.phase == "produce"]
    counted = np.isin(rounds, produced)
    header = result.header
    partition = Partition.from_boxes(
        header.regions, [c.name for c in header.cvs], np.array([c.periodic for c in header.cvs])
    )
    if header.regions:
        labels = np.where(counted, partition.assign(xi), -1)
        weights = sample_weights(result, labels, partition.names)
    else:
        weights = counted / max(1, counted.sum())
    columns: dict[str, Any] = {
        "round": rounds, "replica": replicas, "weight": weights, "cvs": xi
    }  # fmt: skip
    for name in all_names:
        kind, _, short = name.partition("/")
        if kind == "sample" and short not in columns:
            values = store.read(name)
            if len(values) == n:
                columns[short] = values
    return columns


def _write_dcd(path: Path, positions: NDArray[np.generic]) -> Path:
    from mdtraj.formats import DCDTrajectoryFile  # a second to import, needed here only

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    with DCDTrajectoryFile(str(aside), "w", force_overwrite=True) as out:
        frames = np.asarray(positions, dtype=np.float32).reshape(len(positions), -1, 3)
        out.write(10.0 * frames)  # DCD is in Å
    os.replace(aside, path)
    return path
