"""A CV that cannot be used is told before anything starts, by its name.

A torsion whose first three atoms start in a line was «ready to run», and the campaign ended with «a
walker that is not finite».
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openmm as mm
import pytest
import torch
from alanine_molecule import AMBER99SB, molecule
from openmm import app
from places import CONFIGS
from sections import build_cvs, build_system

from msgen.systems import CVSet
from msgen.systems.base import System
from msgen.systems.cvs import trial
from msgen.systems.cvs.torch_cvs import Coordinate, Dihedral, PythonCV
from msgen.systems.cvs.trial import complaints
from msgen.systems.errors import SpecError

ATOM = "HETATM{:5d} A{}   LIN A   1    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00          Ar"
LINE = [(0, 0, 0), (3, 0, 0), (6, 0, 0), (7, 2.8, 0)]
BENT = [(0, 0.3, 0.1), (3, 0, 0), (6, 0, 0), (7, 2.8, 0)]


def chain(
    folder: Path, at: list[tuple[float, ...]], masses: tuple[float, ...] = (40.0,) * 4
) -> Any:
    rows = [ATOM.format(k + 1, k, *x) for k, x in enumerate(at)]
    (folder / "lin.pdb").write_text("\n".join([*rows, "END", ""]))
    system, bonds = mm.System(), mm.HarmonicBondForce()
    for mass in masses:
        system.addParticle(mass)
    for k in range(3):
        bonds.addBond(k, k + 1, 0.3, 1e5)
    system.addForce(bonds)
    (folder / "lin.xml").write_text(mm.XmlSerializer.serialize(system))
    spec = {"kind": "openmm", "structure": "lin.pdb", "system_xml": "lin.xml",
            "temperature": 300.0, "platform": "Reference"}  # fmt: skip
    return build_system(spec, folder)


TORSION = {"phi": {"kind": "dihedral", "atoms": [0, 1, 2, 3]}}


def said(system: System, specs: dict[str, Any]) -> list[SpecError]:
    return complaints(system, build_cvs(specs, system, CONFIGS))


def test_a_torsion_over_a_line_is_told(tmp_path: Path) -> None:
    (found,) = said(chain(tmp_path, LINE), TORSION)
    assert found.path == "cvs.phi"
    assert "at the start" in found.problem
    assert "atoms 0, 1, 2 lie in a line" in found.problem
    assert not said(chain(tmp_path, BENT), TORSION)


def test_twin_that_looks_at_values_is_content(tmp_path: Path) -> None:
    """As torch's own gradient is, which it takes to be 0 there."""
    system = chain(tmp_path, LINE)
    value, gradient = build_cvs(TORSION, system, tmp_path).value_and_gradient(
        system.initial().positions
    )
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


def test_frozen_atoms_cannot_move(tmp_path: Path) -> None:
    system = chain(tmp_path, BENT, (0.0, 0.0, 40.0, 40.0))
    specs = {
        "held": {"kind": "distance", "atoms": [0, 1]},
        "free": {"kind": "distance", "atoms": [1, 2]},
    }
    (found,) = said(system, specs)
    assert found.path == "cvs.held"
    assert "no mass" in found.problem


def test_frozen_atoms_weigh_as_their_elements_do(tmp_path: Path) -> None:
    """A mass of 0 says that an atom stands still: the radius of gyration was that of the others."""
    spec = {"rg": {"kind": "radius_of_gyration", "atoms": [0, 1, 2, 3]}}
    values = []
    for masses in ((39.948,) * 4, (0.0, 39.948, 39.948, 39.948)):
        system = chain(tmp_path, BENT, masses)
        values.append(build_cvs(spec, system, tmp_path)(system.initial().positions)[0, 0])
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_rigid_bonds_hold_their_atoms() -> None:
    system, _ = molecule()
    by = {"kind": "distance", "atoms": ["ALA:N", "ALA:H"]}
    (found,) = said(system, {"nh": by})
    assert found.path == "cvs.nh"
    assert "rigid bonds" in found.problem
    assert "constraints: None" in found.remedy
    free, _ = molecule(constraints=None)
    assert not said(free, {"nh": by})


def test_angles_of_rigid_water_are_held(tmp_path: Path) -> None:
    """Three distances hold it, none of which is along its gradient."""
    water = Path(app.__file__).parent / "data" / "tip3p.pdb"
    spec = {**AMBER99SB, "structure": str(water), "forcefield": ["amber14/tip3p.xml"],
            "nonbonded": "NoCutoff"}  # fmt: skip
    rows = [r for r in water.read_text().splitlines() if r.startswith(("ATOM", "HETATM"))]
    (tmp_path / "one.pdb").write_text("\n".join([*rows[:3], "END", ""]))
    spec["structure"] = "one.pdb"
    angle = {"theta": {"kind": "angle", "atoms": [1, 0, 2]}}
    (found,) = said(build_system(spec, tmp_path), angle)
    assert "rigid bonds" in found.problem
    assert not said(build_system({**spec, "rigid_water": False}, tmp_path), angle)


def test_one_coordinate_by_two_names() -> None:
    system, _ = molecule()
    phi = {"kind": "dihedral", "atoms": ["ACE:C", "ALA:N", "ALA:CA", "ALA:C"]}
    psi = {"kind": "dihedral", "atoms": ["ALA:N", "ALA:CA", "ALA:C", "NME:N"]}
    back = {**phi, "atoms": phi["atoms"][::-1]}
    both = {"kind": "linear_combination",
            "terms": [{"cv": phi, "coefficient": 1}, {"cv": psi, "coefficient": 1}]}  # fmt: skip
    assert not said(system, {"phi": phi, "psi": psi})
    (found,) = said(system, {"phi": phi, "psi": psi, "again": back})
    assert (found.path, found.problem) == ("cvs.again", "changes only as 'phi' does")
    (found,) = said(system, {"phi": phi, "psi": psi, "both": both})
    assert found.problem == "changes only as 'phi', 'psi' do"
    assert not said(system, {"phi": phi, "both": both})


def test_an_rmsd_from_the_start_is_sound() -> None:
    """Its gradient is 0 there and nowhere else."""
    system, _ = molecule()
    assert not said(system, {"r": {"kind": "rmsd", "atoms": "all"}})


def _system() -> System:
    return build_system({"kind": "double_well"}, CONFIGS)


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (lambda x: torch.sqrt(x[:, 0] - x[:, 0].detach()), "finite"),
        (lambda x: torch.sign(x[:, 0]) * 0.0 + 1.0, "does not change"),
        (lambda x: torch.tensor(x.detach().numpy()[:, 0]), "no gradient"),
        (lambda x: torch.floor(1e7 * x[:, 0]), "jumps"),
    ],
)
def test_functions_of_users_are_tried_too(function: Any, word: str) -> None:
    (found,) = complaints(_system(), CVSet((PythonCV("mine", function),)))
    assert found.path == "cvs.mine"
    assert word in found.problem


def test_steep_is_not_torn() -> None:
    steep = PythonCV("steep", lambda x: 1e6 * x[:, 0])
    assert not complaints(_system(), CVSet((steep, Coordinate("y", 1))))


def test_what_a_trial_costs_is_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two calls of each CV with a few configurations, whatever the system."""
    system, cvs = molecule()
    calls: list[int] = []
    inner = Dihedral.__call__

    def counted(cv: Dihedral, x: torch.Tensor) -> torch.Tensor:
        calls.append(len(x))
        return inner(cv, x)

    monkeypatch.setattr(Dihedral, "__call__", counted)
    assert not complaints(system, cvs)
    assert calls == [trial.TRIALS] * 4
