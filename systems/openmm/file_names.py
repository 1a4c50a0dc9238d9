"""What files of molecules are called, by the programs that write them."""

from __future__ import annotations

PDB = (".pdb", ".ent")
MMCIF = (".cif", ".mmcif", ".pdbx")
AMBER = (".prmtop", ".parm7")
GROMACS = (".top",)
CHARMM = (".psf",)
TOPOLOGIES = {AMBER: "Amber", GROMACS: "Gromacs", CHARMM: "CHARMM"}
"""Whose topologies have which suffixes."""
AMBER_COORDINATES = (".inpcrd", ".rst7", ".crd", ".restrt", ".rst", ".ncrst", ".nc")
CHARMM_COORDINATES = (".crd", ".cor")
GROMACS_COORDINATES = (".gro",)
CHARMM_PARAMETERS = (".prm", ".par", ".rtf", ".str", ".inp")
TOPOLOGIES_ALL = tuple(suffix for suffixes in TOPOLOGIES for suffix in suffixes)
