"""Dumbbells that do not see each other in a box: an ideal gas, whose volume is known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import mdtraj
import numpy as np
import openmm as mm
from openmm import app

from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.system import OpenMMSystem

PRESSURE = 1.5
"""kJ/(mol nm³); ⟨V⟩ of 4 at 300 K is 8.3 nm³."""
SIDE = 2.2
"""nm, of the box that they begin in."""
CAMPAIGN = """
executor: inline
seed: 3
system: {{kind: openmm, factory: "gas:dumbbells", temperature: 300 K, timestep: 4 fs,
         friction: 5 /ps, pressure: 24.9081 bar, platform: Reference}}
cvs: {{d: {{kind: distance, atoms: [0, 1], range: [0.10 nm, 0.20 nm], bins: 8}}}}
states: {{long: {{d: [0.15 nm, 0.2 nm]}}}}
strategy: {strategy}
replicas: 4
budget: {{energy_evaluations: {evaluations}}}
output: {{tensorboard: false}}
"""


def dumbbells(n: int = 4) -> SimpleNamespace:
    """Topology, System and positions."""
    system, topology = mm.System(), app.Topology()
    chain = topology.addChain()
    bond, force = mm.HarmonicBondForce(), mm.CustomNonbondedForce("0*r")
    force.setNonbondedMethod(force.CutoffPeriodic)
    force.setCutoffDistance(0.4)
    for k in range(n):
        residue = topology.addResidue("DUM", chain)
        atoms = [topology.addAtom(f"C{j}", app.element.carbon, residue) for j in (1, 2)]
        topology.addBond(*atoms)
        for _ in atoms:
            system.addParticle(12.0)
            force.addParticle([])
        bond.addBond(2 * k, 2 * k + 1, 0.15, 5e3)
    system.addForce(bond)
    system.addForce(force)
    system.setDefaultPeriodicBoxVectors(*(SIDE * np.eye(3)).tolist())
    places = np.random.default_rng(1).random((n, 1, 3)) * SIDE
    x = (places + np.array([[0.0] * 3, [0.15, 0, 0]])).reshape(-1, 3)
    return SimpleNamespace(topology=topology, system=system, positions=x)


def pressed(n: int = 4) -> OpenMMSystem:
    """The same under pressure, at 300 K."""
    made = dumbbells(n)
    atoms = mdtraj.Topology.from_openmm(made.topology)
    box = SIDE * np.eye(3)
    molecule = Molecule(atoms, made.topology, made.system, made.positions, box)
    return OpenMMSystem(molecule, 300.0, 0.004, 5.0, "Reference", pressure=PRESSURE)


def write(folder: Path, strategy: str, evaluations: int = 100_000) -> Path:
    """A campaign of them, and the module that its factory is in."""
    (folder / "gas.py").write_text(
        f"import sys\nsys.path.append({str(Path(__file__).parent)!r})\n"
        "from dumbbells import dumbbells as dumbbells\n"
    )
    path = folder / "gas.yaml"
    path.write_text(CAMPAIGN.format(strategy=strategy, evaluations=evaluations))
    return path
