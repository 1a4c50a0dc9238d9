"""Trajectories of a molecule from files that mdtraj reads, a chunk of frames at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.commands.dynamics.settings import COMMAND, wrong
from msgen.orchestrator.commands.dynamics.structure import Structure
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories
from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.problems import MISSING, CampaignError, Problem
from msgen.systems.errors import first_line
from msgen.systems.topology.bond_lengths import OTHERS, BondLengths
from msgen.systems.topology.bond_windows import BondWindows, lengths
from msgen.systems.topology.same_atoms import NAMING, first_difference, named

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

_ORDER = "Give trajectories and a topology of the same atoms in the same order"
CHUNK = 2000
_LONGEST = 120
_EVEN = 1e-3
"""Of a time step, that frames may be off their place."""
_TIMED = (".xtc", ".trr", ".h5", ".nc", ".netcdf", ".ncdf", ".lh5")
"""Formats whose files say when each frame was."""


@dataclass(frozen=True, eq=False)
class Files:
    """CVs of the trajectories in some files, and what their structures look like.

    Attributes
    ----------
    data : Trajectories
    bonds : int array, shape (B, 2)
    low, high : Array, shape (B,)
        Shortest and longest that each bond was, nm.
    bad_bonds : bool array, shape (N,), or None
        Frames with a bond outside the windows that were given.
    other_isomer : bool array, shape (N,), or None
        Frames of another handedness, or peptide bond, than the first structure.
    """

    data: Trajectories
    bonds: NDArray[np.int64]
    low: Array
    high: Array
    bad_bonds: Bools | None
    other_isomer: Bools | None


def open_structure(files: Sequence[Path], topology: Path | None) -> Structure:
    """The first frame of the first file.

    Raises
    ------
    CampaignError
        If a file is not there, or not readable with this topology.
    """
    if topology is not None and not topology.is_file():
        raise wrong("--topology", str(topology), "no such file", "Give a PDB, prmtop, psf or gro")
    first = files[0]
    whole = _names_its_atoms(first)
    if topology is None and not whole:
        what = "does not say which atoms it is of"
        raise wrong(
            "--topology", MISSING, f"is missing: {first.name} {what}", "Give a PDB or prmtop"
        )
    frame = next(chunks(first, topology, None, 1))
    box = frame.unitcell_vectors
    x = np.asarray(frame.xyz[0], dtype=np.float64)
    known = x if whole else None
    if topology is not None and _names_its_atoms(topology):
        given = next(chunks(topology, None, None, 1))
        if whole:
            _same_names(first, given.topology, frame.topology)
        elif given.n_atoms == frame.n_atoms:
            known = np.asarray(given.xyz[0], dtype=np.float64)
    return Structure(
        frame.topology,
        x.ravel(),
        None if box is None else np.asarray(box[0], dtype=np.float64),
        bond_lengths=BondLengths.of(frame.topology, known),
    )


def _names_its_atoms(path: Path) -> bool:
    return path.name.lower().endswith(NAMING)


def _same_names(path: Path, own: Any, other: Any) -> None:
    """Refuse a file whose atoms `other` are not those of the topology `own`."""
    if own.n_atoms != other.n_atoms:
        what = f"has {other.n_atoms} atoms a frame, not {own.n_atoms}"
        raise wrong("DATA", str(path), what, "Give trajectories of one molecule")
    found = first_difference(named(own), named(other))
    if found is not None:
        what = f"has other atoms, or in another order: {found[1]}"
        raise wrong("DATA", str(path), what, _ORDER)


def chunks(path: Path, topology: Path | None, atoms: Any, size: int = CHUNK) -> Iterator[Any]:
    """Frames of a file, molecules whole; `atoms` is its topology where that is known already.

    Raises
    ------
    CampaignError
        If the file cannot be read.
    """
    import mdtraj  # a second to import, needed here only

    given: dict[str, Any] = {}
    if not _names_its_atoms(path):
        given["top"] = str(topology) if atoms is None else atoms
    try:
        for frames in mdtraj.iterload(str(path), chunk=size, **given):
            if frames.unitcell_lengths is not None and frames.topology.n_bonds:
                frames.make_molecules_whole(inplace=True)
            yield frames
    except Exception as error:  # its readers raise anything
        text = first_line(error)[:_LONGEST]
        remedy = "Give trajectories of the atoms in --topology, in their order"
        raise wrong("DATA", str(path), f"cannot be read ({text})", remedy) from error


def read_files(
    files: Sequence[Path],
    topology: Path | None,
    structure: Structure,
    sections: Mapping[str, CVSection],
    folder: Path,
    stride: float | None,
    windows: BondWindows | None = None,
) -> Files:
    """CVs of all frames, each file a trajectory.

    Parameters
    ----------
    structure : Structure
        What CVs are built on, and what isomers are told against.
    sections : Mapping of str to CVSection
    folder : Path
        That files named in `sections` are relative to.
    stride : float, optional
        Time between frames, ps; by default what the files say.
    windows : BondWindows, optional
        What bonds are held to.

    Raises
    ------
    CampaignError
    """
    from msgen.systems.build import build_cvs
    from msgen.systems.errors import SpecError
    from msgen.systems.topology.stereochemistry import StereoWatch

    try:
        specs = {name: section.model_dump() for name, section in sections.items()}
        cvs = build_cvs(specs, structure, folder)
    except SpecError as error:
        problem = Problem(error.field, error.value, error.problem, error.remedy)
        raise CampaignError(COMMAND, [problem]) from None
    watch = StereoWatch(structure.topology, structure.positions)
    pairs = [(a.index, b.index) for a, b in structure.topology.bonds]
    bonds = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    low, high = np.full(len(bonds), np.inf), np.full(len(bonds), -np.inf)
    paths, times, bad, flipped = [], [], [], []
    for path in files:
        own: list[Array] = []
        clock: list[Array] = []
        for frames in chunks(path, topology, structure.topology):
            x = np.asarray(frames.xyz, dtype=np.float64).reshape(len(frames), -1)
            if not own:
                _belongs(path, frames.topology, x, structure)
            own.append(cvs(x))
            clock.append(np.asarray(frames.time, dtype=np.float64))
            length = lengths(x, bonds)
            low, high = np.fmin(low, length.min(axis=0)), np.fmax(high, length.max(axis=0))
            if windows is not None:
                bad.append(windows.outside(x))
            if watch.n_watched:
                flipped.append(np.array([bool(names) for names in watch.names_flipped(x)]))
        if not own:
            raise wrong("DATA", str(path), "holds no frame", "Give a longer trajectory")
        paths.append(np.concatenate(own))
        times.append(np.concatenate(clock))
        _finite(path, paths[-1], cvs.names)
    step = _step_of(files, times) if stride is None else stride
    data = Trajectories(
        tuple(paths),
        cvs.names,
        tuple(bool(p) for p in cvs.periodic),
        1.0 if step is None else step,
        "frames" if step is None else "ps",
    )
    return Files(
        data,
        bonds,
        low,
        high,
        np.concatenate(bad) if bad else None,
        np.concatenate(flipped) if flipped else None,
    )


def _belongs(path: Path, atoms: Any, x: Array, structure: Structure) -> None:
    """Refuse a file of other atoms: by their names, and by the bonds of its first frames (n, 3N).

    Most formats hold no names, and their atoms are taken by number.
    """
    _same_names(path, structure.topology, atoms)
    torn = None if structure.bond_lengths is None else structure.bond_lengths.never(x)
    if torn is not None:
        raise wrong("DATA", str(path), f"{OTHERS}: {torn}", _ORDER)


def _finite(path: Path, xi: Array, names: Sequence[str]) -> None:
    """Refuse a trajectory in which a CV is not defined."""
    wrong_rows = np.flatnonzero(~np.isfinite(xi).all(axis=1))
    if len(wrong_rows):
        row = int(wrong_rows[0])
        name = names[int(np.flatnonzero(~np.isfinite(xi[row]))[0])]
        what = f"{name} is not finite in {len(wrong_rows)} frames, first in frame {row}"
        raise wrong("DATA", str(path), what, "Give a trajectory without broken frames")


def _step_of(files: Sequence[Path], times: Sequence[Array]) -> float | None:
    """Time between frames, ps, where all files say it and agree; None where none does.

    Raises
    ------
    CampaignError
        If frames are not evenly spaced, or files differ.
    """
    if not all(path.name.lower().endswith(_TIMED) for path in files):
        return None
    found = {}
    for path, time in zip(files, times, strict=True):
        if len(time) < 2:
            continue
        steps = np.diff(time)
        step = float(np.median(steps))
        if not step > 0:
            return None
        if np.abs(steps - step).max() > max(_EVEN * step, 1e-6 * np.abs(time).max()):
            what = f"has frames that are not evenly spaced: {steps.min():g} to {steps.max():g} ps"
            raise wrong("DATA", str(path), what, "Give frames at one stride, or say it: --stride")
        found[path] = step
    if not found:
        return None
    first, step = next(iter(found.items()))
    for path, other in found.items():
        if abs(other - step) > _EVEN * step:
            what = f"has a frame every {other:g} ps where {first.name} has one every {step:g} ps"
            raise wrong("DATA", str(path), what, "Give trajectories of one stride")
    return float(f"{step:.6g}")
