"""A dimer with two bond lengths in a fluid of purely repulsive discs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import openmm as mm

from msgen.systems.base import Array
from msgen.systems.errors import SpecError
from msgen.systems.openmm.reduced_units import WCA, bare_system, lattice, mdtraj_topology, topology
from msgen.systems.openmm.structure import Molecule

_CLEAR = 0.95
"""Least distance in the lattice that a start is made from."""

_DEPTH = 4.0
"""Third side of the box, which nothing moves along: OpenMM wants at least two cutoffs."""


@dataclass(frozen=True)
class Dimer:
    """Discs 0 and 1 are bonded, U_b(r) = h [1 − (r − r₀ − w)²/w²]²; all others repel each other.

    Everything but the pair 0–1 interacts by the Weeks–Chandler–Andersen potential
    4(r⁻¹² − r⁻⁶) + 1 up to r₀ = 2^(1/6), in a periodic square. The bond is between the two as they
    stand: it knows no image, and neither should the CV r. (C. Schönle, D. Carbone, M. Gabrié,
    T. Lelièvre and G. Stoltz, arXiv 2512.16812, whose sizes are the defaults.)

    The discs move in the plane z = 0: all forces lie in it, and nothing has a velocity out of it.

    Attributes
    ----------
    particles : int
        Number of discs, the two of the dimer among them.
    box : float
        Side of the square.
    h, w : float
        Barrier of the bare bond, and half the distance of its minima r₀ and r₀ + 2w.
    """

    particles: int = 100
    box: float = 15.0
    h: float = 2.0
    w: float = 2.0

    def bond_energy(self, r: Array) -> Array:
        """U_b(r) of the bare bond, ε."""
        return np.asarray(self.h * (1 - (r - WCA - self.w) ** 2 / self.w**2) ** 2)

    def minimum(self, state: Literal["compact", "stretched"]) -> float:
        """The bare bond's length in a state."""
        return WCA if state == "compact" else WCA + 2 * self.w

    @property
    def vectors(self) -> Array:
        """Box vectors, shape (3, 3)."""
        return np.diag([self.box, self.box, _DEPTH])

    def system(self) -> Any:
        """The openmm.System."""
        system = bare_system(self.particles, self.vectors)
        discs = mm.CustomNonbondedForce("4*(1/r^12-1/r^6)+1")
        discs.setNonbondedMethod(mm.CustomNonbondedForce.CutoffPeriodic)
        discs.setCutoffDistance(WCA)
        for _ in range(self.particles):
            discs.addParticle([])
        discs.addExclusion(0, 1)
        discs.setName("repulsion of discs")
        system.addForce(discs)
        centre = WCA + self.w
        bond = mm.CustomBondForce(f"{self.h!r}*(1-((r-{centre!r})/{self.w!r})^2)^2")
        bond.addBond(0, 1, [])
        bond.setName("bond of the dimer")
        system.addForce(bond)
        return system

    def molecule(self, state: Literal["compact", "stretched"], seed: int = 1) -> Molecule:
        """Topology, System and a lattice with the dimer at the minimum of `state`.

        Raises
        ------
        SpecError
            If the box is too small for the dimer or for so many discs.
        """
        if self.box < 2 * WCA:
            remedy = f"Give at least {2 * WCA:.4g}, two cutoffs"
            raise SpecError(("system", "box"), self.box, "is too small for its images", remedy)
        length = self.minimum(state)
        solute = np.full((2, 2), self.box / 2)
        solute[:, 0] += (-length / 2, length / 2)
        sides = np.full(2, self.box)
        rest = lattice(sides, solute, self.particles - 2, _CLEAR, seed)
        if rest is None:
            raise SpecError(
                ("system", "particles"),
                self.particles,
                f"are too many discs for a box of {self.box:g}",
                "Give fewer, or a larger box",
            )
        x = np.zeros((self.particles, 3))
        x[:, :2] = np.concatenate([solute, rest])
        made = topology(2, self.particles - 2, [(0, 1)], self.vectors)
        free = np.broadcast_to([True, True, False], x.shape)
        return Molecule(mdtraj_topology(made), made, self.system(), x, self.vectors, free)
