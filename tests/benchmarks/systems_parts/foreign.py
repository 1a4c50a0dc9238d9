"""Systems that nobody here wrote: files of other packages, and the campaign that a user would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openmm

from systems_parts.archives import Archives

HERE = Path(__file__).parent
ALANINE = "openmmtools/data/alanine-dipeptide-gbsa/alanine-dipeptide"
SOLVATED = "openmmtools/data/alanine-dipeptide-explicit/alanine-dipeptide"
HOST = "openmmtools/data/cb7-b2/"
LYSOZYME = "openmmtools/data/T4-lysozyme-L99A-implicit/"
PAIR = "openmmtools/data/benzene-toluene-implicit/"
TESTS = "MDAnalysisTests/data/"


@dataclass(frozen=True)
class Foreign:
    """A system of another package.

    Attributes
    ----------
    name : str
    about : str
        What it is, in words.
    package : str
        Whose archive holds its files; 'openmm' for what is installed, 'here' for what lies beside
        this file.
    files : mapping
        Path in the package, by the name that the campaign knows the file by.
    system, cvs : mapping
        Sections of the campaign.
    refused : str
        Part of the message, where it is to be refused.
    """

    name: str
    about: str
    package: str
    files: Mapping[str, str]
    system: Mapping[str, Any]
    cvs: Mapping[str, Any]
    refused: str = ""
    strategy: Mapping[str, Any] = field(default_factory=lambda: {"kind": "steered"})

    def lay(self, folder: Path, archives: Archives) -> None:
        """Put its files into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, member in self.files.items():
            (folder / name).write_bytes(self._source(member, archives).read_bytes())

    def _source(self, member: str, archives: Archives) -> Path:
        if self.package == "openmm":
            return Path(openmm.__file__).parent / member
        return HERE / member if self.package == "here" else archives.take(self.package, member)

    def campaign(self, evaluations: int, wall_s: float, seed: int) -> dict[str, Any]:
        """The content of its file."""
        return {
            "name": self.name,
            "seed": seed,
            "system": {"kind": "openmm", "temperature": "300 K", **self.system},
            "cvs": dict(self.cvs),
            "strategy": dict(self.strategy),
            "replicas": 8,
            "budget": {"energy_evaluations": evaluations, "wall": f"{wall_s:g} s"},
        }


def _torsion(*atoms: str | int) -> dict[str, Any]:
    return {"kind": "dihedral", "atoms": list(atoms)}


def _amber(**more: Any) -> dict[str, Any]:
    return {"topology": "a.prmtop", "coordinates": "a.inpcrd", **more}


def _pdb(*files: str, **more: Any) -> dict[str, Any]:
    return {"structure": "a.pdb", "forcefield": list(files), **more}


def _pair(top: str, crd: str) -> dict[str, str]:
    return {"a.prmtop": top, "a.inpcrd": crd}


def _backbone(number: int) -> dict[str, Any]:
    """φ and ψ of a residue, counted from 0."""

    def atom(name: str, at: int) -> str:
        return f"resid {at} and name {name}"

    n, ca, c = (atom(name, number) for name in ("N", "CA", "C"))
    return {
        "phi": _torsion(atom("C", number - 1), n, ca, c),
        "psi": _torsion(n, ca, c, atom("N", number + 1)),
    }


def _apart(one: str | int, other: str | int) -> dict[str, Any]:
    span = ["0.2 nm", "1.8 nm"]
    return {"apart": {"kind": "distance", "atoms": [one, other], "range": span}}


DIPEPTIDE = {
    "phi": _torsion("ACE:C", "ALA:N", "ALA:CA", "ALA:C"),
    "psi": _torsion("ALA:N", "ALA:CA", "ALA:C", "NME:N"),
}
RADIUS = {"rg": {"kind": "radius_of_gyration", "atoms": "name CA", "range": ["0.5 nm", "2.5 nm"]}}

FOREIGN = (
    Foreign(
        "alanine-vacuum", "alanine dipeptide", "openmmtools",
        _pair(f"{ALANINE}.prmtop", f"{ALANINE}.crd"), _amber(), DIPEPTIDE,
    ),
    Foreign(
        "alanine-gbsa", "alanine dipeptide in OBC1", "openmmtools",
        _pair(f"{ALANINE}.prmtop", f"{ALANINE}.crd"), _amber(implicit_solvent="OBC1"), DIPEPTIDE,
    ),
    Foreign(
        "b2", "guest of a host, a ligand with two hydroxymethyls", "openmmtools",
        _pair(f"{HOST}ligand.prmtop", f"{HOST}ligand.inpcrd"), _amber(),
        {
            "arm": _torsion("B2:C5", "B2:C4", "B2:C9", "B2:O1"),
            "other": _torsion("B2:C6", "B2:C3", "B2:C10", "B2:O2"),
        },
    ),
    Foreign(
        "xylene", "ligand of T4 lysozyme L99A", "openmmtools",
        _pair(f"{LYSOZYME}ligand.prmtop", f"{LYSOZYME}ligand.crd"), _amber(),
        {"methyl": _torsion("TMP:C2", "TMP:C1", "TMP:C4", "TMP:H3")},
    ),
    Foreign(
        "blocked-alanine", "terminally blocked alanine of a PDB", "mdtraj",
        {"a.pdb": "examples/data/native.pdb"}, _pdb("amber99sb.xml"), DIPEPTIDE,
    ),
    Foreign(
        "ala5", "five alanines in GBn2", "parmed",
        _pair("examples/amber/ala5_gas.parm7", "examples/amber/ala5_gas.rst7"),
        _amber(implicit_solvent="GBn2"), _backbone(2),
    ),
    Foreign(
        "cyclic-glycine", "cyclo-(Gly)6 in OBC2", "here",
        {"a.pdb": "cyclic_glycine.pdb"}, _pdb("amber14-all.xml", "implicit/obc2.xml"),
        _backbone(2),
    ),
    Foreign(
        "benzene-toluene", "two molecules in OBC1", "openmmtools",
        _pair(f"{PAIR}complex.prmtop", f"{PAIR}complex.inpcrd"), _amber(implicit_solvent="OBC1"),
        _apart("BEN:C1", "TOL:C7"),
    ),
    Foreign(
        "cb7-b2", "host and guest in OBC1", "openmmtools",
        _pair(f"{HOST}complex-vacuum.prmtop", f"{HOST}complex-vacuum.inpcrd"),
        _amber(implicit_solvent="OBC1"),
        _apart(0, "B2:C6"),
    ),
    Foreign(
        "aaqaa", "blocked (AAQAA)3 of a modelling program, its cap named NMA", "mdanalysistests",
        {"a.pdb": f"{TESTS}capping/maestro_aaqaa_capped.pdb"},
        _pdb("amber14-all.xml", nonbonded="NoCutoff"), _backbone(5),
    ),
    Foreign(
        "a6pa6", "a helix with a proline in the middle", "mdanalysistests",
        {"a.pdb": f"{TESTS}A6PA6_alpha.pdb"}, _pdb("amber14-all.xml"), _backbone(5),
    ),
    Foreign(
        "neopetrosiamide", "a peptide of three rings with a residue of its own", "mdanalysistests",
        {"a.pdb": f"{TESTS}nmr_neopetrosiamide.pdb"}, _pdb("amber14-all.xml"), _backbone(5),
        refused="template",
    ),
    Foreign(
        "villin-gbsa", "villin's headpiece in OBC2, one of three frames", "mdtraj",
        {"a.pdb": "examples/1vii_3frames.pdb"}, _pdb("amber14-all.xml", "implicit/obc2.xml"),
        RADIUS,
    ),
    Foreign(
        "dhfr", "dihydrofolate reductase through Gromacs files", "parmed",
        {"a.top": "examples/gromacs/dhfr_gas.top", "a.gro": "examples/gromacs/dhfr_gas.gro"},
        {"topology": "a.top", "coordinates": "a.gro"}, RADIUS, refused="amber03.ff",
    ),
    Foreign(
        "alanine-explicit", "alanine dipeptide in 2,247 atoms of water", "openmmtools",
        _pair(f"{SOLVATED}.prmtop", f"{SOLVATED}.crd"), _amber(cutoff="0.9 nm"), DIPEPTIDE,
    ),
    Foreign(
        "ala2-explicit", "two alanines in water, of Amber's newer files", "parmed",
        _pair("examples/amber/ala2_solv.parm7", "examples/amber/ala2_solv.rst7"),
        _amber(), {"psi": _torsion(*(f"resid 0 and name {a}" for a in ("N", "CA", "C")),
                                   "resid 1 and name N")},
    ),
    Foreign(
        "villin-explicit", "villin's headpiece in 8,283 waters", "openmm",
        {"a.pdb": "app/data/test.pdb"}, _pdb("amber14-all.xml", "amber14/tip3p.xml"), RADIUS,
    ),
)  # fmt: skip
"""Cheapest first."""
