"""Stored configurations of particles as trajectory programs read them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import dumbbells
import mdtraj
import numpy as np
import pytest
from openmm import app
from places import CONFIGS

from msgen.orchestrator.cli import main_run
from msgen.orchestrator.reporting.export import export
from msgen.orchestrator.reporting.trajectories import centred, write_frames, write_topology
from msgen.orchestrator.run_directory.store import Store
from msgen.systems.base import Walkers
from msgen.systems.openmm.alkanes import Alkane
from msgen.systems.openmm.build_particles import particles


def drifted(spec: dict[str, object], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames whose particles have gone through faces, all of them and each by itself; the sides."""
    molecule = particles(spec).molecule("compact")
    rng = np.random.default_rng(seed)
    n = molecule.topology.residue(0).n_atoms
    sides = np.diag(molecule.box)
    axes = 2 if spec["kind"] == "dimer" else 3
    x = np.repeat(molecule.positions[None], 4, axis=0)
    x[..., :axes] += rng.uniform(-20, 20, (4, 1, axes))
    x[:, n:, :axes] += sides[:axes] * rng.integers(-3, 4, (4, x.shape[1] - n, axes))
    return x, sides


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "polymer", "solvent": 30, "box": 5.5},
        {"kind": "dimer", "particles": 20, "box": 6.7},
    ],
)
def test_written_and_read_back(spec: dict[str, object], tmp_path: Path) -> None:
    x, sides = drifted(spec, 1)
    dcd, pdb = write_frames(tmp_path, x.reshape(len(x), -1), spec)
    seen = mdtraj.load(str(dcd), top=str(pdb))
    np.testing.assert_allclose(seen.unitcell_lengths, np.tile(sides, (4, 1)), rtol=1e-6)
    n = seen.topology.residue(0).n_atoms
    axes = 2 if spec["kind"] == "dimer" else 3
    middle = seen.xyz[:, :n, :axes].mean(axis=1)
    np.testing.assert_allclose(middle, 0.5 * np.tile(sides[:axes], (4, 1)), atol=1e-5)
    assert (seen.xyz[:, n:, :axes] > -1e-5).all()
    assert (seen.xyz[:, n:, :axes] < sides[:axes] + 1e-5).all()
    # the solute as it was, and every distance to it but for whole boxes
    gap = seen.xyz[:, :, None] - seen.xyz[:, None, :n]
    true = x[:, :, None] - x[:, None, :n]
    np.testing.assert_allclose(gap[:, :n], true[:, :n], atol=1e-5)
    boxes = (gap - true) / sides
    np.testing.assert_allclose(boxes, np.round(boxes), atol=1e-5)
    assert {b.name for b in seen.topology.residue(0).atoms} == {f"B{i}" for i in range(n)}


def test_a_solute_wrapped_bead_by_bead_is_torn() -> None:
    x, sides = drifted({"kind": "polymer", "solvent": 30, "box": 5.5}, 2)
    kept = centred(x, sides, 9)
    torn = x - sides * np.floor(x / sides)
    length = np.linalg.norm(np.diff(x[:, :9], axis=1), axis=2)
    np.testing.assert_allclose(np.linalg.norm(np.diff(kept[:, :9], axis=1), axis=2), length)
    assert np.abs(np.linalg.norm(np.diff(torn[:, :9], axis=1), axis=2) - length).max() > 1


def test_a_molecule_of_a_structure_file_is_left_as_it_is(tmp_path: Path) -> None:
    x = np.random.default_rng(3).uniform(-3, 9, (2, 5, 3))
    (dcd,) = write_frames(tmp_path, x.reshape(2, -1), {"kind": "openmm"})
    with mdtraj.formats.DCDTrajectoryFile(str(dcd)) as file:
        read, lengths, _ = file.read()
    np.testing.assert_allclose(read / 10, x, atol=1e-6)
    assert lengths is None


def test_a_molecule_of_files_has_its_topology_and_box_beside_it(tmp_path: Path) -> None:
    """Written when the run began: the campaign's files may be elsewhere by the export."""
    pdb = app.PDBFile(str(CONFIGS / "alanine_dipeptide.pdb"))
    at = pdb.getPositions(asNumpy=True)._value
    box = np.array([[3.0, 0.0, 0.0], [0.5, 2.8, 0.0], [-0.4, 0.6, 2.9]])
    start = Walkers(at.reshape(1, -1), box=box[None])
    system = SimpleNamespace(openmm_topology=pdb.topology, initial=lambda: start)
    write_topology(tmp_path, system)
    assert pdb.topology.getPeriodicBoxVectors() is None  # the system's own is as it was
    x = at + np.random.default_rng(3).normal(0, 0.1, (2, 22, 3))
    dcd, top = write_frames(tmp_path, x.reshape(2, -1), {"kind": "openmm"})
    seen = mdtraj.load(str(dcd), top=str(top))
    np.testing.assert_allclose(seen.xyz, x, atol=1e-6)
    np.testing.assert_allclose(
        seen.unitcell_vectors, np.tile(box, (2, 1, 1)), atol=5e-4
    )  # of a PDB
    assert [str(a) for a in seen.topology.atoms] == [str(a) for a in mdtraj.load(
        str(CONFIGS / "alanine_dipeptide.pdb")).topology.atoms]  # fmt: skip


UMBRELLA = "kind: umbrella, windows: {d: 2}, seeds: neighbour"


@pytest.mark.parametrize(
    ("strategy", "evaluations"),
    [
        ("kind: local", 8_000),
        pytest.param(UMBRELLA, 60_000, marks=pytest.mark.slow),
        pytest.param(
            "kind: parallel_tempering, temperatures: [300 K, 330 K]", 8_000, marks=pytest.mark.slow
        ),
    ],
)
def test_frames_at_constant_pressure_have_their_own_boxes(
    strategy: str, evaluations: int, tmp_path: Path
) -> None:
    """Twin: the box that the run began in, of 2.2 nm, for all of them."""
    steps = "local: {kind: langevin, steps: 50}"
    path = dumbbells.write(tmp_path, f"{{{strategy}, {steps}}}", evaluations)
    words = ["--set", "output.trajectory=dcd", "--output-dir", str(tmp_path / "runs")]
    assert main_run([str(path), *words]) in (0, 3)  # one may converge
    run = tmp_path / "runs" / "gas"
    folder = run / "trajectories"
    assert folder / "frames.pdb" in export(run)
    seen = mdtraj.load(str(folder / "frames.dcd"), top=str(folder / "frames.pdb"))
    store = Store(run / "store.zarr")
    (kind,) = {n.partition("/")[0] for n in store.names() if n.endswith("/box")}
    boxes = store.read(f"{kind}/box").reshape(-1, 3, 3)
    np.testing.assert_allclose(seen.unitcell_vectors, boxes, atol=1e-5)
    sides = seen.unitcell_lengths[:, 0]
    assert len(sides) >= 8
    assert sides.std() > 0.01
    assert np.abs(sides - dumbbells.SIDE).max() > 0.05


def test_an_alkane_is_read_back_with_its_bonds(tmp_path: Path) -> None:
    """No file of the campaign says what its atoms are."""
    alkane = Alkane(3)
    x = alkane.stretched() + np.random.default_rng(4).normal(0, 0.01, (3, 11, 3))
    dcd, pdb = write_frames(tmp_path, x.reshape(3, -1), {"kind": "alkane", "carbons": 3})
    seen = mdtraj.load(str(dcd), top=str(pdb))
    np.testing.assert_allclose(seen.xyz, x, atol=1e-6)
    assert seen.unitcell_lengths is None
    bonds = {tuple(sorted((a.index, b.index))) for a, b in seen.topology.bonds}
    assert bonds == set(alkane.bonds)
    assert "".join(a.element.symbol for a in seen.topology.atoms) == alkane.elements
