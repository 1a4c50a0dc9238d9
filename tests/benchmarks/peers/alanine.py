"""Other people's samplers on the demo's task, run in the peers' own environment.

`python alanine.py {opes,metadynamics} SEED OUT.npz BUDGET…`: one simulation from the demo's
starting structure; at each budget (steps, that is force evaluations) the surface it reports, in kT,
at the centres of 36 x 36 bins. OPES as its own page sets it for this molecule, metadynamics as is
customary.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import app, unit

ROOT = Path(__file__).resolve().parents[3]
PHI, PSI = (4, 6, 8, 14), (6, 8, 14, 16)
TEMPERATURE, NODES = 320.0, 73
KT = 0.00831446261815324 * TEMPERATURE


def variable(atoms: tuple[int, int, int, int], width: float) -> app.BiasVariable:
    force = mm.CustomTorsionForce("theta")
    force.addTorsion(*atoms, [])
    return app.BiasVariable(force, -np.pi, np.pi, width, True, NODES)


def sampler(kind: str, system: mm.System):
    """The bias, and the function that reads the surface off it, in kT."""
    if kind == "opes":
        from openmm_opes import OPES

        bias = OPES(
            system,
            [variable(PHI, 0.15), variable(PSI, 0.15)],
            temperature=TEMPERATURE * unit.kelvin,
            barrier=50 * unit.kilojoules_per_mole,
            frequency=250,
            varianceFrequency=None,
            biasFactor=10,
        )
        return bias, lambda: bias.getFreeEnergy(correctSmoothing=True)
    variables = [variable(PHI, 0.35), variable(PSI, 0.35)]
    bias = app.Metadynamics(system, variables, TEMPERATURE, 10.0, 1.2, 250)
    return bias, bias.getFreeEnergy


def main(kind: str, seed: int, out: Path, budgets: list[int]) -> None:
    pdb = app.PDBFile(str(ROOT / "configs" / "alanine_dipeptide.pdb"))
    system = app.ForceField("amber99sb.xml").createSystem(pdb.topology, constraints=app.HBonds)
    bias, surface = sampler(kind, system)
    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE, 1.0, 0.002)
    integrator.setRandomNumberSeed(seed)
    platform = mm.Platform.getPlatformByName("Reference")
    simulation = app.Simulation(pdb.topology, system, integrator, platform)
    simulation.context.setPositions(pdb.positions)
    simulation.context.setVelocitiesToTemperature(TEMPERATURE, seed)
    done, surfaces = 0, []
    for budget in budgets:
        bias.step(simulation, budget - done)
        done = budget
        f = np.asarray(surface().value_in_unit(unit.kilojoules_per_mole)) / KT
        surfaces.append(f.T[1::2, 1::2])  # [psi, phi] on nodes, every other of them a bin's centre
    np.savez(out, surfaces=np.array(surfaces), evaluations=budgets)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), [int(float(b)) for b in sys.argv[4:]])
