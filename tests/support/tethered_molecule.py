"""Atoms that an external field holds in place, so that where they are is known exactly.

Each of three atoms is tethered by k; two are bound by a spring of no length. U/kT of nine normal
modes is a χ² of nine degrees of freedom, halved: mean 9/2, variance 9/2.
"""

from __future__ import annotations

from pathlib import Path

import mdtraj
import numpy as np
import openmm as mm
from openmm import app

from msgen.systems.base import Array, CVSet
from msgen.systems.constants import GAS_CONSTANT
from msgen.systems.cvs.torch_cvs import Distance
from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.system import OpenMMSystem

PLATFORMS = ("Reference", "CPU")
K, BOND, MASS, TEMPERATURE = 600.0, 900.0, 12.0, 300.0
KT = GAS_CONSTANT * TEMPERATURE
HOME = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.9, 0.0, 0.0]])
"""Where the field would have them, nm."""
CVS = CVSet((Distance("d", (0, 2)),))
START = HOME + np.array([[0.0, 0.0, 0.01], [0.0, 0.0, -0.01], [0.0, 0.0, 0.0]])
MODES = np.array([K, K + 2 * BOND, K])
"""Stiffness of (r₀ + r₁)/√2, (r₀ − r₁)/√2 and r₂, kJ/(mol nm²)."""


def draw(n: int, rng: np.random.Generator) -> Array:
    """Exact configurations, shape (n, 9)."""
    modes = rng.standard_normal((n, 3, 3)) * np.sqrt(KT / MODES)[:, None]
    x = np.stack([modes[:, 0] + modes[:, 1], modes[:, 0] - modes[:, 1], modes[:, 2]], axis=1)
    x[:, :2] /= np.sqrt(2.0)
    return (x + HOME).reshape(n, 9)


def model() -> tuple[app.Topology, mm.System]:
    """The atoms and their forces."""
    system, topology = mm.System(), app.Topology()
    residue = topology.addResidue("TET", topology.addChain())
    field = mm.CustomExternalForce(f"{K / 2}*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    for name in ("x0", "y0", "z0"):
        field.addPerParticleParameter(name)
    for i, home in enumerate(HOME):
        system.addParticle(MASS)
        topology.addAtom(f"C{i}", app.Element.getBySymbol("C"), residue)
        field.addParticle(i, home.tolist())
    bond = mm.HarmonicBondForce()
    bond.addBond(0, 1, 0.0, BOND)
    system.addForce(field)
    system.addForce(bond)
    return topology, system


def tethered(platform: str, friction: float = 1.0, timestep: float = 0.005) -> OpenMMSystem:
    """On the platform, from where the field would have the atoms."""
    topology, system = model()
    read = Molecule(mdtraj.Topology.from_openmm(topology), topology, system, START, None)
    return OpenMMSystem(read, TEMPERATURE, timestep, friction, platform)


def write(folder: Path, platform: str, friction: float, seed: int) -> Path:
    """A campaign of two replicas of it, each an order of its own; the campaign file."""
    topology, system = model()
    (folder / "tethered.xml").write_text(mm.XmlSerializer.serialize(system))
    with (folder / "tethered.pdb").open("w") as out:
        app.PDBFile.writeFile(topology, 10 * START, out)
    file = folder / "tethered.yaml"
    file.write_text(f"""
name: tethered
seed: {seed}
system: {{kind: openmm, structure: {folder}/tethered.pdb, system_xml: {folder}/tethered.xml,
         temperature: {TEMPERATURE} K, timestep: 5 fs, friction: {friction} /ps,
         platform: {platform}}}
cvs:
  d: {{kind: distance, atoms: [0, 2], range: [0.5 nm, 1.3 nm]}}
states:
  far: {{d: [0.9 nm, 1.3 nm]}}
strategy: {{kind: local, local: {{kind: langevin, steps: 300}}}}
replicas: 2
resources: {{workers: 2}}
converge: {{state_error: 0.001 kT}}
budget: {{rounds: 6}}
output: {{tensorboard: false, trajectory: none}}
""")
    return file
