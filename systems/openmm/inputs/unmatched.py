"""Residues that a force field has no template for: what they are, and what to do about each kind.

Structures from the Protein Data Bank have no hydrogens, modified residues, and ligands; OpenMM says
of all of them that no template was found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from openmm import app

from msgen.systems.errors import first_line

WATER = frozenset({"HOH", "WAT", "SOL", "TIP3", "TIP4", "TP3", "H2O", "SPC", "OPC", "DOD"})
AMINO_ACIDS = frozenset(
    ["ALA", "ARG", "ASN", "ASP", "ASH", "CYS", "CYM", "CYX", "GLN", "GLU", "GLH", "GLY", "HIS",
     "HID", "HIE", "HIP", "HSD", "HSE", "HSP", "ILE", "LEU", "LYS", "LYN", "MET", "PHE", "PRO",
     "SER", "THR", "TRP", "TYR", "VAL", "ACE", "NME", "NHE"]
)  # fmt: skip
NUCLEOTIDES = frozenset(["A", "C", "G", "U", "DA", "DC", "DG", "DT"])
NAMED = 4
"""Residues that a message names; the number of the others is told."""
_ADD = (
    "Add them: `msgen init FILE --add-hydrogens` writes a structure with them (so do pdbfixer, "
    "pdb2gmx and tleap)"
)
_OWN = (
    "Make its parameters (antechamber and tleap, CGenFF, openmmforcefields) and give the molecule "
    "by topology:, or name an XML file with them in forcefield:, or remove it from the file"
)


@dataclass(frozen=True)
class Misfit:
    """Residues without a template that have the same remedy.

    Attributes
    ----------
    residues : tuple of str
        Like ``MSE 12``, with the chain where there are several.
    what : str
        In words, to follow their names.
    remedy : str
    """

    residues: tuple[str, ...]
    what: str
    remedy: str

    @property
    def told(self) -> str:
        """The residues, the first of them by name."""
        more = len(self.residues) - NAMED
        return ", ".join(self.residues[:NAMED]) + (f" and {more:,} more" if more > 0 else "")

    @property
    def problem(self) -> str:
        """What is wrong, with the residues that it is wrong with."""
        return (
            f"the system cannot be built: {self.told}: {self.what}; the force field has no template"
        )


_TEMPLATE = {"HIS": "HIE", "HSD": "HID", "HSE": "HIE", "HSP": "HIP"}
"""What force fields call residues that have no template of their own name."""


def _hydrogens(residue: Any) -> int:
    return sum(a.element is app.element.hydrogen for a in residue.atoms())


def _is_standard(residue: Any) -> bool:
    return residue.name in AMINO_ACIDS | NUCLEOTIDES


def _is_ion(residue: Any) -> bool:
    atoms = list(residue.atoms())
    symbol = atoms[0].element.symbol.upper() if atoms[0].element is not None else "?"
    return len(atoms) == 1 and str(residue.name).upper().startswith(symbol)


def _has_backbone(residue: Any) -> bool:
    return {"N", "CA", "C"} <= {a.name for a in residue.atoms()}


_KINDS: Sequence[tuple[Callable[[Any, Collection[str]], bool], str, str]] = (
    (lambda r, _: _is_standard(r) and not _hydrogens(r), "have no hydrogens", _ADD),
    (
        lambda r, _: r.name in WATER and not _hydrogens(r),
        "waters without hydrogens",
        f"{_ADD}, or remove the waters from the file",
    ),
    (
        lambda r, known: r.name in WATER and "HOH" in known,
        "waters of other atoms, or other bonds",
        "Give each its oxygen and two hydrogens, or remove them from the file",
    ),
    (
        lambda r, _: r.name in WATER,
        "water",
        "Add the parameters of a water to forcefield:, such as amber14/tip3p.xml",
    ),
    (
        lambda r, _: r.name == "MSE",
        "selenomethionine, as crystals are grown with",
        "Make it MET (pdbfixer --replace-nonstandard), whose SD has the place of SE",
    ),
    (
        lambda r, _: _is_ion(r),
        "an ion",
        "Add a file with ions to forcefield:, such as amber14/tip3p.xml, or remove them",
    ),
    (
        lambda r, known: _is_standard(r) and _TEMPLATE.get(r.name, r.name) not in known,
        "residues that it does not know",
        "Name a force-field file that fits them, such as amber14-all.xml",
    ),
    (
        lambda r, _: _is_standard(r),
        "have other atoms, or other bonds",
        "Name a force-field file that fits them, or add what they miss (pdbfixer does; ends: OXT)",
    ),
    (
        lambda r, _: _has_backbone(r),
        "a modified residue",
        f"Make it a standard one (pdbfixer --replace-nonstandard). Or: {_OWN}",
    ),
    (lambda r, _: True, "a ligand, or another molecule", _OWN),
)
"""In the order in which they are told, and tried; of a residue and all names of templates."""


def _named(residue: Any, several: bool) -> str:
    chain = f"{residue.chain.id}/" if several and residue.chain.id.strip() else ""
    return f"{chain}{residue.name} {residue.id}"


def misfits(field: Any, topology: Any) -> list[Misfit]:
    """What of a topology the force field has no template for.

    Parameters
    ----------
    field : openmm.app.ForceField
    topology : openmm.app.Topology
    """
    try:
        left = field.getUnmatchedResidues(topology)
    except Exception as error:  # that of two templates for one residue has no class of its own
        text = first_line(error)
        which = re.search(r"residue \d+ \(.*?\)", text)
        remedy = "Remove it from the file, or give the molecule by topology:"
        return [Misfit((which[0] if which else "one residue",), text, remedy)]
    return list(_misfits(left, set(field._templates), topology.getNumChains() > 1))


def _misfits(residues: Sequence[Any], known: Collection[str], several: bool) -> Iterator[Misfit]:
    left = list(residues)
    for fits, what, remedy in _KINDS:
        found = [r for r in left if fits(r, known)]
        left = [r for r in left if not fits(r, known)]
        if found:
            yield Misfit(tuple(_named(r, several) for r in found), what, remedy)
