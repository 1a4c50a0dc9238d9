"""What other programs read: tables of the surface, weighted samples, a trajectory."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Array
from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.reporting.results import Result, committed_result, write_tables
from msgen.orchestrator.reporting.samples import Samples
from msgen.orchestrator.reporting.trajectories import write_frames
from msgen.orchestrator.run_directory.atomic_files import write_atomic
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.validate import RESOLVED, load_campaign


def sample_weights(f_kT: Array, labels: NDArray[np.int64], log_bias: Array) -> Array:
    r"""Equilibrium weights of samples drawn inside cells under a bias; they sum to 1.

    .. math:: w_i ∝ e^{-F_{c(i)}} \, e^{-b_i} / \sum_{j ∈ c(i)} e^{-b_j}

    so that how many samples each cell was given plays no part. Over chains that visit all cells by
    themselves, without a bias, they are uniform up to the chains' own error.

    Parameters
    ----------
    f_kT : Array, shape (L,)
        Free energies of the cells, NaN where not known.
    labels : int array, shape (n,)
        Cell of each sample; −1, and a cell without a free energy, weigh nothing.
    log_bias : Array, shape (n,)
        b: the samples' density in their cell is ∝ ρ* exp(b).
    """
    counted = (labels >= 0) & np.isfinite(np.where(labels >= 0, f_kT[labels], np.nan))
    cell, b = labels[counted], log_bias[counted]
    lowest = np.full(len(f_kT), np.inf)
    np.minimum.at(lowest, cell, b)
    share = np.exp(lowest[cell] - b)
    total = np.bincount(cell, share, minlength=len(f_kT))
    weights = np.zeros(len(labels))
    weights[counted] = np.exp(np.nanmin(f_kT) - f_kT[cell]) * share / total[cell]
    weights /= max(float(weights.sum()), float(np.finfo(np.float64).tiny))
    return weights


def _cells(result: Result, xi: Array) -> tuple[Array, NDArray[np.int64]]:
    """F of cells inside which all samples are drawn alike, and each sample's cell.

    The states where the campaign names them; where they were found, the bins of the surface.
    """
    cvs, estimate = result.header.cvs, result.estimate
    if result.header.regions:
        partition = Partition.from_boxes(
            result.header.regions, [c.name for c in cvs], np.array([c.periodic for c in cvs])
        )
        known = [estimate.states.get(name) for name in partition.names]
        f = [np.nan if s is None or s.f_kT is None else s.f_kT for s in known]
        return np.array(f, dtype=np.float64), partition.assign(xi)
    index, inside = [], np.isfinite(xi).all(axis=1)
    for x, cv in zip(np.nan_to_num(xi).T, cvs, strict=True):
        axis = np.asarray(estimate.axes[cv.name])
        width = (axis[-1] - axis[0]) / max(len(axis) - 1, 1) or 1.0
        i = np.rint((x - axis[0]) / width).astype(np.int64)
        i = i % len(axis) if cv.periodic else i
        inside &= (i >= 0) & (i < len(axis))
        index.append(np.clip(i, 0, len(axis) - 1))
    flat = np.ravel_multi_index(tuple(index), estimate.f_kT.shape)
    return estimate.f_kT.ravel(), np.where(inside, flat, -1)


def _mixture(result: Result, xi: Array) -> Array:
    """ln Σ_k N_k e^{f_k − E_k(ξ)} of umbrella windows; NaN where their f_k are unknown."""
    told = result.estimate.diagnostics.get("umbrella")
    if told is None:
        return np.full(len(xi), np.nan)
    g = Conditional(np.array(told["kappa"]), np.array([c.periodic for c in result.header.cvs]))
    shares = np.log(np.array(told["samples"])) + np.array(told["f_kT"])
    terms = [s - g.energy(np.array(c), xi) for s, c in zip(shares, told["centres"], strict=True)]
    return np.asarray(logsumexp(terms, axis=0))


def _heated_mixture(result: Result, energy: Array) -> Array:
    """ln Σ_k N_k e^{f_k − (1/τ_k − 1) U} of all temperatures; NaN where f_k are unknown."""
    told = result.estimate.diagnostics.get("tempering", {})
    if "f_kT" not in told:
        return np.full(len(energy), np.nan)
    shares = np.log(np.array(told["samples"])) + np.array(told["f_kT"])
    bias = 1.0 / np.array(told["tau"]) - 1.0
    return np.asarray(logsumexp(shares[:, None] - bias[:, None] * energy, axis=0))


def read_samples(run_dir: Path, result: Result) -> Samples | None:
    """The local samples of a run, None if it holds none."""
    store = Store(Path(run_dir) / "store.zarr")
    names = store.names()
    kinds = ("draw", "sample", "walk", "target", "umbrella", "temper", "bias")
    kind = next((k for k in kinds if f"{k}/cvs" in names), None)
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
    produced = [p.round for p in read_history(run_dir) if p.phase == "produce"]
    counted = np.isin(rounds, produced)
    bias = np.zeros(len(xi))
    if f"{kind}/log_bias" in names:
        bias = np.asarray(store.read(f"{kind}/log_bias"), dtype=np.float64)
    f_kT, cells = _cells(result, xi)
    if kind == "draw":
        # one density for all, that of the frozen model
        f_kT, cells = np.zeros(1), np.zeros(len(xi), dtype=np.int64)
        bias = -np.asarray(store.read("draw/log_weight"), dtype=np.float64)
    if kind in ("umbrella", "temper"):
        # one ensemble over all windows or temperatures, their mixture
        f_kT, cells = np.zeros(1), np.zeros(len(xi), dtype=np.int64)
        name = "umbrella" if kind == "umbrella" else "tempering"
        if kind == "umbrella":
            bias = _mixture(result, xi)
        else:
            bias = _heated_mixture(result, np.asarray(store.read("temper/energy")))
        left_out = int(result.estimate.diagnostics.get(name, {}).get("rounds_left_out", 0))
        counted = np.isin(rounds, produced[left_out:]) & np.isfinite(bias)
    # +∞: another isomer of the molecule
    counted &= np.isfinite(bias)
    weights = sample_weights(f_kT, np.where(counted, cells, -1), bias)
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
      equilibrium weight (0 before the produce phase) and CVs in internal units;
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
        resolved = run_dir / RESOLVED
        system = load_campaign(resolved).spec_system() if resolved.is_file() else {}
        written += write_frames(folder, samples.frames, system)
        written.append(_write_csv(folder / "frames.csv", result, shown))
    return written


def _write_csv(path: Path, result: Result, columns: dict[str, Any]) -> Path:
    names = [c.column for c in result.header.cvs]
    rows = [",".join(["round", "replica", "weight", *names])]
    for rnd, replica, weight, xi in zip(
        columns["round"], columns["replica"], columns["weight"], columns["cvs"], strict=True
    ):
        rows.append(",".join([str(rnd), str(replica), f"{weight:.9g}", *(f"{v:.9g}" for v in xi)]))
    write_atomic(path, "\n".join(rows) + "\n")
    return path
