"""Umbrella windows as anybody makes them with OpenMM: nothing of msgen is imported here.

Two particles whose bond has two minima, one window after another; each writes a table of time and
distance, in Å, and a metadata file as WHAM reads it, springs in kcal/mol/Å².
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openmm as mm

TEMPERATURE = 300.0
KT = 0.00831446261815324 * TEMPERATURE
CENTRES = np.linspace(0.25, 0.95, 9)
"""nm."""
SPRING = 1000.0
"""kJ/mol/nm², of ½ k (r − λ)²."""
BOND = "8*((r-0.6)^2/0.04-1)^2"
"""kJ/mol: minima at 0.4 and 0.8 nm, a barrier of 8."""


def free_energy(r: np.ndarray) -> np.ndarray:
    """−kT ln of the density of r, in kT: the bond and the sphere that r goes over."""
    return 8 * ((r - 0.6) ** 2 / 0.04 - 1) ** 2 / KT - 2 * np.log(r)


def make_windows(folder: Path, samples: int, seed: int = 1) -> Path:
    """Run all windows; returns the metadata file."""
    system = mm.System()
    for _ in range(2):
        system.addParticle(12.0)
    bond = mm.CustomBondForce(f"{BOND} + 0.5*k*(r-centre)^2")
    bond.addGlobalParameter("k", SPRING)
    bond.addGlobalParameter("centre", 0.0)
    bond.addBond(0, 1, [])
    system.addForce(bond)
    integrator = mm.LangevinMiddleIntegrator(TEMPERATURE, 5.0, 0.004)
    integrator.setRandomNumberSeed(seed)
    reference = mm.Platform.getPlatformByName("Reference")
    context = mm.Context(system, integrator, reference)
    lines = []
    for k, centre in enumerate(CENTRES):
        context.setPositions([[0, 0, 0], [centre, 0, 0]])
        context.setVelocitiesToTemperature(TEMPERATURE, seed + k)
        context.setParameter("centre", centre)
        integrator.step(200)
        rows = []
        for n in range(samples):
            integrator.step(12)
            x = context.getState(positions=True).getPositions(asNumpy=True)._value
            rows.append(f"{0.048 * n:.3f} {10 * np.linalg.norm(x[1] - x[0]):.6f}")
        (folder / f"w{k}.dat").write_text("# time/ps r/A\n" + "\n".join(rows) + "\n")
        lines.append(f"w{k}.dat {10 * centre:.4f} {SPRING / 418.4:.8f}")
    (folder / "metadata.dat").write_text("\n".join(lines) + "\n")
    return folder / "metadata.dat"
