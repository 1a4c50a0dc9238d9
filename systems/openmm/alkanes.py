"""Linear alkanes in vacuum with the OPLS all-atom force field.

Parameters: W. L. Jorgensen, D. S. Maxwell and J. Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996),
torsions as revised in 1999 and distributed since with GROMACS. Lengths nm, energies kJ/mol.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import mdtraj
import numpy as np
import openmm as mm
from openmm import app

from msgen.systems.base import Array
from msgen.systems.openmm.structure import Molecule

CALORIE = 4.184


class _Atom(NamedTuple):
    """Charge (e), σ and ε."""

    charge: float
    sigma: float
    epsilon: float


METHYL = _Atom(-0.18, 0.35, 0.066 * CALORIE)
METHYLENE = METHYL._replace(charge=-0.12)
HYDROGEN = _Atom(0.06, 0.25, 0.030 * CALORIE)
BONDS = {"CC": (0.1529, 536 * CALORIE * 100), "CH": (0.109, 680 * CALORIE * 100)}
"""Length and stiffness k of ½k(r − r₀)²; published are k/2 in kcal/(mol Å²)."""
ANGLES = {
    "CCC": (112.7, 116.7 * CALORIE),
    "CCH": (110.7, 75.0 * CALORIE),
    "HCH": (107.8, 66.0 * CALORIE),
}
"""Degrees, and k of ½k(θ − θ₀)²."""
TORSIONS = {"CCCC": (1.3, -0.05, 0.2), "CCCH": (0.0, 0.0, 0.3), "HCCH": (0.0, 0.0, 0.3)}
"""V₁, V₂ and V₃ in kcal/mol of ½V₁(1 + cos φ) + ½V₂(1 − cos 2φ) + ½V₃(1 + cos 3φ)."""
ONE_FOUR = 0.5
"""What both nonbonded terms of the ends of a torsion are multiplied by."""


@dataclass(frozen=True)
class Alkane:
    """CH₃–(CH₂)ₙ₋₂–CH₃, each carbon before its hydrogens.

    Attributes
    ----------
    carbons : int
        2 or more.
    """

    carbons: int

    @cached_property
    def elements(self) -> str:
        """C or H by atom."""
        return "".join("C" + "H" * self._hydrogens(k) for k in range(self.carbons))

    @cached_property
    def chain(self) -> tuple[int, ...]:
        """The carbons."""
        return tuple(i for i, element in enumerate(self.elements) if element == "C")

    @cached_property
    def bonds(self) -> tuple[tuple[int, int], ...]:
        """Pairs of atoms."""
        along = zip(self.chain[:-1], self.chain[1:], strict=True)
        own = ((c, c + 1 + k) for i, c in enumerate(self.chain) for k in range(self._hydrogens(i)))
        return tuple(sorted((*along, *own)))

    @cached_property
    def angles(self) -> tuple[tuple[int, int, int], ...]:
        """Two bonds of an atom, which stands in the middle."""
        near = self._neighbours
        return tuple(
            (a, b, c) for b in range(len(near)) for a, c in combinations(sorted(near[b]), 2)
        )

    @cached_property
    def torsions(self) -> tuple[tuple[int, int, int, int], ...]:
        """Three bonds in a row."""
        near = self._neighbours
        return tuple(
            (a, b, c, d) for b, c in self.bonds for a in near[b] - {c} for d in near[c] - {b}
        )

    def parameters(self, i: int) -> _Atom:
        """Charge, σ and ε of an atom."""
        if self.elements[i] == "H":
            return HYDROGEN
        return METHYL if i in (self.chain[0], self.chain[-1]) else METHYLENE

    def system(self) -> Any:
        """The openmm.System; no bond is rigid.

        OPLS takes geometric means of σ and of ε, OpenMM arithmetic ones of σ: every pair is an
        exception to its rule.
        """
        system = mm.System()
        nonbonded = mm.NonbondedForce()
        nonbonded.setNonbondedMethod(mm.NonbondedForce.NoCutoff)
        for i, element in enumerate(self.elements):
            system.addParticle(app.Element.getBySymbol(element).mass)
            nonbonded.addParticle(*self.parameters(i))
        apart = self._bonds_apart
        for i, j in combinations(range(len(self.elements)), 2):
            a, b = self.parameters(i), self.parameters(j)
            part = {1: 0.0, 2: 0.0, 3: ONE_FOUR}.get(int(apart[i, j]), 1.0)
            depth = part * math.sqrt(a.epsilon * b.epsilon)
            nonbonded.addException(
                i, j, part * a.charge * b.charge, math.sqrt(a.sigma * b.sigma), depth
            )
        for force in (*self._bonded(), nonbonded):
            system.addForce(force)
        return system

    def molecule(self) -> Molecule:
        """Topology, System and the stretched chain."""
        top = app.Topology()
        residue = top.addResidue("ALK", top.addChain("A"))
        atoms, hydrogens = [], 0
        for i, element in enumerate(self.elements):
            number = self.chain.index(i) + 1 if element == "C" else (hydrogens := hydrogens + 1)
            symbol = app.Element.getBySymbol(element)
            atoms.append(top.addAtom(f"{element}{number}", symbol, residue))
        for i, j in self.bonds:
            top.addBond(atoms[i], atoms[j])
        return Molecule(
            mdtraj.Topology.from_openmm(top),
            top,
            self.system(),
            self.stretched(),
            None,
            origin=(("system", "kind"), "alkane"),
        )

    def stretched(self) -> Array:
        """Positions with every torsion of carbons at 180°, shape (N, 3), nm."""
        length, half = BONDS["CC"][0], math.radians(ANGLES["CCC"][0]) / 2
        k = np.arange(self.carbons)
        spine = np.zeros((self.carbons, 3))
        spine[:, 0] = length * math.sin(half) * k
        spine[:, 1] = length * math.cos(half) * (k % 2)
        x: list[Array] = []
        for i in range(self.carbons):
            x += [spine[i], *(spine[i] + BONDS["CH"][0] * u for u in self._arms(i, half))]
        return np.array(x)

    def _arms(self, i: int, half: float) -> Array:
        """Directions of a carbon's hydrogens, tetrahedral as far as the chain lets them."""
        up = 1.0 if i % 2 else -1.0
        out, across = np.array([0.0, up, 0.0]), np.array([0.0, 0.0, 1.0])
        spread = math.radians(ANGLES["HCH"][0]) / 2
        pair = [math.cos(spread) * out + side * math.sin(spread) * across for side in (1, -1)]
        if self._hydrogens(i) == 2:
            return np.array(pair)
        # where the chain would go on
        onward = np.array([-1.0 if i == 0 else 1.0, 0.0, 0.0]) * math.sin(half)
        return np.array([*pair, onward - up * np.array([0.0, math.cos(half), 0.0])])

    def _bonded(self) -> tuple[Any, ...]:
        bonds, angles = mm.HarmonicBondForce(), mm.HarmonicAngleForce()
        for pair in self.bonds:
            bonds.addBond(*pair, *BONDS[self._kind(pair)])
        for three in self.angles:
            degrees, k = ANGLES[self._kind(three)]
            angles.addAngle(*three, math.radians(degrees), k)
        torsions = mm.PeriodicTorsionForce()
        for four in self.torsions:
            for n, v in enumerate(TORSIONS[self._kind(four)], 1):
                if v:
                    phase = math.pi if n == 2 else 0.0
                    torsions.addTorsion(*four, n, phase, 0.5 * v * CALORIE)
        return bonds, angles, torsions

    def _kind(self, atoms: tuple[int, ...]) -> str:
        """Elements along some bonds, carbons first where either direction would do."""
        name = "".join(self.elements[i] for i in atoms)
        return min(name, name[::-1])

    def _hydrogens(self, i: int) -> int:
        return 3 if i in (0, self.carbons - 1) else 2

    @cached_property
    def _neighbours(self) -> list[set[int]]:
        near: list[set[int]] = [set() for _ in self.elements]
        for i, j in self.bonds:
            near[i].add(j)
            near[j].add(i)
        return near

    @cached_property
    def _bonds_apart(self) -> Array:
        """Fewest bonds from one atom to another, shape (N, N); 99 from four on."""
        n = len(self.elements)
        bonded = np.zeros((n, n), dtype=bool)
        for i, j in self.bonds:
            bonded[i, j] = bonded[j, i] = True
        apart = np.where(bonded, 1.0, 99.0)
        reach = bonded
        for steps in (2, 3):
            reach = reach @ bonded
            apart[reach & (apart > steps)] = steps
        return apart
