"""A few rigid waters held together by a spring, and their motion as numpy works it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import mdtraj
import numpy as np
import openmm as mm
from openmm import app, unit

from msgen.systems.base import Array, CVSet
from msgen.systems.cvs.torch_cvs import Distance
from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.system import OpenMMSystem

SPRING = 500.0
"""kJ/(mol nm²), of every oxygen to one place."""
FIRST_ANGLE = np.deg2rad(104.52)
OXYGENS = CVSet((Distance("d", (0, 3)),))
"""Of a three-site model."""
OXYGENS_4 = CVSet((Distance("d", (0, 4)),))
"""Of a four-site model."""

ONE_WATER_TOP = """[ defaults ]
1 2 yes 0.5 0.8333
[ atomtypes ]
OW 8 15.9994 -0.834 A 0.315061 0.6364
HW 1 1.008 0.417 A 0.0 0.0
[ moleculetype ]
SOL 2
[ atoms ]
1 OW 1 SOL OW  1 -0.834 15.9994
2 HW 1 SOL HW1 1  0.417 1.008
3 HW 1 SOL HW2 1  0.417 1.008
[ bonds ]
1 2 1 0.09572 462750.4
1 3 1 0.09572 462750.4
[ angles ]
2 1 3 1 104.52 836.8
[ system ]
water
[ molecules ]
SOL 1
"""
"""A topology of GROMACS: one water, its bonds and its angle flexible."""


def waters(forcefield: str, platform: str = "Reference", n: int = 4, **more: Any) -> OpenMMSystem:
    """n waters of tip3p.xml, or of tip4pew.xml with its virtual sites, at 300 K.

    `more` are arguments of createSystem.
    """
    topology = app.Topology()
    chain = topology.addChain()
    places = []
    for k in range(n):
        residue = topology.addResidue("HOH", chain)
        atoms = [topology.addAtom(s, app.element.get_by_symbol(s[0]), residue) for s in _NAMES]
        for h in atoms[1:]:
            topology.addBond(atoms[0], h)
        corner = 0.31 * np.array([k % 2, k // 2 % 2, k // 4], dtype=float)
        arms = [[np.cos(a), np.sin(a), 0.0] for a in (0.0, FIRST_ANGLE)]
        places += [corner, *(corner + 0.09572 * np.array(a) for a in arms)]
    whole = app.Modeller(topology, [mm.Vec3(*p) for p in places] * unit.nanometer)
    field = app.ForceField(forcefield)
    whole.addExtraParticles(field)
    system = field.createSystem(whole.topology, removeCMMotion=False, **more)
    middle = np.mean(places[::3], axis=0)
    a, b, c = middle.tolist()
    spring = mm.CustomExternalForce(f"{SPRING / 2}*((x-{a})^2+(y-{b})^2+(z-{c})^2)")
    for atom in whole.topology.atoms():
        if atom.name == "O":
            spring.addParticle(atom.index, [])
    system.addForce(spring)
    positions = np.array(whole.positions.value_in_unit(unit.nanometer))
    named = mdtraj.Topology.from_openmm(whole.topology)
    molecule = Molecule(named, whole.topology, system, positions, None)
    return OpenMMSystem(molecule, 300.0, 0.001, 1.0, platform, minimize=True)


_NAMES = ("O", "H1", "H2")


@dataclass
class Outside:
    """What a rigid molecule does, without an integrator of OpenMM: energies are its only part.

    Constraints are solved by Newton's method along M⁻¹∇σ, velocities by linear algebra.
    """

    system: OpenMMSystem
    pairs: Array = field(init=False)
    mass: Array = field(init=False)
    _context: Any = field(init=False)

    def __post_init__(self) -> None:
        bonds = self.system.constraints
        self.pairs, self.mass = bonds.pairs, bonds.masses[:, None]
        self._lengths = bonds.lengths
        # massless sites have no velocity; any mass will do in what divides by it
        self._safe = np.where(self.mass > 0, self.mass, 1.0)
        model, platform = self.system.openmm_system, mm.Platform.getPlatformByName("Reference")
        self._context = mm.Context(model, mm.VerletIntegrator(0.001), platform)

    def sited(self, x: Array) -> Array:
        """x with virtual sites where they belong."""
        self._context.setPositions(x)
        self._context.computeVirtualSites()
        state = self._context.getState(positions=True)
        return np.array(state.getPositions(asNumpy=True)._value)

    def energy_and_force(self, x: Array) -> tuple[float, Array]:
        """U/kT, and −∇U in kJ/(mol nm), sites where they belong."""
        self._context.setPositions(x)
        self._context.computeVirtualSites()
        state = self._context.getState(energy=True, forces=True)
        force = np.array(state.getForces(asNumpy=True)._value)
        return state.getPotentialEnergy()._value / self.system.kT, np.where(self.mass > 0, force, 0)

    def kinetic(self, v: Array) -> float:
        """K/kT."""
        return float(0.5 * (self.mass * v * v).sum() / self.system.kT)

    def _arms(self, x: Array) -> Array:
        return x[self.pairs[:, 0]] - x[self.pairs[:, 1]]

    def _gradients(self, x: Array) -> Array:
        """∂σ_k/∂x_i, shape (M, N, 3), of σ = (r² − d²)/2."""
        arms, k = self._arms(x), np.arange(len(self.pairs))
        out = np.zeros((len(k), *x.shape))
        out[k, self.pairs[:, 0]], out[k, self.pairs[:, 1]] = arms, -arms
        return out

    def off_tangent(self, x: Array, v: Array) -> float:
        """The fastest that a rigid bond becomes longer, nm²/ps."""
        return float(np.abs((self._arms(x) * self._arms(v)).sum(1)).max(initial=0.0))

    def tangent(self, x: Array, v: Array) -> Array:
        """v projected on the constraints at x, orthogonally in the mass metric."""
        g = self._gradients(x)
        weighted = g / self._safe
        gram = np.einsum("kid,lid->kl", g, weighted)
        mu = np.linalg.solve(gram, np.einsum("kid,id->k", g, v))
        return np.asarray(v - np.einsum("k,kid->id", mu, weighted))

    def settled(self, old: Array, trial: Array) -> Array:
        """trial + M⁻¹∇σ(old)·μ on the constraints, sites where they belong."""
        x, weighted = trial.copy(), self._gradients(old) / self._safe
        for _ in range(50):
            off = 0.5 * ((self._arms(x) ** 2).sum(1) - self._lengths**2)
            if np.abs(off).max() < 1e-14:
                break
            gram = np.einsum("kid,lid->kl", self._gradients(x), weighted)
            x = x - np.einsum("k,kid->id", np.linalg.solve(gram, off), weighted)
        return self.sited(x)
