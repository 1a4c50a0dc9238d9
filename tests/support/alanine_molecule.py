"""Alanine dipeptide as the tests build it: of 22 atoms, on the platform that repeats itself."""

from __future__ import annotations

from typing import Any

from places import CONFIGS
from sections import build_cvs, build_system

from msgen.systems.base import CVSet
from msgen.systems.openmm.system import OpenMMSystem

AMBER99SB: dict[str, Any] = {
    "kind": "openmm",
    "structure": "alanine_dipeptide.pdb",
    "forcefield": ["amber99sb.xml"],
    "temperature": 320.0,
    "timestep": 0.002,
    "friction": 1.0,
    "constraints": "HBonds",
    "platform": "Reference",
}
"""In vacuum; files are found from `configs`."""
AMBER14_OBC2: dict[str, Any] = {
    "kind": "openmm",
    "structure": "alanine_dipeptide.pdb",
    "forcefield": ["amber14-all.xml", "implicit/obc2.xml"],
    "constraints": "None",
    "temperature": 300.0,
    "timestep": 0.001,
    "friction": 1.0,
    "platform": "Reference",
}
"""In implicit solvent, without constraints."""
PHI_PSI: dict[str, Any] = {
    "phi": {"kind": "dihedral", "atoms": ["ACE:C", "ALA:N", "ALA:CA", "ALA:C"]},
    "psi": {"kind": "dihedral", "atoms": ["ALA:N", "ALA:CA", "ALA:C", "NME:N"]},
}


def molecule(**changes: Any) -> tuple[OpenMMSystem, CVSet]:
    """The molecule in vacuum, with φ and ψ; `changes` are keys of its system."""
    system = build_system({**AMBER99SB, **changes}, CONFIGS)
    assert isinstance(system, OpenMMSystem)
    return system, build_cvs(PHI_PSI, system, CONFIGS)


def reordered_pdb(first: int) -> str:
    """The start structure as a PDB file in which atoms `first` and `first` + 1 change places."""
    lines = [
        line
        for line in (CONFIGS / AMBER99SB["structure"]).read_text().splitlines()
        if line.startswith(("ATOM", "HETATM"))
    ]
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    rows = [f"{line[:6]}{k:5d}{line[11:]}" for k, line in enumerate(lines, 1)]
    return "\n".join([*rows, "END", ""])
