"""Metropolised molecular dynamics is exact where plain Langevin is visibly wrong."""

from __future__ import annotations

import mdtraj
import numpy as np
import openmm as mm
import pytest
from openmm_runs import ghmc, langevin

from msgen.systems.base import CVSet, Walkers
from msgen.systems.cvs.torch_cvs import Angle, PythonCV
from msgen.systems.openmm.ghmc import Ghmc
from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.system import OpenMMSystem

PLATFORMS = ("Reference", "CPU")


def toy(platform: str, system: mm.System, positions: np.ndarray) -> OpenMMSystem:
    """A hand-made System at kT = 1 kJ/mol."""
    top = mdtraj.Topology()
    residue = top.add_residue("TOY", top.add_chain())
    for i in range(len(positions)):
        top.add_atom(f"C{i}", mdtraj.element.carbon, residue)
    molecule = Molecule(top, None, system, positions, None)
    return OpenMMSystem(molecule, 120.2722, 0.1, 1.0, platform=platform)


def external(expression: str) -> mm.System:
    system = mm.System()
    system.addParticle(1.0)
    force = mm.CustomExternalForce(expression)
    force.addParticle(0, [])
    system.addForce(force)
    return system


X = CVSet((PythonCV("x", lambda x: x[:, 0]),))


def block_error(values: np.ndarray, blocks: int = 25) -> float:
    means = values[: len(values) // blocks * blocks].reshape(blocks, -1).mean(1)
    return float(means.std(ddof=1) / np.sqrt(blocks))


def sample(
    platform: str, integrator: mm.CustomIntegrator, system: mm.System, n: int, every: int
) -> np.ndarray:
    integrator.setRandomNumberSeed(11)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName(platform))
    context.setPositions(np.array([[1.0, 0.0, 0.0]]))
    xs = np.empty(n)
    for k in range(n):
        integrator.step(every)
        xs[k] = context.getState(positions=True).getPositions(asNumpy=True)._value[0, 0]
    return xs


class Untested(Ghmc):
    """A twin that accepts whatever is proposed."""

    def addComputeGlobal(self, variable: str, expression: str) -> int:
        step: int = super().addComputeGlobal(variable, "1" if variable == "accept" else expression)
        return step


@pytest.mark.parametrize("platform", PLATFORMS)
def test_harmonic_variance_at_a_large_time_step(platform: str) -> None:
    # ωΔt = 1.2: velocity Verlet alone samples a variance of 1/(1 − (ωΔt)²/4) = 1.56
    kT, dt, gamma = 1.0, 1.2, 0.5
    system = external("0.5*(x^2+y^2+z^2)")
    exact = sample(platform, Ghmc(kT, gamma, dt, False, False), system, 6000, 4) ** 2
    twin = sample(platform, Untested(kT, gamma, dt, False, False), system, 6000, 4)
    assert abs(exact.mean() - 1.0) < 4.5 * block_error(exact)
    assert abs((twin**2).mean() - 1.0) > 4.5 * block_error(twin**2)
    assert (twin**2).mean() == pytest.approx(1.5625, rel=0.15)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_double_well_through_the_system(platform: str) -> None:
    """P(x > 0) and ⟨x²⟩ of a tilted double well, with a step at which LFMiddle is off."""
    expression = "4*(x^2-1)^2+0.4*x+0.5*(y^2+z^2)"
    grid = np.linspace(-3, 3, 4001)
    p = np.exp(-(4 * (grid**2 - 1) ** 2 + 0.4 * grid))
    p /= p.sum()
    right, square = p[grid > 0].sum(), (p * grid**2).sum()
    system = toy(platform, external(expression), np.array([[-1.0, 0.0, 0.0]]))
    assert system.kT == pytest.approx(1.0, abs=1e-5)
    start = Walkers(system.initial().positions)
    _, xi, counts = ghmc(system, start, 80_000, 3, cvs=X, every=4, timestep=0.3, friction=1.0)
    x = xi[0, :, 0]
    assert 0.3 < counts["n_accepted"] / counts["n_tried"] < 0.97
    assert counts["n_tried"] == 80_000
    assert abs((x > 0).mean() - right) < 4.5 * block_error((x > 0).astype(float))
    assert abs((x**2).mean() - square) < 4.5 * block_error(x**2)
    system.timestep = 0.3
    _, wrong = langevin(system, start, 80_000, 3, cvs=X, every=4)
    y = wrong[0, :, 0] ** 2
    assert not abs(y.mean() - square) < 4.5 * block_error(y)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_constraints_give_the_rigid_ensemble(platform: str) -> None:
    """A trimer with rigid bonds: p(cos θ) ∝ √(1 − cos²θ/4), not uniform (Kramers, 1946)."""
    trimer = mm.System()
    for _ in range(3):
        trimer.addParticle(1.0)
    trimer.addConstraint(0, 1, 1.0)
    trimer.addConstraint(1, 2, 1.0)
    system = toy(platform, trimer, np.array([[1.0, 0, 0], [0, 0, 0], [0, 1.0, 0]]))
    cvs = CVSet((Angle("theta", (0, 1, 2)),))
    start = Walkers(system.initial().positions)
    _, xi, counts = ghmc(system, start, 120_000, 5, cvs=cvs, every=5, timestep=0.15, friction=2.0)
    assert counts["n_accepted"] < counts["n_tried"]
    c2 = np.cos(xi[0, :, 0]) ** 2
    c = np.linspace(-1, 1, 20_001)
    weight = np.sqrt(1 - c**2 / 4)
    rigid = (weight * c**2).sum() / weight.sum()
    error = block_error(c2)
    engine = system.context(False, cvs, purpose="ghmc", timestep=0.15, friction=2.0)
    x = engine.positions()
    np.testing.assert_allclose(np.linalg.norm(x[[0, 2]] - x[1], axis=1), 1.0, atol=1e-6)
    assert abs(c2.mean() - rigid) < 4.5 * error
    assert abs(c2.mean() - 1 / 3) > 4.5 * error  # what a flexible trimer would give
