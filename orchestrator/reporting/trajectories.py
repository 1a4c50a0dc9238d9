"""Stored configurations as trajectory programs read them: frames, the box, the atoms."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from msgen.orchestrator.base import Array
from msgen.orchestrator.run_directory.atomic_files import write_atomic
from msgen.systems.kinds import PARTICLE_KINDS

if TYPE_CHECKING:
    from msgen.systems.openmm.structure import Molecule


def write_frames(
    folder: Path, frames: Array, system: Mapping[str, Any], elements: Sequence[str] = ()
) -> list[Path]:
    """Write ``frames.dcd``; where no file says what its atoms are also ``frames.pdb``.

    A molecule's atoms stand in the structure file that its campaign names. Alkanes have none, and
    neither have particles in reduced units, whose box never changes: their frames carry it, the
    solute whole in its middle.

    Parameters
    ----------
    folder : Path
    frames : Array, shape (m, 3N)
        nm.
    system : Mapping
        The campaign's `system:` section, internal units.
    elements : sequence of str
        Of the atoms, of a system of ASE's: there is ``frames.xyz`` then, in Å, which ASE reads.
    """
    x = np.array(frames, dtype=np.float64).reshape(len(frames), -1, 3)
    if system.get("kind") == "alkane":
        from msgen.systems.openmm.alkanes import Alkane

        alkane = Alkane(int(system["carbons"])).molecule()
        dcd = _write_dcd(folder / "frames.dcd", x, None)
        return [dcd, _write_pdb(folder / "frames.pdb", x[0], alkane)]
    if system.get("kind") not in PARTICLE_KINDS:
        written = [_write_dcd(folder / "frames.dcd", x, None)]
        return written + ([_write_xyz(folder / "frames.xyz", x, elements)] if elements else [])
    # OpenMM comes with it
    from msgen.systems.openmm.build_particles import particles

    molecule = particles(system).molecule("compact")
    assert molecule.box is not None
    sides = np.diag(molecule.box)
    # discs in a plane stay in it
    flat = molecule.free is not None and not molecule.free[:, 2].any()
    axes = 2 if flat else 3
    x[..., :axes] = centred(x[..., :axes], sides[:axes], molecule.topology.residue(0).n_atoms)
    return [
        _write_dcd(folder / "frames.dcd", x, sides),
        _write_pdb(folder / "frames.pdb", x[0], molecule),
    ]


def centred(x: Array, sides: Array, solute: int) -> Array:
    """Frames with the solute in the middle of the box and every other particle inside.

    Parameters
    ----------
    x : Array, shape (m, N, d)
        The solute whole.
    sides : Array, shape (d,)
        Of the rectangular box.
    solute : int
        Atoms of the solute, the first ones.
    """
    out = x - x[:, :solute].mean(axis=1, keepdims=True) + 0.5 * sides
    out[:, solute:] -= sides * np.floor(out[:, solute:] / sides)
    return np.asarray(out)


def _write_dcd(path: Path, x: Array, sides: Array | None) -> Path:
    from mdtraj.formats import DCDTrajectoryFile  # a second to import, needed here only

    cell: dict[str, Any] = {}
    if sides is not None:
        cell["cell_lengths"] = np.tile(10.0 * sides, (len(x), 1)).astype(np.float32)
        cell["cell_angles"] = np.full((len(x), 3), 90.0, dtype=np.float32)
    aside = path.with_suffix(".partial")
    with DCDTrajectoryFile(str(aside), "w", force_overwrite=True) as out:
        out.write(10.0 * x.astype(np.float32), **cell)  # in Å
    os.replace(aside, path)
    return path


def _write_xyz(path: Path, x: Array, elements: Sequence[str]) -> Path:
    lines = []
    for k, frame in enumerate(10.0 * x):
        lines += [str(len(elements)), f"frame {k}"]
        lines += [
            f"{symbol} {a:.8f} {b:.8f} {c:.8f}"
            for symbol, (a, b, c) in zip(elements, frame.tolist(), strict=True)
        ]
    write_atomic(path, "\n".join(lines) + "\n")
    return path


def _write_pdb(path: Path, x: Array, molecule: Molecule) -> Path:
    from openmm import app, unit

    text = io.StringIO()
    app.PDBFile.writeFile(molecule.openmm_topology, x * unit.nanometer, text)
    write_atomic(path, text.getvalue())
    return path
