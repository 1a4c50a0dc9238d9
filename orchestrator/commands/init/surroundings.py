"""What a molecule is simulated in: what its files have, vacuum, an implicit solvent or water."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from msgen.orchestrator.commands.init.given import Given
from msgen.orchestrator.commands.init.wrong import wrong
from msgen.systems.base import Array
from msgen.systems.openmm.inputs.unmatched import WATER
from msgen.systems.openmm.periodic_images import SHORT

Solvent = Literal["auto", "vacuum", "implicit", "water"]
PROTEIN, WATERS, OBC2 = "amber14-all.xml", "amber14/tip3p.xml", "implicit/obc2.xml"
FEW = 2
"""Molecules without water whose box is taken for a crystal's, or for a program's placeholder."""
MANY = 50
"""Waters that belong into a box."""
CUTOFF = 1.0
"""nm, where a campaign says nothing."""


@dataclass(frozen=True)
class Contents:
    """What lies in the files beside the molecule.

    Attributes
    ----------
    waters, ions, molecules : int
        The last of more than one atom, and no water.
    width : float or None
        Least width of the box, nm; None without one.
    """

    waters: int
    ions: int
    molecules: int
    width: float | None

    @property
    def boxed(self) -> bool:
        return self.width is not None

    @classmethod
    def of(cls, topology: Any, box: Array | None) -> Contents:
        """Those of an mdtraj.Topology, with the vectors of its box, nm."""
        if topology.n_bonds:
            molecules = topology.find_molecules()
        else:  # of a file that names no bonds each residue is taken for a molecule
            molecules = [set(residue.atoms) for residue in topology.residues]
        waters = [m for m in molecules if next(iter(m)).residue.name in WATER]
        ions = [m for m in molecules if len(m) == 1 and m not in waters]
        others = len(molecules) - len(waters) - len(ions)
        width = None if box is None else float(np.diag(box).min())
        return cls(len(waters), len(ions), others, width)


def surrounded(files: Given, contents: Contents, solvent: Solvent) -> dict[str, object]:
    """Keys of the section that say so.

    Raises
    ------
    CampaignError
        Where the files have something else, or cannot be given it.
    """
    structure = files.source == "forcefield"
    if contents.waters and solvent != "auto":
        what = f"the files hold {contents.waters:,} waters"
        if solvent == "water":
            raise wrong("--solvent", solvent, f"{what} already", "Leave --solvent out")
        remedy = "Remove them (`gmx trjconv`, `cpptraj strip`, …), or leave --solvent out"
        raise wrong("--solvent", solvent, what, remedy)
    if contents.waters > MANY and not contents.boxed:
        what = f"the files hold {contents.waters:,} waters and no box"
        remedy = "Give coordinates with one (a PDB's CRYST1 line), or remove the waters"
        raise wrong("FILE", files.name, what, remedy)
    keys: dict[str, object] = {}
    if structure and "forcefield" not in files.files:
        wet = solvent == "water" or contents.waters or contents.ions
        keys["forcefield"] = [PROTEIN, *([WATERS] if wet else [])]
    if solvent == "water":
        if not structure:
            remedy = "Solvate it with the program that made its topology (tleap, gmx solvate)"
            raise wrong("--solvent", solvent, "is put around a structure file only", remedy)
        return {**keys, "solvent": {"water": "tip3p", "padding": "1 nm", "ions": "0.15 M"}}
    if solvent == "implicit":
        if structure:
            own = files.files.get("forcefield", keys.get("forcefield"))
            assert isinstance(own, list)
            return {**keys, "forcefield": [*own, OBC2]}
        if "system_xml" in files.files or str(files.files["topology"]).lower().endswith(".top"):
            remedy = "Take a structure with a force field, an Amber or a CHARMM topology"
            raise wrong("--solvent", solvent, "cannot be added to these files", remedy)
        return {**keys, "implicit_solvent": "OBC2"}
    dry = contents.boxed and not contents.waters and contents.molecules <= FEW
    if files.source != "system_xml" and (solvent == "vacuum" or dry):
        keys["nonbonded"] = "NoCutoff"
    elif files.source != "system_xml" and _short(contents.width):
        keys["cutoff"] = f"{_short(contents.width):g} nm"
    elif solvent == "vacuum" and contents.boxed:
        remedy = "Make the System without a box, or leave --solvent out"
        raise wrong("--solvent", solvent, "the System has a box", remedy)
    return keys


def _short(width: float | None) -> float | None:
    """A cutoff that fits a box in which the usual one does not, where force fields allow one."""
    if width is None or width >= 2 * CUTOFF or width < 2 * SHORT:
        return None
    return math.floor(50 * width) / 100
