"""Paths of a molecule are stepped by OpenMM's energies and forces, and what a step lacks is booked.

Without friction a step is one of velocity Verlet, whose positions OpenMM's own leapfrog finds.
"""

from __future__ import annotations

import numpy as np
import openmm as mm
import pytest
from places import CONFIGS
from sections import build_system

from msgen.actors.base import WorkOrder, encode
from msgen.actors.configurations.coordinates import exact
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.kernels.langevin import Langevin, LangevinState
from msgen.actors.kernels.two_way import grow, log_reversal
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.shooting import PathRows, ShootPayload, ShootRecord
from msgen.actors.roles.shooting import shoot
from msgen.models import build
from msgen.models.base import Space
from msgen.orchestrator.schema import CampaignError
from msgen.orchestrator.validate import check, load_campaign
from msgen.systems.base import Array, Walkers
from msgen.systems.openmm.system import OpenMMSystem

STEPS, STEP = 100, 0.001
BUTANE = "examples/transition_paths_butane"


@pytest.fixture(scope="module")
def butane() -> OpenMMSystem:
    spec = {"kind": "alkane", "carbons": 4, "temperature": 300.0, "platform": "Reference"}
    made = build_system(spec, CONFIGS)
    assert isinstance(made, OpenMMSystem)
    return made


def verlet(system: OpenMMSystem, x: Array, v: Array) -> Array:
    """Positions after `STEPS` of OpenMM's leapfrog, whose velocities are half a step behind."""
    integrator = mm.VerletIntegrator(STEP)
    context = mm.Context(
        system.openmm_system, integrator, mm.Platform.getPlatformByName("Reference")
    )
    _, force = system.energy_and_force(Walkers(x))
    context.setPositions(x.reshape(-1, 3))
    context.setVelocities((v - 0.5 * STEP * force / system.masses).reshape(-1, 3))
    integrator.step(STEPS)
    found = context.getState(positions=True).getPositions(asNumpy=True)._value
    return np.asarray(found, dtype=np.float64).reshape(1, -1)


def energy(system: OpenMMSystem, state: LangevinState) -> float:
    """H/kT; velocities are in units of √(kT/m)."""
    u = float(system.energy(Walkers(state.x))[0]) / system.kT
    return u + 0.5 * float((state.velocity**2).sum())


def test_a_step_without_friction_is_openmms_own(butane: OpenMMSystem) -> None:
    rng = np.random.default_rng(3)
    kernel = Langevin(STEP, 0.0, butane.masses, butane.kT)
    target = BoltzmannTarget(butane)
    x = butane.initial().positions
    first = state = kernel.init(target, x, rng)
    v = state.velocity * np.sqrt(butane.kT / butane.masses)
    booked = 0.0
    for _ in range(STEPS):
        before = state
        state, outcome = kernel.step(target, before, rng)
        assert outcome.accepted.all()
        told = [target.log_density(s.x) for s in (before, state)]
        booked += float(log_reversal(kernel, before, state, *told)[0])
    assert np.abs(state.x - verlet(butane, x, v)).max() < 1e-8
    # nothing but its energy error tells a step from the way back
    assert booked == pytest.approx(energy(butane, first) - energy(butane, state), abs=1e-8)
    # the twin with a mass for all of its atoms ends elsewhere
    twin = Langevin(STEP, 0.0, np.full_like(butane.masses, 12.0), butane.kT)
    wrong = first
    for _ in range(STEPS):
        wrong, _ = twin.step(target, wrong, rng)
    assert np.abs(wrong.x - verlet(butane, x, v)).max() > 1e-3


def test_paths_grow_both_ways_from_a_molecule(butane: OpenMMSystem) -> None:
    kernel = Langevin(STEP, 10.0, butane.masses, butane.kT)
    x = np.repeat(butane.initial().positions, 3, axis=0)
    origin, rng = np.array([0, 2, 4]), np.random.default_rng(4)
    grown = grow(kernel, BoltzmannTarget(butane), x, origin, 5, 4, rng)
    assert grown.sound.all()
    assert grown.evaluations == 3 * (1 + 4 * 4)
    np.testing.assert_array_equal(grown.legs.positions[np.arange(3), origin], x)
    assert np.isfinite(grown.legs.log_density).all()
    # the shadow work of 16 steps of a femtosecond is small, and there
    assert 0.0 < np.abs(grown.legs.reversal[:, -1]).max() < 1.0


@pytest.mark.parametrize("aimless", [False, True], ids=["density", "aimless"])
def test_shots_of_a_molecule_come_back_as_those_of_any_system(aimless: bool) -> None:
    campaign = load_campaign(CONFIGS / f"{BUTANE}.yaml", ())
    context = WorkerContext({
        "system": campaign.spec_system(), "cvs": campaign.spec_cvs(),
        "strategy": campaign.spec_strategy(), "model": campaign.spec_model(),
        "base_dir": str(CONFIGS), "platform": None, "seed": 1, "threads": 1,
    })  # fmt: skip
    frames, replicas, rng = 5, 2, np.random.default_rng(8)
    system = context.system
    kernel = Langevin(STEP, 10.0, system.masses, system.kT)
    x = np.repeat(system.initial().positions, replicas, axis=0)
    grown = grow(kernel, BoltzmannTarget(system), x, np.array([0, 2]), frames, 4, rng)
    seen = exact(context).encode(grown.legs.positions.reshape(-1, system.n_dof))
    model = build({"kind": "kde", "kernels": 50}, Space(tuple(exact(context).periodic)))
    model.fit(seen, seed=1)
    context.models.publish(0, encode(model.state()))
    states = Partition.from_boxes(campaign.spec_states() or {}, ["torsion"], np.array([True]))
    payload = ShootPayload(
        paths=PathRows(*grown.legs, np.ones(replicas, dtype=bool)),
        replicas=np.arange(replicas),
        shots=3,
        stride=4,
        states=states,
        ends=(0, 1),
        window=1 if aimless else None,
        epsilon=0.05,
        broad=None if aimless else BroadGaussian.about(seen),
        learn=True,
    )
    segment = shoot(context, WorkOrder.of(0, payload, model_version=0), rng)
    record = segment.read(ShootRecord)
    assert len(record.shots) == 3 * replicas
    assert np.isfinite(record.shots.log_weight).any() != aimless
    assert segment.samples["path_cvs"].shape == (frames * replicas, 1)
    # trans, from which nothing goes in so short a time
    assert (np.abs(segment.samples["path_cvs"]) > np.radians(120.0)).all()
    assert segment.evaluations >= 3 * replicas * (1 + 4 * (frames - 1))


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        (("strategy.local={kind: ghmc, steps: 1000}",), "strategy.local.kind", "way back"),
        (("system.constraints=HBonds",), "system.constraints", "10 bonds rigid"),
    ],
)
def test_what_openmm_moves_otherwise_is_refused(
    sets: tuple[str, ...], where: str, what: str
) -> None:
    with pytest.raises(CampaignError) as caught:
        check(load_campaign(CONFIGS / f"{BUTANE}.yaml", sets), CONFIGS)
    told = {".".join(map(str, p.path)): p.problem for p in caught.value.problems}
    assert what in told[where]
