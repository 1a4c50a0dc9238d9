"""Four atoms in a chain, whose torsion has a free energy that is known: its own potential.

Bonds and angles do not depend on the torsion, and neither does the volume of configurations at a
given torsion, so that p(φ) ∝ e^{−U(φ)/kT}.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import app

KT = 0.00831446261815324 * 300.0
TERMS = ((2, 0.0, 6.0), (1, np.pi / 3, 1.5))
"""Periodicity, phase and height in kJ/mol."""


def potential(phi: np.ndarray) -> np.ndarray:
    return sum(k * (1 + np.cos(n * phi - phase)) for n, phase, k in TERMS)


def exact_upper() -> float:
    """F(rest) − F(upper) in kT; upper is 0 ≤ φ < 180°."""
    phi = (np.arange(20_000) + 0.5) / 20_000 * np.pi
    up, down = (np.exp(-potential(s * phi) / KT).sum() for s in (1, -1))
    return float(np.log(up / down))


def write(folder: Path, strategy: str, *lines: str, platform: str = "Reference") -> str:
    """The campaign file, and what it needs beside it."""
    system = mm.System()
    for _ in range(4):
        system.addParticle(12.0)
    bonds, angles, torsion = mm.HarmonicBondForce(), mm.HarmonicAngleForce(), None
    torsion = mm.PeriodicTorsionForce()
    for i in range(3):
        bonds.addBond(i, i + 1, 0.15, 5e4)
    for i in range(2):
        angles.addAngle(i, i + 1, i + 2, 1.9, 300.0)
    for n, phase, k in TERMS:
        torsion.addTorsion(0, 1, 2, 3, n, phase, k)
    for force in (bonds, angles, torsion):
        system.addForce(force)
    (folder / "chain.xml").write_text(mm.XmlSerializer.serialize(system))
    topology = app.Topology()
    residue = topology.addResidue("BUT", topology.addChain())
    carbon = app.Element.getBySymbol("C")
    atoms = [topology.addAtom(f"C{i}", carbon, residue) for i in range(4)]
    for a, b in itertools.pairwise(atoms):
        topology.addBond(a, b)
    x = [[-0.05, 0.14, 0.0], [0, 0, 0], [0.15, 0, 0], [0.2, 0.02, 0.139]]
    with (folder / "chain.pdb").open("w") as out:
        app.PDBFile.writeFile(topology, np.array(x) * 10, out)
    text = f"""
name: chain
seed: 3
executor: inline
system: {{kind: openmm, structure: {folder}/chain.pdb, system_xml: {folder}/chain.xml,
         temperature: 300 K, timestep: 2 fs, friction: 5 /ps, platform: {platform}}}
cvs:
  phi: {{kind: dihedral, atoms: [0, 1, 2, 3]}}
states:
  upper: {{phi: [0 deg, 180 deg]}}
strategy: {strategy}
converge: {{state_error: 0.01 kT}}
output: {{tensorboard: false}}
"""
    (folder / "chain.yaml").write_text(text + "\n".join(lines))
    return str(folder / "chain")
