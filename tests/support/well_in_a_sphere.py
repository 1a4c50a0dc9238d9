"""Two particles that bind in a Gaussian well, in a sphere: what binds them is an integral."""

from __future__ import annotations

import math
from types import SimpleNamespace

import openmm as mm
from openmm import app
from scipy.integrate import quad

from msgen.systems.constants import GAS_CONSTANT, STANDARD_VOLUME

KT = GAS_CONSTANT * 300.0
DEPTH, WIDTH, END = 4.0 * KT, 0.15, 1.2
"""kJ/mol, nm, nm."""


def pair() -> SimpleNamespace:
    """Topology, System and positions."""
    system, topology = mm.System(), app.Topology()
    chain = topology.addChain()
    force = mm.CustomBondForce(f"-{DEPTH}*exp(-r^2/(2*{WIDTH}^2)) + 5000*max(0, r - {END})^2")
    for k in range(2):
        topology.addAtom("C", app.element.carbon, topology.addResidue(f"P{k}", chain))
        system.addParticle(12.0)
    force.addBond(0, 1)
    system.addForce(force)
    return SimpleNamespace(
        topology=topology, system=system, positions=[[0.0, 0.0, 0.0], [0.3, 0.0, 0.0]]
    )


def standard_free_energy(bound: float) -> float:
    """ΔG°/kT, with all below `bound` (nm) bound."""

    def weight(r: float) -> float:
        well = math.exp(-(r**2) / (2 * WIDTH**2)) * DEPTH / KT
        return 4 * math.pi * r**2 * math.exp(well)

    return -math.log(float(quad(weight, 0.0, bound, epsrel=1e-12)[0]) / STANDARD_VOLUME)
