"""One molecule in the files of every program, by ParmEd, in the peers' own environment.

``python formats.py FOLDER``: five alanines with CHARMM36, of ala5.psf, ala5.pdb and ala5.prm there,
as a CHAMBER prmtop with rst7, as top with gro, as CHARMM's crd, and as OpenMM's force-field XML.
Where programs mean different things by the same numbers, they are made to mean the same here.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import parmed
from parmed.modeller import ResidueTemplateContainer

COULOMB = 332.0716**0.5 / 18.2223
"""By how much charges in a CHAMBER file are above Amber's, since CHARMM's constant is its own;
OpenMM reads both alike."""


def read(folder: Path) -> Any:
    """The structure, with its parameters."""
    made = parmed.charmm.CharmmPsfFile(str(folder / "ala5.psf"))
    made.load_parameters(parmed.charmm.CharmmParameterSet(str(folder / "ala5.prm")))
    made.coordinates = parmed.load_file(str(folder / "ala5.pdb")).coordinates
    return made


def chamber(made: Any, folder: Path) -> None:
    """Amber's form of CHARMM's energy."""
    amber = parmed.amber.ChamberParm.from_structure(made)
    for atom in amber.atoms:
        atom.charge /= COULOMB
    amber.write_parm(str(folder / "ala5.prmtop"))
    for name, kind in (("ala5.rst7", "rst7"), ("ala5.inpcrd", "rst7")):
        amber.save(str(folder / name), format=kind, overwrite=True)


def gromacs(made: Any, folder: Path) -> None:
    """CHARMM writes ε below zero, which Gromacs does not; 1-4 pairs have an ε of their own."""
    for kind in {id(a.atom_type): a.atom_type for a in made.atoms}.values():
        kind.epsilon, kind.epsilon_14 = abs(kind.epsilon), abs(kind.epsilon_14)
    made.box = None
    top = parmed.gromacs.GromacsTopologyFile.from_structure(made)
    top.defaults.gen_pairs = "no"
    top.save(str(folder / "ala5.top"), overwrite=True)
    top.save(str(folder / "ala5.gro"), overwrite=True, precision=8)


def openmm(made: Any, folder: Path) -> None:
    """A force field with a template for each residue as it stands in the chain."""
    parameters = parmed.charmm.CharmmParameterSet(str(folder / "ala5.prm"))
    field = parmed.openmm.OpenMMParameterSet.from_parameterset(parameters)
    templates = ResidueTemplateContainer.from_structure(made, term_decorate=False)
    for k, template in enumerate(templates):
        template.name = f"R{k}"
        template._impr = [impropers_of(one, k) for one in made.impropers if home(one.atom1) == k]
        field.residues[template.name] = template
    path = folder / "ala5.xml"
    field.write(str(path), provenance={}, charmm_imp=True, separate_ljforce=True)
    # as in OpenMM's own charmm36.xml, which ParmEd leaves out
    ordered = '<CustomTorsionForce ordering="charmm" '
    path.write_text(path.read_text().replace("<CustomTorsionForce ", ordered))


def home(atom: Any) -> int:
    """The number of its residue."""
    return int(atom.residue.idx)


def impropers_of(improper: Any, residue: int) -> list[str]:
    """Names of its atoms as CHARMM's residues have them: those of neighbours with a sign."""
    sign = {-1: "-", 0: "", 1: "+"}
    atoms = (improper.atom1, improper.atom2, improper.atom3, improper.atom4)
    return [sign[home(atom) - residue] + atom.name for atom in atoms]


def main(argv: list[str]) -> None:
    """Write them all."""
    warnings.simplefilter("ignore")
    (folder,) = map(Path, argv)
    read(folder).save(str(folder / "ala5.crd"), format="charmmcrd", overwrite=True)
    for write in (chamber, openmm, gromacs):
        write(read(folder), folder)


if __name__ == "__main__":
    main(sys.argv[1:])
