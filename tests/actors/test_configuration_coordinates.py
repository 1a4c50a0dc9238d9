"""The density of a molecule in internal coordinates, rigid bonds included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mdtraj
import numpy as np
import openmm as mm
import pytest
from alanine_molecule import AMBER14_OBC2
from mdtraj.core.element import carbon
from openmm import app
from places import CONFIGS
from scipy.integrate import quad
from sections import build_system

from msgen.actors.configurations.coordinates import InCoordinates, exact_coordinates
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.independence import Independence
from msgen.models import Broad
from msgen.systems.base import Array, Walkers
from msgen.systems.errors import SpecError
from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.system import OpenMMSystem

BOND, STIFF, ANGLE, BEND = 0.15, 2000.0, 1.2, 3.0
"""nm, kJ/mol/nm², rad, kJ/mol/rad²: soft, so that the volume element shows."""


def trimer(rigid: bool, masses: tuple[float, float, float], bend: float = BEND) -> OpenMMSystem:
    """Three atoms in a bent chain, the second in the middle."""
    system = mm.System()
    topology = mdtraj.Topology()
    residue = topology.add_residue("TRI", topology.add_chain())
    openmm_topology = app.Topology()
    place = openmm_topology.addResidue("TRI", openmm_topology.addChain())
    for i, mass in enumerate(masses):
        system.addParticle(mass)
        topology.add_atom(f"C{i}", carbon, residue)
        openmm_topology.addAtom(f"C{i}", app.element.carbon, place)
    atoms = list(topology.atoms)
    stretch, angle = mm.HarmonicBondForce(), mm.HarmonicAngleForce()
    for a, b in ((0, 1), (1, 2)):
        topology.add_bond(atoms[a], atoms[b])
        if rigid:
            system.addConstraint(a, b, BOND)
        else:
            stretch.addBond(a, b, BOND, STIFF)
    system.addForce(stretch)
    if bend:  # OpenMM's constraint solver takes the angle as nearly held if there is one
        angle.addAngle(0, 1, 2, ANGLE, bend)
        system.addForce(angle)
    x = np.array([[BOND, 0, 0], [0, 0, 0], [BOND * np.cos(1.3), BOND * np.sin(1.3), 0]])
    molecule = Molecule(
        topology=topology, openmm_topology=openmm_topology, system=system, positions=x, box=None
    )
    return OpenMMSystem(molecule, 300.0, 0.002, 10.0, "Reference")


def angles(y: Array) -> Array:
    return y[:, -1]


def walk(system: OpenMMSystem, n_steps: int, *, volume: bool = True) -> Array:
    """Angles that independence moves in internal coordinates visit."""
    exact = exact_coordinates("internal", system)
    target: Any = InCoordinates(BoltzmannTarget(system), exact)
    if not volume:
        flat = replace(target, coordinates=_Flat(exact))
        target = flat
    y = exact.encode(np.repeat(system.initial().positions, 20, axis=0))
    mean = np.full(exact.dim, BOND)
    std = np.full(exact.dim, 0.06)
    mean[-1], std[-1] = ANGLE, 0.8
    wide = Broad([False] * exact.dim, mean=mean, std=std)
    done = Independence(wide)(
        target, Walkers(y), np.random.default_rng(1), n_steps=n_steps, record_every=1
    )
    assert done.trajectory is not None
    return angles(done.trajectory.reshape(-1, exact.dim))


class _Flat:
    """The wrong twin: no volume element."""

    def __init__(self, exact: Any) -> None:
        self._exact = exact

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exact, name)

    def log_det(self, y: Array) -> Array:
        return np.where(np.isfinite(self._exact.log_det(y)), 0.0, -np.inf)


def mean_angle(weight: Any, kT: float) -> float:
    def density(t: float) -> float:
        return float(np.sin(t) * weight(t) * np.exp(-0.5 * BEND * (t - ANGLE) ** 2 / kT))

    total = quad(density, 0, np.pi)[0]
    return float(quad(lambda t: t * density(t), 0, np.pi)[0] / total)


def test_moves_in_internal_coordinates_sample_the_molecule() -> None:
    system = trimer(False, (12.0, 12.0, 12.0))
    exact = mean_angle(lambda t: 1.0, system.kT)
    found = walk(system, 1500)
    # 30,000 moves; autocorrelation of about 20 moves and a width of .6 rad
    error = 0.6 / np.sqrt(30_000 / 20)
    assert abs(found.mean() - exact) < 4 * error
    assert abs(walk(system, 1500, volume=False).mean() - exact) > 4 * error


def test_rigid_bonds_are_weighted_as_constrained_dynamics_weights_them() -> None:
    """A light atom between heavy ones: p(θ) ∝ sin θ √(det h), far from sin θ alone."""
    masses = (30.0, 3.0, 30.0)
    system = trimer(True, masses, bend=0.0)
    exact = exact_coordinates("internal", system)
    assert exact.dim == 1
    t = np.linspace(0.01, np.pi - 0.01, 60)
    a, b = 1 / masses[0] + 1 / masses[1], 1 / masses[1]
    log = exact.log_det(t[:, None]) - np.log(np.sin(t)) - 4 * np.log(BOND)
    np.testing.assert_allclose(log, 0.5 * np.log(a**2 - (b * np.cos(t)) ** 2), atol=1e-9)
    context = mm.Context(
        system.openmm_system,
        _seeded(mm.LangevinMiddleIntegrator(300.0, 10.0, 0.002)),
        mm.Platform.getPlatformByName("Reference"),
    )
    context.setPositions(system.initial().positions.reshape(-1, 3))
    context.setVelocitiesToTemperature(300.0, 3)
    cosines = []
    for _ in range(10_000):
        context.getIntegrator().step(40)
        x = context.getState(positions=True).getPositions(asNumpy=True)._value
        u, v = x[0] - x[1], x[2] - x[1]
        cosines.append(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
    c2 = np.array(cosines) ** 2

    def moment(weight: Any) -> float:
        top = quad(lambda c: c * c * weight(c), -1, 1)[0]
        return float(top / quad(weight, -1, 1)[0])

    blocks = c2.reshape(40, -1).mean(1)
    error = blocks.std(ddof=1) / np.sqrt(40)
    assert abs(c2.mean() - moment(lambda c: np.sqrt(a**2 - (b * c) ** 2))) < 4 * error
    # without the constraints' weight the cosine is uniform
    assert abs(c2.mean() - 1 / 3) > 6 * error


def _seeded(integrator: Any) -> Any:
    integrator.setRandomNumberSeed(7)
    return integrator


def test_constraints_leave_the_variables_and_structures_alone() -> None:
    system: Any = build_system({**AMBER14_OBC2, "constraints": "HBonds"}, CONFIGS)
    free: Any = build_system({**AMBER14_OBC2, "constraints": "None"}, CONFIGS)
    exact = exact_coordinates("internal", system)
    hydrogens = sum(a.element.number == 1 for a in system.topology.atoms)
    assert exact.dim == exact_coordinates("internal", free).dim - hydrogens
    assert len(exact.periodic) == exact.dim
    x = system.initial().positions
    y = exact.encode(x)
    target = InCoordinates(BoltzmannTarget(system), exact)
    back = target.placed(y)
    np.testing.assert_allclose(exact.encode(back), y, atol=1e-7)
    np.testing.assert_allclose(
        system.energy(Walkers(back)), system.energy(system.initial()), rtol=1e-6
    )
    lost = np.array(y)
    lost[0, 0] = np.nan
    assert target.log_density(np.concatenate([y, lost]))[1] == -np.inf


def test_what_has_no_density_is_refused() -> None:
    system: Any = build_system(AMBER14_OBC2, CONFIGS)
    with pytest.raises(SpecError, match="internal"):
        exact_coordinates("aligned_heavy", system)
    angles_too: Any = build_system({**AMBER14_OBC2, "constraints": "HAngles"}, CONFIGS)
    with pytest.raises(SpecError, match="HBonds"):
        exact_coordinates("internal", angles_too)
