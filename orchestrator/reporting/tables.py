"""The surface as tables: for anybody, for PLUMED's `sum_hills` and for its EXTERNAL."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from msgen.orchestrator.reporting.plumed import bias_lines, fes_lines
from msgen.orchestrator.reporting.results import Result
from msgen.orchestrator.run_directory.atomic_files import write_atomic


def csv_lines(result: Result) -> Iterator[str]:
    """`fes.csv`: one row per bin, the last CV fastest."""
    estimate = result.estimate
    yield ",".join([*(c.column for c in result.header.cvs), "f_kT", "stderr_kT"])
    axes = [np.asarray(estimate.axes[c.name]) for c in result.header.cvs]
    for index in np.ndindex(*estimate.f_kT.shape):
        values = [axis[i] for axis, i in zip(axes, index, strict=True)]
        values += [estimate.f_kT[index], estimate.stderr_kT[index]]
        yield ",".join(f"{v:.9g}" if math.isfinite(v) else "" for v in values)


def write_tables(run_dir: Path, result: Result) -> list[Path]:
    """Write `results/fes.csv`, `fes.dat` and, once a bin was visited, `bias.dat`; their paths.

    Where several surfaces are asked for, each has files of its own, as `fes_phi-psi.csv`.
    """
    folder = Path(run_dir) / "results"
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Iterator[str]] = {}
    for one in result.each_surface:
        end = f"_{'-'.join(one.estimate.axes)}" if result.estimate.surfaces else ""
        tables |= {f"fes{end}.csv": csv_lines(one), f"fes{end}.dat": fes_lines(one)}
        if np.isfinite(one.estimate.f_kT).any():
            tables[f"bias{end}.dat"] = bias_lines(one)
    for name, lines in tables.items():
        write_atomic(folder / name, "\n".join(lines) + "\n")
    return [folder / name for name in tables]
