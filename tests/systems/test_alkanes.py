"""OPLS alkanes: their energy against a second implementation, forces, start, constraints."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import openmm as mm
import pytest
from places import TESTS
from sections import build_cvs, build_system, refused

from msgen.systems.base import Array, Walkers
from msgen.systems.openmm.alkanes import Alkane
from msgen.systems.openmm.system import OpenMMSystem

COULOMB = 138.935456
"""kJ nm/(mol e²)."""
NAMES = {2: "ethane", 3: "propane", 4: "butane", 5: "pentane"}

# rows of oplsaa.ff as GROMACS distributes them, kJ/mol, nm and degrees
CHARGE = {"CH3": -0.18, "CH2": -0.12, "H": 0.06}
SIGMA = {"C": 0.35, "H": 0.25}
EPSILON = {"C": 0.276144, "H": 0.12552}
BOND = {"CC": (0.1529, 224262.4), "CH": (0.109, 284512.0)}
ANGLE = {"CCC": (112.7, 488.273), "CCH": (110.7, 313.8), "HCH": (107.8, 276.144)}
RYCKAERT = {
    "CCCC": (2.9288, -1.4644, 0.2092, -1.6736),
    "CCCH": (0.6276, 1.8828, 0.0, -2.5104),
    "HCCH": (0.6276, 1.8828, 0.0, -2.5104),
}


def alkane(carbons: int, **options: object) -> OpenMMSystem:
    spec = {"kind": "alkane", "carbons": carbons, "temperature": 300.0, "platform": "Reference"}
    system = build_system({**spec, **options}, TESTS)
    assert isinstance(system, OpenMMSystem)
    return system


def bonded(x: Array, elements: str) -> set[tuple[int, int]]:
    """Atoms that are as near to each other as bonds make them."""
    reach = {"CC": 0.18, "CH": 0.13, "HC": 0.13, "HH": 0.0}
    return {
        (i, j)
        for i, j in permutations(range(len(x)), 2)
        if np.linalg.norm(x[i] - x[j]) < reach[elements[i] + elements[j]]
    }


def kind(elements: str, atoms: tuple[int, ...]) -> str:
    name = "".join(elements[i] for i in atoms)
    return min(name, name[::-1])


def by_hand(
    x: Array, elements: str, near: set[tuple[int, int]], *, mixing: str = "geometric"
) -> float:
    """U in kJ/mol of positions (N, 3), with torsions in powers of their cosine."""
    n, total = len(x), 0.0
    of = [[j for j in range(n) if (i, j) in near] for i in range(n)]
    for i, j in near:
        if i < j:
            length, k = BOND[kind(elements, (i, j))]
            total += 0.5 * k * (np.linalg.norm(x[i] - x[j]) - length) ** 2
    apart = dict.fromkeys(near, 1)
    for b in range(n):
        for a, c in permutations(of[b], 2):
            apart.setdefault((a, c), 2)
            if a < c:
                degrees, k = ANGLE[kind(elements, (a, b, c))]
                u, v = x[a] - x[b], x[c] - x[b]
                cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
                total += 0.5 * k * (np.arccos(cosine) - np.radians(degrees)) ** 2
    for b, c in near:
        for a in set(of[b]) - {c}:
            for d in set(of[c]) - {b}:
                apart.setdefault((a, d), 3)
                if b < c:
                    u, w, v = x[b] - x[a], x[c] - x[b], x[d] - x[c]
                    one, other = np.cross(u, w), np.cross(w, v)
                    # ψ is 0 where the chain is stretched
                    psi = -one @ other / np.linalg.norm(one) / np.linalg.norm(other)
                    rows = RYCKAERT[kind(elements, (a, b, c, d))]
                    total += sum(value * psi**power for power, value in enumerate(rows))
    charge = [
        CHARGE["H" if e == "H" else f"CH{sum(elements[j] == 'H' for j in of[i])}"]
        for i, e in enumerate(elements)
    ]
    for i, j in combinations(range(n), 2):
        scale = {1: 0.0, 2: 0.0, 3: 0.5}.get(apart.get((i, j), 4), 1.0)
        one, other = SIGMA[elements[i]], SIGMA[elements[j]]
        sigma = (one * other) ** 0.5 if mixing == "geometric" else 0.5 * (one + other)
        r = float(np.linalg.norm(x[i] - x[j]))
        six = (sigma / r) ** 6
        depth = (EPSILON[elements[i]] * EPSILON[elements[j]]) ** 0.5
        total += scale * (4 * depth * (six * six - six) + COULOMB * charge[i] * charge[j] / r)
    return total


@pytest.mark.parametrize("carbons", NAMES)
def test_the_energy_is_that_of_a_second_implementation(carbons: int) -> None:
    system = alkane(carbons)
    elements = Alkane(carbons).elements
    start = system.initial().positions[0].reshape(-1, 3)
    near = bonded(start, elements)
    rng = np.random.default_rng(carbons)
    # a chain that is folded somewhat, so that far pairs count
    x = start + 0.02 * rng.standard_normal((3, len(start), 3))
    energy = system.energy(Walkers(x.reshape(3, -1)))
    mine = np.array([by_hand(y, elements, near) for y in x])
    # OpenMM's Coulomb constant has 9 digits
    np.testing.assert_allclose(energy, mine, rtol=1e-7)
    # twin: means of σ as OpenMM takes them; what counts in ethane are hydrogens alone
    twin = by_hand(x[0], elements, near, mixing="arithmetic")
    assert (abs(twin - mine[0]) > 1e-3) == (carbons > 2)


def test_terms_are_counted() -> None:
    """Butane: 13 bonds, 24 angles, 27 torsions; no net charge in any alkane."""
    butane = Alkane(4)
    assert (len(butane.bonds), len(butane.angles), len(butane.torsions)) == (13, 24, 27)
    for carbons in (2, 3, 4, 9):
        one = Alkane(carbons)
        assert len(one.elements) == 3 * carbons + 2
        total = sum(one.parameters(i).charge for i in range(len(one.elements)))
        assert abs(total) < 1e-12


def test_forces_are_minus_the_gradient() -> None:
    system = alkane(4)
    x = system.initial().positions[0] + 0.01 * np.random.default_rng(2).standard_normal(42)
    _, force = system.energy_and_force(Walkers(x[None]))
    h = 1e-6
    beside = np.repeat(x[None], 84, axis=0) + h * np.concatenate((np.eye(42), -np.eye(42)))
    energy = system.energy(Walkers(beside))
    slope = (energy[:42] - energy[42:]) / (2 * h)
    np.testing.assert_allclose(force[0], -slope, atol=2e-3)


@pytest.mark.parametrize("carbons", [2, 5])
def test_it_starts_stretched_at_a_minimum(carbons: int) -> None:
    system = alkane(carbons)
    _, force = system.energy_and_force(system.initial())
    assert np.abs(force).max() < 60
    if carbons > 3:
        names = [f"ALK:C{k}" for k in range(1, 5)]
        cvs = build_cvs({"t": {"kind": "dihedral", "atoms": names}}, system, TESTS)
        assert abs(cvs(system.initial().positions)[0, 0]) > np.radians(175)


def test_gauche_of_butane_costs_what_opls_says() -> None:
    """Relaxed: 0.8 to 0.9 kcal/mol above trans, less than half of it without the 1-4 terms."""
    system = alkane(4)
    context = mm.Context(
        system.openmm_system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    chain = list(Alkane(4).chain)
    x = system.initial().positions[0].reshape(-1, 3)
    axis = x[chain[2]] - x[chain[1]]
    axis = axis / np.linalg.norm(axis)
    turned = x.copy()
    far = slice(chain[2], None)
    arm = turned[far] - x[chain[2]]
    angle = np.radians(115.0)
    turned[far] = x[chain[2]] + (
        arm * np.cos(angle)
        + np.cross(axis, arm) * np.sin(angle)
        + np.outer(arm @ axis, axis) * (1 - np.cos(angle))
    )
    found = []
    for start in (x, turned):
        context.setPositions(start)
        mm.LocalEnergyMinimizer.minimize(context, 0.01)
        found.append(context.getState(energy=True).getPotentialEnergy()._value)
    assert 0.6 < (found[1] - found[0]) / 4.184 < 1.0


def test_rigid_hydrogens_are_held_and_no_other_bond() -> None:
    free, held = alkane(3), alkane(3, constraints="HBonds")
    assert free.openmm_system.getNumConstraints() == 0
    assert held.openmm_system.getNumConstraints() == 8
    x = held.initial().positions[0].reshape(-1, 3)
    gaps = [np.linalg.norm(x[i] - x[j]) for i, j in Alkane(3).bonds if Alkane(3).elements[j] == "H"]
    np.testing.assert_allclose(gaps, 0.109, rtol=1e-5)


def test_what_is_no_alkane_is_refused() -> None:
    problem = refused({"kind": "alkane", "carbons": 1, "temperature": 300.0}, TESTS)
    assert problem.path == ("system", "carbons")
