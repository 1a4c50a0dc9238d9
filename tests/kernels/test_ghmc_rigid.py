"""GHMC of rigid bonds and virtual sites: what it books, which way it keeps, what it samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import openmm as mm
import pytest
from alanine_molecule import molecule
from openmm_runs import Restraint, langevin
from waters import OXYGENS, OXYGENS_4, Outside, waters

from msgen.systems.base import Array, CVSet
from msgen.systems.openmm import system as openmm_system
from msgen.systems.openmm.bias_force import Biased
from msgen.systems.openmm.bias_grid import BiasAxis, empty_bias
from msgen.systems.openmm.context import OpenMMContext
from msgen.systems.openmm.ghmc import Ghmc
from msgen.systems.openmm.platforms import make_context
from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.system import OpenMMSystem

PLATFORMS = ["Reference", "CPU"]
ROUNDING = {"Reference": 1e-9, "CPU": 2e-3}
"""kT, of an energy: the CPU platform's forces are single precision."""
WRONG = 0.05
"""kT; the twins book at least so much wrongly."""


class InOneStep(Ghmc):
    """Wrong twin: tests a move before OpenMM has moved the virtual sites."""

    def __init__(self, kT: float, friction: float, dt: float, *rest: Any) -> None:
        constrained, _, free = rest
        super().__init__(kT, friction, dt, constrained, False, free)


class OneWay(Ghmc):
    """Wrong twin: does not look whether a step can be reversed."""

    def _add_return(self) -> None:
        self.addComputePerDof("x1", "x")


class ProjectedElsewhere(OneWay):
    """Wrong twin: projects momenta last, at what OpenMM then holds: the positions proposed."""

    def _add_kept(self) -> None:
        super()._add_kept()
        self.addConstrainVelocities()


class Stale(Ghmc):
    """Wrong twin: keeps what it knew of the energy whatever has changed."""

    def in_pieces(self, steps: int) -> tuple[Callable[[int], None], int]:
        native = partial(mm.CustomIntegrator.step, self)
        return native, (2 if self._sites else 1) * steps


def of_each(integrator: Ghmc, name: str) -> Array:
    rows = integrator.getPerDofVariableByName(name)
    return np.array([[r.x, r.y, r.z] for r in rows])


def begun(system: OpenMMSystem, cvs: CVSet, dt: float, friction: float = 1.0) -> OpenMMContext:
    """A GHMC Context in motion and off the minimum."""
    engine = system.context(False, cvs, purpose="ghmc", timestep=dt, friction=friction)
    engine.reseed(11)
    engine.load(system.initial())
    engine.draw_velocities(np.random.default_rng(12))
    engine.step(100)
    engine.metropolis_counts()
    return engine


def audit(engine: OpenMMContext, outside: Outside, steps: int) -> tuple[Array, Array, Array]:
    """ΔH/kT as booked and as it is, and the speed off the constraints after each step."""
    g, kT = engine.integrator, outside.system.kT
    booked, true, off = np.empty(steps), np.empty(steps), np.empty(steps)
    for k in range(steps):
        engine.step(1)
        before = outside.energy_and_force(of_each(g, "x0"))[0]
        ahead = outside.energy_and_force(of_each(g, "x1"))[0]
        booked[k] = g.getGlobalVariableByName("dH") / kT
        ke = g.getGlobalVariableByName("ke") / kT
        true[k] = ahead + ke - before - outside.kinetic(of_each(g, "v0"))
        off[k] = outside.off_tangent(engine.positions(), engine.velocities())
    return booked, true, off


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("rigid", [True, False])
def test_virtual_sites_are_where_the_energy_is_asked_for(
    platform: str, rigid: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Booked ΔH of four TIP4P-Ew waters, of every move, is that of sites put in their places."""
    system = waters("tip4pew.xml", platform, rigidWater=rigid)
    dt = 0.002 if rigid else 0.0005
    booked, true, _ = audit(begun(system, OXYGENS_4, dt), Outside(system), 60)
    assert np.abs(booked - true).max() < ROUNDING[platform]
    assert true.std() > 1e-3
    monkeypatch.setattr(openmm_system, "Ghmc", InOneStep)
    twin = waters("tip4pew.xml", platform, rigidWater=rigid)
    booked, true, _ = audit(begun(twin, OXYGENS_4, dt), Outside(twin), 60)
    assert np.abs(booked - true).max() > WRONG


def tethered() -> OpenMMSystem:
    """Alanine dipeptide with rigid bonds to hydrogen, its Cα held in place."""
    alanine, _ = molecule()
    model = mm.XmlSerializer.clone(alanine.openmm_system)
    spring = mm.CustomExternalForce("1000*((x-0.1)^2+(y+0.2)^2+z^2)")
    spring.addParticle(8, [])
    model.addForce(spring)
    start = alanine.initial().positions.reshape(-1, 3)
    start = start - start[8] + [0.1, -0.2, 0.0]
    held = Molecule(alanine.topology, alanine.openmm_topology, model, start, None)
    return OpenMMSystem(held, 320.0, 0.002, 1.0, "Reference")


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("kind", ["waters", "tethered"])
def test_momenta_stay_on_the_constraints(
    kind: str, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a rejection, where they belong to the positions that came back."""
    system = waters("tip3p.xml") if kind == "waters" else tethered()
    cvs = OXYGENS if kind == "waters" else molecule()[1]
    dt = 0.008 if kind == "waters" else 0.003

    def run() -> tuple[float, float, int]:
        here = system.on(platform)
        here._contexts = {}  # one of a twin is not one of ours
        engine = begun(here, cvs, dt)
        booked, true, off = audit(engine, Outside(here), 100)
        counts = engine.metropolis_counts()
        return np.abs(booked - true).max(), off.max(), counts["n_tried"] - counts["n_accepted"]

    wrong, off, rejected = run()
    assert 5 < rejected < 80
    assert wrong < ROUNDING[platform]
    assert off < 1e-8
    monkeypatch.setattr(openmm_system, "Ghmc", ProjectedElsewhere)
    assert run()[1] > 1e-3


# reversibility


def trimer() -> tuple[mm.System, Array]:
    """Three beads on two rigid rods, of unit mass and length."""
    system = mm.System()
    for _ in range(3):
        system.addParticle(1.0)
    system.addConstraint(0, 1, 1.0)
    system.addConstraint(1, 2, 1.0)
    return system, np.array([[1.0, 0, 0], [0, 0, 0], [0, 1.0, 0]])


def round_trips(kind: type[Ghmc], platform: str, what: str, n: int) -> tuple[int, int]:
    """Steps that were taken, and how many of them the reversed step does not undo.

    Without friction, and with a kT so high that all that is not bad is accepted.
    """
    if what == "trimer":
        (system, x), dt, speed = trimer(), 0.7, np.ones((3, 1))
    else:
        made = waters("tip3p.xml", n=2)
        system, x, dt = made.openmm_system, made.initial().positions.reshape(-1, 3), 0.02
        speed = np.sqrt(made.kT / made.masses).reshape(-1, 3)
    g = kind(1e12, 0.0, dt, True, False)
    context, rng = make_context(system, g, platform), np.random.default_rng(21)
    taken = lost = 0

    def step(x: Array, v: Array) -> tuple[Array, Array, bool]:
        context.setPositions(x)
        context.setVelocities(v)
        before = g.getGlobalVariableByName("n_accepted")
        g.step(1)
        state = context.getState(positions=True, velocities=True)
        ends = (state.getPositions(asNumpy=True)._value, state.getVelocities(asNumpy=True)._value)
        return (*map(np.array, ends), g.getGlobalVariableByName("n_accepted") > before)

    for _ in range(n):
        context.setPositions(x)
        context.setVelocities(rng.standard_normal(x.shape) * speed)
        context.applyVelocityConstraints(1e-10)
        v = np.array(context.getState(velocities=True).getVelocities(asNumpy=True)._value)
        there, w, yes = step(x, v)
        if not yes:
            continue
        back, u, again = step(there, -w)
        taken += 1
        at_rest = again and np.abs(back - x).max() < 1e-5 and np.abs(u + v).max() < 1e-2
        lost += not at_rest
    return taken, lost


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("what", ["trimer", "waters"])
def test_every_step_that_is_taken_can_be_undone(platform: str, what: str) -> None:
    """At steps so large that constraints have several solutions, or none."""
    taken, lost = round_trips(Ghmc, platform, what, 400)
    assert 20 < taken < 390  # some are refused
    assert lost == 0
    if what == "trimer":  # SETTLE finds no second solution, but none
        assert round_trips(OneWay, platform, what, 400)[1] > 5


def test_a_move_without_a_solution_is_a_rejection_on_every_platform() -> None:
    """Ten times too large a step: nothing is raised, and the walker stays on its constraints."""
    for platform in PLATFORMS:
        system = waters("tip3p.xml", platform)
        engine = begun(system, OXYGENS, 0.05)
        engine.step(100)
        counts = engine.metropolis_counts()
        assert counts["n_tried"] == 100
        assert counts["n_nonfinite"] > 50
        assert np.isfinite(engine.store()[0]).all()
        assert not engine.failed


@pytest.mark.parametrize("forcefield", ["tip3p.xml", "tip4pew.xml"])
def test_the_same_seed_gives_the_same_bits_with_rigid_bonds_and_sites(forcefield: str) -> None:
    system = waters(forcefield)
    ends = []
    for lengths in ([40], [7, 1, 32], [40]):
        engine = system.context(False, OXYGENS, purpose="ghmc", timestep=0.004)
        engine.reseed(13)
        engine.load(system.initial())
        engine.draw_velocities(np.random.default_rng(14))
        for n in lengths:
            engine.step(n)
        assert engine.stream.fast is not None
        ends.append(engine.positions())
    assert np.array_equal(ends[0], ends[2])
    assert np.abs(ends[0] - system.initial().positions.reshape(-1, 3)).max() > 1e-2


# what changes between two calls


def test_what_is_changed_from_outside_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """λ of a restraint moves between two steps: the next one begins from the new energy."""

    def missed() -> float:
        system = waters("tip4pew.xml")
        engine = system.context(True, OXYGENS_4, purpose="ghmc", timestep=0.002)
        Restraint(np.array([0.3]), np.array([2000.0])).put_on(engine)
        engine.reseed(31)
        engine.load(system.initial())
        engine.draw_velocities(np.random.default_rng(32))
        worst = 0.0
        for k in range(20):
            engine.set_lambda(np.array([0.3 + 0.01 * k]))
            energy = engine.potential_energy()
            engine.step(1)
            g, outside = engine.integrator, Outside(system)
            kinetic = outside.kinetic(of_each(g, "v0"))
            booked = g.getGlobalVariableByName("before") / system.kT - kinetic
            worst = max(worst, abs(booked - energy / system.kT))
        return worst

    assert missed() < 1e-9
    monkeypatch.setattr(openmm_system, "Ghmc", Stale)
    assert missed() > WRONG


def test_a_bias_that_grows_is_in_what_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadynamics by GHMC of molecules with virtual sites: booked ΔH holds the bias as it is."""
    axes = (BiasAxis(0, 0.2, 0.6, 0.02, False),)

    def missed() -> float:
        system = waters("tip4pew.xml")
        biased = Biased(
            system,
            OXYGENS_4,
            axes,
            bias_factor=5.0,
            height=3.0,
            frequency=5,
            kind="ghmc",
            timestep=0.002,
            friction=1.0,
        )
        engine, outside, worst = biased.engine, Outside(system), 0.0
        biased.put(empty_bias(axes))
        engine.reseed(42)
        engine.load(system.initial())
        engine.draw_velocities(np.random.default_rng(42))
        for _ in range(30):
            energy = engine.potential_energy()
            biased.step_and_add(1)
            g = engine.integrator
            kinetic = outside.kinetic(of_each(g, "v0"))
            booked = g.getGlobalVariableByName("before") / system.kT - kinetic
            worst = max(worst, abs(booked - energy / system.kT))
        assert len(biased.heights) == 6
        return worst

    assert missed() < 1e-9
    monkeypatch.setattr(openmm_system, "Ghmc", Stale)
    assert missed() > WRONG


# what is sampled


def block_error(values: Array, blocks: int = 25) -> float:
    means = values[: len(values) // blocks * blocks].reshape(blocks, -1).mean(1)
    return float(means.std(ddof=1) / np.sqrt(blocks))


def sampled(system: OpenMMSystem, dt: float, steps: int, every: int = 4) -> tuple[Array, Array]:
    """K/kT and U/kT of GHMC, at a low friction: what it does wrongly adds up."""
    engine = begun(system, OXYGENS, dt)
    engine.step(int(10.0 / dt))
    kinetic, potential = np.empty(steps // every), np.empty(steps // every)
    for k in range(len(kinetic)):
        engine.step(every)
        kinetic[k] = engine.kinetic_energy() / system.kT
        potential[k] = engine.potential_energy() / system.kT
    return kinetic, potential


@pytest.fixture(scope="module")
def potential_reference() -> tuple[float, float]:
    """⟨U⟩/kT and its error from Langevin dynamics at half a femtosecond, whose bias is 1e-3 kT."""
    system = waters("tip3p.xml")
    system.timestep = 0.0005
    context = system.context(False, OXYGENS, friction=5.0)
    walkers, _ = langevin(system, system.initial(), 20_000, 51, cvs=OXYGENS, every=1000)
    context.reseed(17)
    context.load(walkers)
    u = np.empty(8000)
    for k in range(len(u)):
        context.step(50)
        u[k] = context.potential_energy() / system.kT
    return float(u.mean()), block_error(u)


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("dt", [0.001, 0.002, 0.004])
def test_rigid_waters_have_their_temperature(
    platform: str, dt: float, potential_reference: tuple[float, float]
) -> None:
    """⟨K⟩ is kT/2 for each of the 36 − 12 degrees of freedom, and ⟨U⟩ that of small steps."""
    steps = 200_000 if platform == "Reference" else 100_000
    kinetic, potential = sampled(waters("tip3p.xml", platform), dt, steps)
    assert abs(kinetic.mean() - 12.0) < 3.5 * block_error(kinetic)
    mean, error = potential_reference
    assert abs(potential.mean() - mean) < 3.5 * np.hypot(block_error(potential), error)


@pytest.mark.slow
def test_momenta_projected_elsewhere_are_too_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin at 4 fs, where 3 % of the moves are rejected: 11.3 kT for 12."""
    monkeypatch.setattr(openmm_system, "Ghmc", ProjectedElsewhere)
    kinetic, _ = sampled(waters("tip3p.xml"), 0.004, 200_000)
    assert kinetic.mean() < 12.0 - 4.0 * block_error(kinetic)


def test_a_rigid_trimer_at_a_step_of_many_solutions(monkeypatch: pytest.MonkeyPatch) -> None:
    """p(cos θ) ∝ √(1 − cos²θ/4) where four of five moves have no way back; the twin is 6σ off."""
    grid = np.linspace(-1, 1, 20_001)
    weight = np.sqrt(1 - grid**2 / 4)
    exact = (weight * grid**2).sum() / weight.sum()

    def square(kind: type[Ghmc]) -> Array:
        system, x = trimer()
        g = kind(1.0, 2.0, 0.7, True, False)
        g.setRandomNumberSeed(61)
        context = make_context(system, g, "Reference")
        context.setPositions(x)
        out = np.empty(16_000)
        for k in range(len(out)):
            g.step(5)
            p = context.getState(positions=True).getPositions(asNumpy=True)._value
            out[k] = ((p[0] - p[1]) @ (p[2] - p[1])) ** 2
        return out

    right, wrong = square(Ghmc), square(OneWay)
    assert abs(right.mean() - exact) < 3.5 * block_error(right)
    assert abs(wrong.mean() - exact) > 4.0 * block_error(wrong)
