"""A nine-bead polymer with two end-to-end distances in a Lennard-Jones fluid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import openmm as mm

from msgen.systems.base import Array
from msgen.systems.errors import SpecError
from msgen.systems.openmm.reduced_units import (
    bare_system,
    lattice,
    mdtraj_topology,
    switched_lennard_jones,
    topology,
)
from msgen.systems.openmm.structure import Molecule

BEADS = 9
CENTRE = 4.62
"""End-to-end distance at the top of the bare barrier."""

SWITCH, CUTOFF = 2.0, 2.5
SOLVENT, BOX = 200, 7.469
"""The published size; boxes of others have the same density by default."""

_STIFF, _BOND, _BEND = 500.0, 1.0, 1.63
_CLEAR = 0.85


def default_box(solvent: int) -> float:
    """Side of the cube in which so much solvent has the published density."""
    return float(BOX * ((solvent + BEADS) / (SOLVENT + BEADS)) ** (1 / 3))


@dataclass(frozen=True)
class Polymer:
    """Beads 0 … 8 in a row, with the ends held by ¼k(d−4.62)⁴/α⁴ − k(d−4.62)²/α².

    Neighbours: ½·500(d−1)²; second neighbours: ½·500(d−1.63)². Lennard-Jones with ε = σ = 1,
    switched off from 2.0 to 2.5, acts between solvent and solvent, solvent and beads, and beads i
    and j ≥ i+3. The bare end-to-end term has minima at 4.62 ± √2 α and a barrier of k. (C. Schönle,
    D. Carbone, M. Gabrié, T. Lelièvre and G. Stoltz, arXiv 2512.16812.)

    Beads see each other as they stand and solvent by its nearest image: at the published size a
    stretched polymer (5.75) would lie within a cutoff of its own image in the box of 7.469, which
    would be another potential for another box. Solvent within reach of both ends feels both.

    Attributes
    ----------
    solvent : int
        Number of solvent particles.
    box : float
        Side of the cube.
    k, alpha : float
    """

    solvent: int = SOLVENT
    box: float = BOX
    k: float = 9.1
    alpha: float = 0.8

    def end_energy(self, d: Array) -> Array:
        """The bare end-to-end term, ε."""
        x = (d - CENTRE) ** 2 / self.alpha**2
        return np.asarray(self.k * (0.25 * x**2 - x))

    def minimum(self, state: Literal["compact", "stretched"]) -> float:
        """The end-to-end distance at the bare minimum of a state."""
        side = -1.0 if state == "compact" else 1.0
        return CENTRE + side * float(np.sqrt(2.0)) * self.alpha

    @property
    def vectors(self) -> Array:
        """Box vectors, shape (3, 3)."""
        return np.diag([self.box] * 3)

    def chain_forces(self) -> list[Any]:
        """What the beads do to each other."""
        bonds = mm.HarmonicBondForce()
        for gap, length in ((1, _BOND), (2, _BEND)):
            for i in range(BEADS - gap):
                bonds.addBond(i, i + gap, length, _STIFF)
        bonds.setName("bonds of the polymer")
        a, k = f"((r-{CENTRE!r})/{self.alpha!r})^2", repr(self.k)
        ends = mm.CustomBondForce(f"{k}*(0.25*x*x-x); x={a}")
        ends.addBond(0, BEADS - 1, [])
        ends.setName("ends of the polymer")
        far = mm.CustomBondForce(switched_lennard_jones(SWITCH, CUTOFF))
        for i in range(BEADS):
            for j in range(i + 3, BEADS):
                far.addBond(i, j, [])
        far.setName("Lennard-Jones within the polymer")
        return [bonds, ends, far]

    def system(self) -> Any:
        """The openmm.System."""
        n = BEADS + self.solvent
        system = bare_system(n, self.vectors)
        fluid = mm.NonbondedForce()
        fluid.setNonbondedMethod(mm.NonbondedForce.CutoffPeriodic)
        fluid.setCutoffDistance(CUTOFF)
        fluid.setUseSwitchingFunction(True)
        fluid.setSwitchingDistance(SWITCH)
        fluid.setUseDispersionCorrection(False)
        for _ in range(n):
            fluid.addParticle(0.0, 1.0, 1.0)
        for i in range(BEADS):
            for j in range(i):
                fluid.addException(i, j, 0.0, 1.0, 0.0)
        fluid.setName("Lennard-Jones of the fluid")
        for force in [fluid, *self.chain_forces()]:
            system.addForce(force)
        return system

    def beads(self, state: Literal["compact", "stretched"], seed: int) -> Array:
        """A chain without solvent at the bare end-to-end distance of `state`, shape (9, 3)."""
        system = bare_system(BEADS, self.vectors)
        for force in self.chain_forces():
            system.addForce(force)
        pull = mm.CustomBondForce(f"1000*(r-{self.minimum(state)!r})^2")
        pull.addBond(0, BEADS - 1, [])
        system.addForce(pull)
        context = mm.Context(
            system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
        )
        zigzag = np.zeros((BEADS, 3))
        zigzag[:, 0] = np.arange(BEADS) * _BEND / 2
        zigzag[1::2, 1] = np.sqrt(_BOND**2 - _BEND**2 / 4)
        # a flat zigzag is symmetric, and would stay flat
        context.setPositions(zigzag + 0.1 * np.random.default_rng(seed).standard_normal((BEADS, 3)))
        mm.LocalEnergyMinimizer.minimize(context, 0.01)
        x = np.array(context.getState(positions=True).getPositions(asNumpy=True)._value)
        return np.asarray(x - x.mean(0))

    def molecule(self, state: Literal["compact", "stretched"], seed: int = 1) -> Molecule:
        """Topology, System and a lattice of solvent about a chain in `state`.

        Raises
        ------
        SpecError
            If the box is too small for the cutoff or for so much solvent.
        """
        if self.box < 2 * CUTOFF:
            raise SpecError(
                ("system", "box"),
                round(self.box, 4),
                "is too small for its images",
                f"Give at least {2 * CUTOFF:g}, two cutoffs",
            )
        solute = self.beads(state, seed) + self.box / 2
        rest = lattice(np.full(3, self.box), solute, self.solvent, _CLEAR, seed)
        if rest is None:
            raise SpecError(
                ("system", "solvent"),
                self.solvent,
                f"are too many particles for a box of {self.box:.4g}",
                "Give fewer, or a larger box",
            )
        bonds = [(i, i + 1) for i in range(BEADS - 1)]
        made = topology(BEADS, self.solvent, bonds, self.vectors)
        x = np.concatenate([solute, rest])
        return Molecule(mdtraj_topology(made), made, self.system(), x, self.vectors)
