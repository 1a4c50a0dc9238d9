"""Particles in reduced units, as OpenMM takes them.

σ is 1 nm, ε 1 kJ/mol and the mass of a particle 1 g/mol; the unit of time, σ√(m/ε), is then 1 ps.
A thermal energy kT in ε is a temperature of kT/R, 120.27 K at kT = ε.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import mdtraj
import numpy as np
import openmm as mm
from openmm import app

from msgen.systems.base import Array

MASS = 1.0
WCA = 2.0 ** (1.0 / 6.0)
"""r₀, where the Lennard-Jones potential has its minimum."""


def bare_system(n_particles: int, box: Array) -> Any:
    """An openmm.System of so many particles of mass 1 in a box, without forces."""
    system = mm.System()
    for _ in range(n_particles):
        system.addParticle(MASS)
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in box.tolist()))
    return system


def topology(solute: int, solvent: int, bonds: Iterable[tuple[int, int]], box: Array) -> Any:
    """An openmm.app.Topology: the solute is one residue SOL of chain A, the rest single SLV of B.

    Particles of the solute are called B0, B1, …, those of the solvent W. All are of element argon,
    so that files can be written; their masses are in the System.
    """
    top = app.Topology()
    argon = app.Element.getBySymbol("Ar")
    beads = top.addResidue("SOL", top.addChain("A"))
    atoms = [top.addAtom(f"B{i}", argon, beads) for i in range(solute)]
    chain = top.addChain("B")
    for _ in range(solvent):
        top.addAtom("W", argon, top.addResidue("SLV", chain))
    for i, j in bonds:
        top.addBond(atoms[i], atoms[j])
    top.setPeriodicBoxVectors([mm.Vec3(*row) for row in box.tolist()])
    return top


def mdtraj_topology(openmm_topology: Any) -> Any:
    """The same as an mdtraj.Topology."""
    return mdtraj.Topology.from_openmm(openmm_topology)


def switched_lennard_jones(switch: float, cutoff: float) -> str:
    """4[r⁻¹² − r⁻⁶] S(r) as an OpenMM expression, with OpenMM's own switching function.

    S = 1 − 10x³ + 15x⁴ − 6x⁵, x = (r − r_s)/(r_c − r_s), between r_s and r_c; 0 beyond.
    """
    return (
        f"select(step({cutoff!r}-r), 4*(1/r^12-1/r^6)*S, 0);"
        f"S=select(step(r-{switch!r}), 1-10*x^3+15*x^4-6*x^5, 1);"
        f"x=(r-{switch!r})/{cutoff - switch!r}"
    )


def lattice(sides: Array, avoid: Array, n: int, clear: float, seed: int) -> Array | None:
    """n points of a regular lattice in a box that keep `clear` of what is in there already.

    Parameters
    ----------
    sides : Array, shape (d,)
        Of a rectangular box that begins at the origin; d is 2 or 3.
    avoid : Array, shape (m, d)
    n : int
    clear : float
        Least distance to `avoid`, with the minimum image.
    seed : int
        Which of the points that are left are taken.

    Returns
    -------
    Array, shape (n, d), or None
        None where no lattice of a spacing of at least `clear` holds as many.
    """
    least = max(1, int(np.floor(n ** (1 / len(sides)))))
    for per_side in range(least, int(np.floor(sides.min() / clear)) + 1):
        axes = [(np.arange(per_side) + 0.5) * side / per_side for side in sides]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(sides))
        away = points[:, None] - avoid[None]
        away -= sides * np.round(away / sides)
        points = points[(away**2).sum(-1).min(axis=1, initial=np.inf) >= clear**2]
        if len(points) >= n:
            chosen = np.random.default_rng(seed).choice(len(points), n, replace=False)
            return np.asarray(points[np.sort(chosen)])
    return None
