"""Probes come to rest where no walker has been, and leave everything else as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from built_models import build
from driving import same, setup_of

from msgen.actors.base import WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.engines.molecule import molecule
from msgen.actors.orders.probe import ProbePayload, ProbeRecord, Way
from msgen.actors.orders.proposals import BroadGaussian, DefendedSpec
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.probing import arrays
from msgen.actors.probing.arrays import at_rest, downhill
from msgen.actors.worker import Worker
from msgen.systems.base import Walkers

# 45 % in a narrow state off the CV axis
WELLS = "means: [[-2, 0], [2, 0], [2, 6]], scales: [0.5, 0.5, 0.15], weights: [0.35, 0.2, 0.45]"
NARROW = (
    f"system={{kind: gaussian_mixture, {WELLS}}}",
    "cvs={x: {kind: coordinate, index: 0, range: [-4, 4], bins: 40}}",
    "states={left: {x: [-4, 0]}}",
)
THIRD = np.array([2.0, 6.0])


def order(ways: list[Way], rnd: int = 0, seed: int = 1) -> WorkOrder:
    rng = np.random.default_rng(seed)
    x = rng.choice([-2.0, 2.0], size=64)[:, None] * [1.0, 0.0] + 0.5 * rng.standard_normal((64, 2))
    n = len(ways)
    payload = ProbePayload(
        WalkerRows(x[rng.integers(64, size=n)]),
        tuple(ways),
        np.zeros((n, 1)),
        np.array([-4.0]),
        np.array([4.0]),
        x.min(axis=0),
        x.max(axis=0),
    )
    return WorkOrder.of(rnd, payload)


@pytest.mark.parametrize("way", ["burst", "scatter"])
def test_probes_of_either_kind_find_what_no_walker_has_seen(way: Way) -> None:
    setup = setup_of("double_well", *NARROW)[1]
    done = Worker(setup).execute(order([way] * 400))
    record = done.read(ProbeRecord)
    ends = record.walkers.positions
    assert ends is not None
    there = np.linalg.norm(ends - THIRD, axis=1) < 1.0
    # 1.5 to 4 % are caught; none of 400 has a chance below 0.3 %
    assert there.any()
    # each comes to rest in one of three wells, and has stayed there
    wells = np.array([[-2.0, 0.0], [2.0, 0.0], THIRD])
    near = np.linalg.norm(record.readings[:, :, None] - wells, axis=3) < 2.0
    assert (near.all(axis=1).any(axis=1)).mean() > 0.99
    # who rests in one place goes on as one: far from what 400 runs would take
    assert done.evaluations < 110 * 400
    assert done.counts["probes"] == 400


def test_a_probe_that_stays_finds_nothing() -> None:
    """The twin: relaxed and run without being thrown, no walker leaves its well."""
    setup = setup_of("double_well", *NARROW)[1]
    record = Worker(setup).execute(order(["stay"] * 64)).read(ProbeRecord)
    assert (np.abs(record.readings[:, :, 1]) < 3.0).all()


def test_a_probe_is_a_function_of_its_order() -> None:
    setup = setup_of("double_well", *NARROW)[1]
    both: list[Way] = ["burst", "scatter"]
    worker = Worker(setup)
    first = worker.execute(order(both * 8))
    worker.execute(order(["burst"] * 4, seed=9))
    again = worker.execute(order(both * 8))
    assert same(first.carry, again.carry)
    other = worker.execute(order(both * 8, rnd=1))
    assert not same(first.carry, other.carry)


class Wells:
    """ln ρ* = −10 (x² − 1)² − 5000 y²: two wells, stiff across."""

    def log_density(self, x: Any) -> Any:
        return self.log_density_and_gradient(x)[0]

    def log_density_and_gradient(self, x: Any) -> Any:
        a, b = x.T
        value = -10 * (a**2 - 1) ** 2 - 5000 * b**2
        return value, np.stack([-40 * a * (a**2 - 1), -10_000 * b], axis=1)


def test_downhill_comes_to_rest_in_the_well_it_began_in() -> None:
    rng = np.random.default_rng(2)
    x = np.stack([rng.uniform(-2, 2, 200), rng.uniform(-0.2, 0.2, 200)], axis=1)
    fallen = downhill(Wells(), x, np.array([0.5, 0.05]), 60)
    assert fallen.settled.mean() > 0.95
    rest = fallen.x[fallen.settled]
    assert np.abs(np.abs(rest[:, 0]) - 1).max() < 0.05
    apart = np.abs(x[:, 0]) > 0.3
    assert (np.sign(fallen.x[apart, 0]) == np.sign(x[apart, 0])).all()
    first = at_rest(fallen, np.array([0.5, 0.05]))
    assert len(np.unique(first[fallen.settled])) == 2
    # who has not come to rest stands for itself
    assert (first[~fallen.settled] == np.flatnonzero(~fallen.settled)).all()


class Beside:
    """ln ρ* of a double well in a, soft b, and c of a stiffness that depends on a."""

    def log_density(self, x: Any) -> Any:
        return self.log_density_and_gradient(x)[0]

    def log_density_and_gradient(self, x: Any) -> Any:
        a, b, c = x.T
        stiff = 1e4 * np.exp(0.5 * a)
        value = -5 * (a**2 - 1) ** 2 - 0.5 * (b - a) ** 2 - 0.5 * stiff * c**2
        slope = [-20 * a * (a**2 - 1) + b - a - 0.25 * stiff * c**2, a - b, -stiff * c]
        return value, np.stack(slope, axis=1)


def test_what_is_set_down_far_off_along_a_stiff_coordinate_comes_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Scattered probes stand hundreds of spreads up a wall that production never sees."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-4, 4, (200, 3))
    spread = np.array([0.8, 2.0, 0.014])
    fallen = downhill(Beside(), x, spread, arrays.RELAXED)
    assert fallen.settled.mean() > 0.98
    assert fallen.value.min() > -1.0
    assert fallen.evaluations < 40 * len(x)
    monkeypatch.setattr(arrays, "FALL", np.inf)  # the twin goes down in small steps
    assert downhill(Beside(), x, spread, arrays.RELAXED).settled.mean() < 0.5


MOLECULE = ("system.platform=Reference", "strategy={kind: local, local: {kind: langevin}}")


def test_a_molecule_is_thrown_about_and_its_thermostat_put_back() -> None:
    import openmm as mm

    setup = {**setup_of("alanine_dipeptide", *MOLECULE)[1], "platform": "Reference"}
    context = WorkerContext(setup)
    worker = Worker(setup, context)
    start = context.system.initial()
    ways: tuple[Way, ...] = ("burst", "scatter")
    payload = ProbePayload(
        WalkerRows(np.repeat(start.positions, 2, axis=0)), ways, np.zeros((2, 2)),
        np.full(2, -np.pi), np.full(2, np.pi), readings=2,
    )  # fmt: skip
    done = worker.execute(WorkOrder.of(0, payload))
    record = done.read(ProbeRecord)
    assert record.readings.shape == (2, 2, 2 + len(context.watched.names) - 1)
    assert np.isfinite(record.readings).all()
    assert done.evaluations > 1000
    spec = setup["strategy"]["local"]
    system = molecule(context)
    stepper = system.context(
        False, context.cvs, friction=spec["friction"], purpose="langevin",
        timestep=spec["timestep"],
    )  # fmt: skip
    assert isinstance(stepper.integrator, mm.LangevinMiddleIntegrator)
    held = stepper.integrator.getTemperature()._value
    assert held == pytest.approx(system.temperature)


def test_turning_a_bond_changes_its_torsion_and_no_bond_or_angle() -> None:
    from msgen.systems.topology.rotatable_torsions import free_torsions, torsion_angles
    from msgen.systems.topology.torsion_turns import turns

    context = WorkerContext(setup_of("alanine_dipeptide", *MOLECULE)[1])
    topology, x = context.system.topology, context.system.initial().positions
    found = turns(topology)
    bonds = [(a.index, b.index) for a, b in topology.bonds]
    names, atoms = free_torsions(topology)
    assert len(found) == len(names) > 2
    for turn in found:
        moved = turn.apply(x[0], 0.7)
        for i, j in bonds:
            before, after = (np.linalg.norm(np.diff(q.reshape(-1, 3)[[i, j]], axis=0))
                             for q in (x[0], moved))  # fmt: skip
            assert after == pytest.approx(before, abs=1e-9)
        shift = torsion_angles(moved[None], atoms)[0] - torsion_angles(x, atoms)[0]
        shift = (shift + np.pi) % (2 * np.pi) - np.pi
        (own,) = [k for k, a in enumerate(atoms) if {a[1], a[2]} == {turn.begin, turn.end}]
        assert abs(shift[own]) == pytest.approx(0.7, abs=1e-6)
        assert np.delete(np.abs(shift), own).max() < 1e-6


def test_ends_are_held_against_the_proposal_of_production() -> None:
    """ln ρ* − ln q, of a q that is all broad: both known in closed form."""
    flow = "strategy={kind: flow_mcmc, local: {kind: hmc, steps: 2}}"
    setup = setup_of("double_well", *NARROW, flow)[1]
    worker = Worker(setup)
    made = build(
        {"kind": "spline_flow", "transforms": 1, "hidden": [4], "epochs": 1}, 2, [False] * 2
    )
    made.fit(np.random.default_rng(0).normal(size=(64, 2)), seed=0)
    worker.publish(3, encode(made.state()))
    plain = order(["stay"] * 8)
    mean, std = np.array([0.5, -1.0]), np.array([2.0, 3.0])
    spec = DefendedSpec(3, BroadGaussian(mean, std), 1.0)
    payload = replace(plain.read(ProbePayload), proposal=spec)
    done = worker.execute(WorkOrder.of(0, payload, model_version=3)).read(ProbeRecord)
    x = done.walkers.positions
    z = (x - mean) / std
    log_q = -0.5 * (z**2).sum(axis=1) - np.log(2 * np.pi * std.prod())
    system = WorkerContext(setup).system
    expected = -system.energy(Walkers(x)) / system.kT - log_q
    np.testing.assert_allclose(done.log_weight, expected, rtol=1e-9)
    assert worker.execute(plain).read(ProbeRecord).log_weight is None
