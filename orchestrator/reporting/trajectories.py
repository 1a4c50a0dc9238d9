"""Stored configurations as trajectory programs read them: frames, the box, the atoms."""

from __future__ import annotations

import copy
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
    from msgen.systems.openmm.system import OpenMMSystem

TOPOLOGY = "frames.pdb"
"""Beside the trajectory."""


def write_frames(
    folder: Path,
    frames: Array,
    system: Mapping[str, Any],
    elements: Sequence[str] = (),
    boxes: Array | None = None,
) -> list[Path]:
    """Write ``frames.dcd``, and ``frames.pdb`` of alkanes and particles.

    Of a molecule from files `write_topology` has written the latter when the run began; its frames
    carry the box that this has, or `boxes` where it changes. Particles in reduced units have
    theirs, the solute whole in its middle.

    Parameters
    ----------
    folder : Path
    frames : Array, shape (m, 3N)
        nm.
    system : Mapping
        The campaign's `system:` section, internal units.
    elements : sequence of str
        Of the atoms, of a system of ASE's: there is ``frames.xyz`` then, in Å, which ASE reads.
    boxes : Array, shape (m, 3, 3), optional
        nm.
    """
    x = np.array(frames, dtype=np.float64).reshape(len(frames), -1, 3)
    if system.get("kind") == "alkane":
        from msgen.systems.openmm.alkanes import Alkane

        alkane = Alkane(int(system["carbons"])).molecule()
        dcd = _write_dcd(folder / "frames.dcd", x, None)
        return [dcd, _write_pdb(folder / TOPOLOGY, x[0], alkane.openmm_topology)]
    if system.get("kind") not in PARTICLE_KINDS:
        pdb = folder / TOPOLOGY
        told = [pdb] if pdb.is_file() else []
        if boxes is None and told:
            boxes = _cell_of(pdb)
        written = [_write_dcd(folder / "frames.dcd", x, boxes), *told]
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
        _write_dcd(folder / "frames.dcd", x, molecule.box),
        _write_pdb(folder / TOPOLOGY, x[0], molecule.openmm_topology),
    ]


def write_topology(folder: Path, system: OpenMMSystem) -> Path:
    """Write ``frames.pdb``: what the atoms of a run are, where it starts, and its box.

    Beside the trajectory, as the files that the campaign names may be elsewhere by then.
    """
    topology, start = system.openmm_topology, system.initial()
    if start.box is not None and topology.getPeriodicBoxVectors() is None:
        topology = copy.deepcopy(topology)
        topology.setPeriodicBoxVectors(start.box[0].tolist())
    folder.mkdir(exist_ok=True)
    return _write_pdb(folder / TOPOLOGY, start.positions.reshape(-1, 3), topology)


def _cell_of(pdb: Path) -> Array | None:
    """Box vectors of a structure file, shape (3, 3), nm; None where it has none."""
    from openmm import app, unit

    vectors = app.PDBFile(str(pdb)).topology.getPeriodicBoxVectors()
    return None if vectors is None else np.array(vectors.value_in_unit(unit.nanometer))


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


def _write_dcd(path: Path, x: Array, box: Array | None) -> Path:
    """Frames (m, N, 3) and their box, one (3, 3) or one each (m, 3, 3)."""
    from mdtraj.formats import DCDTrajectoryFile  # a second to import, needed here only
    from mdtraj.utils import box_vectors_to_lengths_and_angles

    cell: dict[str, Any] = {}
    if box is not None:
        each = np.broadcast_to(box, (len(x), 3, 3))
        measured = np.array(box_vectors_to_lengths_and_angles(*each.swapaxes(0, 1)))
        cell["cell_lengths"] = np.ascontiguousarray(10.0 * measured[:3].T, dtype=np.float32)
        cell["cell_angles"] = np.ascontiguousarray(measured[3:].T, dtype=np.float32)
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


def _write_pdb(path: Path, x: Array, topology: Any) -> Path:
    from openmm import app, unit

    text = io.StringIO()
    app.PDBFile.writeFile(topology, x * unit.nanometer, text, keepIds=True)
    write_atomic(path, text.getvalue())
    return path
