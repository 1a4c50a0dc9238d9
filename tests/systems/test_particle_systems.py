"""The dimer and the polymer: forces, bare curves, the plane, temperature, images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openmm as mm
import pytest
from openmm_runs import ghmc, langevin
from places import TESTS
from sections import build_cvs, build_system

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.systems.base import Array, CVSet, Walkers
from msgen.systems.openmm.dimer import Dimer
from msgen.systems.openmm.polymer import BEADS, Polymer, default_box
from msgen.systems.openmm.reduced_units import WCA
from msgen.systems.openmm.system import OpenMMSystem
from msgen.systems.topology.stereochemistry import StereoWatch

SMALL: dict[str, Any] = {"kind": "dimer", "particles": 20, "box": 6.7, "platform": "Reference"}
LITTLE: dict[str, Any] = {"kind": "polymer", "solvent": 60, "platform": "Reference"}


def build(spec: dict[str, Any]) -> OpenMMSystem:
    system = build_system(spec, TESTS)
    assert isinstance(system, OpenMMSystem)
    return system


def cvs_of(system: OpenMMSystem) -> CVSet:
    last = 1 if system.free is not None else BEADS - 1
    return build_cvs({"r": {"kind": "distance", "atoms": [0, last]}}, system, TESTS)


@pytest.fixture(scope="module")
def dimer() -> OpenMMSystem:
    return build(SMALL)


@pytest.fixture(scope="module")
def polymer() -> OpenMMSystem:
    return build(LITTLE)


def forces_agree(
    energy: Callable[[Array], float], force: Array, x: Array, which: Array, h: float = 1e-5
) -> bool:
    """Whether `force` is −∇U at x by central differences along the coordinates `which`.

    U of a few hundred ε is told to 1e-13 of itself and differenced over 2h: 1e-6 ε/σ.
    """
    worst = 0.0
    for d in which:
        e = np.zeros_like(x)
        e[d] = h
        slope = (energy(x + e) - energy(x - e)) / (2 * h)
        worst = max(worst, abs(force[d] + slope))
    return worst < 2e-5


@pytest.mark.parametrize(
    "spec",
    [
        SMALL,
        {**SMALL, "start": "stretched", "h": 8.0, "w": 1.5},
        LITTLE,
        {**LITTLE, "start": "stretched", "k": 5.0, "alpha": 0.7, "kT": 0.9},
    ],
)
def test_every_force_is_minus_the_gradient(spec: dict[str, Any]) -> None:
    system = build(spec)
    start = system.initial()
    rng = np.random.default_rng(3)
    x = start.positions[0] + 0.01 * rng.standard_normal(system.n_dof)
    solute = np.arange(3 * (BEADS if spec["kind"] == "polymer" else 2))
    which = np.concatenate([solute, rng.choice(np.arange(solute.size, system.n_dof), 20)])

    def energy(x: Array) -> float:
        return float(system.energy(Walkers(x[None], None, start.box))[0])

    _, force = system.energy_and_force(Walkers(x[None], None, start.box))
    assert forces_agree(energy, force[0], x, which)
    # the twin that was published: the solute's own forces divided by kT once more
    twin = force[0].copy()
    twin[solute] /= 1.3
    assert not forces_agree(energy, twin, x, which)


def by_hand(system: OpenMMSystem, model: Dimer | Polymer, x: Array) -> float:
    """U from its definition, all pairs one by one."""
    p = x.reshape(-1, 3)
    n, total = len(p), 0.0
    beads = 2 if isinstance(model, Dimer) else BEADS
    sides = model.vectors.diagonal()
    for i in range(n):
        for j in range(i):
            gap = p[i] - p[j]
            within = i < beads
            if not within:
                gap = gap - sides * np.round(gap / sides)
            r = float(np.linalg.norm(gap))
            lj = 4 * (r**-12 - r**-6)
            if isinstance(model, Dimer):
                total += lj + 1 if r < WCA and not within else 0.0
            elif r < 2.5 and (not within or i - j >= 3):
                s = min(1.0, max(0.0, (r - 2.0) / 0.5))
                total += lj * (1 - 10 * s**3 + 15 * s**4 - 6 * s**5)
    ends = float(np.linalg.norm(p[beads - 1] - p[0]))
    if isinstance(model, Dimer):
        return total + float(model.bond_energy(np.array(ends)))
    for step, length in ((1, 1.0), (2, 1.63)):
        d = np.linalg.norm(p[step:BEADS] - p[: BEADS - step], axis=1)
        total += float((250 * (d - length) ** 2).sum())
    return total + float(model.end_energy(np.array(ends)))


def test_the_energy_is_the_published_sum(dimer: OpenMMSystem, polymer: OpenMMSystem) -> None:
    models = (Dimer(20, 6.7), Polymer(60, default_box(60)))
    for system, model in zip((dimer, polymer), models, strict=True):
        start = system.initial()
        known = by_hand(system, model, start.positions[0])
        assert system.energy(start)[0] == pytest.approx(known, abs=1e-6)


def test_bare_curves() -> None:
    dimer = Dimer()
    r = np.linspace(0.5, 6.0, 5501)
    u = dimer.bond_energy(r)
    assert dimer.minimum("compact") == pytest.approx(2 ** (1 / 6))
    assert dimer.minimum("stretched") == pytest.approx(2 ** (1 / 6) + 4)
    inner = (r > 2.0) & (r < 4.0)
    assert r[inner][np.argmax(u[inner])] == pytest.approx(2 ** (1 / 6) + 2, abs=1e-3)
    assert u[inner].max() - u.min() == pytest.approx(2.0, abs=1e-5)
    polymer = Polymer()
    d = np.linspace(3.0, 6.2, 3201)
    v = polymer.end_energy(d)
    assert d[d < 4.62][np.argmin(v[d < 4.62])] == pytest.approx(3.49, abs=2e-3)
    assert d[d > 4.62][np.argmin(v[d > 4.62])] == pytest.approx(5.75, abs=2e-3)
    assert (polymer.end_energy(np.array(4.62)) - v.min()) / 1.3 == pytest.approx(7.0, abs=1e-3)


def test_openmm_holds_the_bare_curves() -> None:
    two = build({**SMALL, "particles": 2, "h": 3.0})
    for r in (0.9, 1.3, 3.1, 5.4):
        x = np.array([[0.0, 0, 0, r, 0, 0]])
        u = two.energy(Walkers(x, None, two.initial().box))[0]
        assert u == pytest.approx(float(Dimer(h=3.0).bond_energy(np.array(r))), abs=1e-12)


def test_nothing_changes_when_all_is_moved(dimer: OpenMMSystem, polymer: OpenMMSystem) -> None:
    for system in (dimer, polymer):
        start = system.initial()
        u = system.energy(start)[0]
        assert start.box is not None
        side, solute = start.box[0, 0, 0], 2 if system.free is not None else BEADS
        x = start.positions.reshape(-1, 3)
        shifted = (x + np.array([0.37, -1.2, 0.0])).reshape(1, -1)
        assert system.energy(start.with_positions(shifted))[0] == pytest.approx(u, abs=1e-9)
        # solvent by its own images, the solute as a whole
        images = x.copy()
        images[solute:] -= np.array([side, side, 0]) * np.floor(x[solute:] / side + 0.3)[:, :1]
        images[:solute] += [side, -side, 0]
        there = start.with_positions(images.reshape(1, -1))
        assert system.energy(there)[0] == pytest.approx(u, abs=1e-9)
        # one end of it alone is another configuration: its bond knows no image
        images[solute - 1] += [0, 0, side]
        apart = start.with_positions(images.reshape(1, -1))
        assert system.energy(apart)[0] > u + 5


def in_plane(walkers: Walkers) -> bool:
    z = walkers.positions.reshape(-1, 3)[:, 2]
    v = np.zeros(1) if walkers.velocities is None else walkers.velocities.reshape(-1, 3)[:, 2]
    return bool((z == 0).all() and (v == 0).all())


def test_the_plane_is_kept(dimer: OpenMMSystem) -> None:
    cvs, start = cvs_of(dimer), dimer.initial()
    walkers, _ = langevin(dimer, start, 200, 1, cvs=cvs, every=200)
    assert in_plane(walkers)
    assert not np.allclose(walkers.positions, start.positions)
    walkers, _, counts = ghmc(dimer, walkers, 100, 2, cvs=cvs, every=100)
    assert in_plane(walkers)
    assert counts["n_accepted"] > 90
    engine = MoleculeEngine(dimer, cvs)
    engine.begin(np.random.default_rng(4))
    engine.load(Walkers(walkers.positions, None, walkers.box))
    engine.chunk(np.zeros((1, 1)), np.zeros(1, dtype=bool), 50)
    engine.revert(np.ones(1, dtype=bool))
    engine.chunk(np.zeros((1, 1)), np.zeros(1, dtype=bool), 50)
    assert in_plane(engine.walkers())
    schedule = Schedule(
        Conditional(np.array([400.0]), cvs.periodic), 0.005, 50.0, np.ones(1), friction=2.0
    )
    xi = cvs(walkers.positions)
    bare = Walkers(walkers.positions, None, walkers.box)
    done = engine.switch(bare, xi, xi + 2.0, schedule)
    assert in_plane(done.walkers)
    assert done.xi[0, 0] == pytest.approx(xi[0, 0] + 2.0, abs=0.5)
    # the twin: OpenMM's own thermostat knows nothing of the plane
    loose = dimer.context_of(
        mm.XmlSerializer.clone(dimer.openmm_system),
        mm.LangevinMiddleIntegrator(dimer.temperature, 1.0, 0.005),
        cvs,
    )
    loose.reseed(6)
    loose.step(20)
    assert np.abs(loose.positions()[:, 2]).max() > 0.01


def test_the_same_seed_gives_the_same_bits(dimer: OpenMMSystem) -> None:
    cvs, start = cvs_of(dimer), dimer.initial()
    once, again, other = (langevin(dimer, start, 60, s, cvs=cvs, every=20)[0] for s in (7, 7, 8))
    np.testing.assert_array_equal(once.positions, again.positions)
    assert not np.array_equal(once.positions, other.positions)


def test_temperature_of_the_plane(dimer: OpenMMSystem) -> None:
    """½ m v² per degree of freedom is ½ kT, within 4σ of a χ² of so many independent ones."""
    cvs = cvs_of(dimer)
    engine = dimer.context(False, cvs, friction=20.0)
    engine.load(dimer.initial())
    engine.reseed(5)
    engine.load(dimer.initial())
    engine.draw_velocities(np.random.default_rng(5))
    assert (engine.velocities()[:, 2] == 0).all()
    engine.step(100)
    n, energies = 250, []
    for _ in range(n):
        engine.step(20)  # e^{−2}: the velocities are nearly new
        energies.append(engine.kinetic_energy())
    per_dof = 2 * np.mean(energies) / (2 * 20) / dimer.kT
    sigma = np.sqrt(2 / (40 * n) * (1 + np.exp(-4)) / (1 - np.exp(-4)))
    assert abs(per_dof - 1) < 4 * sigma
    assert abs(1.5 * per_dof - 1) > 4 * sigma, "three directions counted for two"


def test_both_states_start_the_same_every_time() -> None:
    for spec, edge in ((SMALL, WCA + 2), (LITTLE, 4.62)):
        starts = [build({**spec, "start": s}).initial() for s in ("compact", "stretched")]
        again = build({**spec, "start": "stretched"}).initial()
        np.testing.assert_array_equal(starts[1].positions, again.positions)
        last = 1 if spec is SMALL else BEADS - 1
        r = [np.linalg.norm(s.positions[0, 3 * last :][:3] - s.positions[0, :3]) for s in starts]
        assert r[0] < edge < r[1]


@pytest.mark.parametrize("kind", ["dimer", "polymer"])
def test_published_sizes(kind: str) -> None:
    system = build({"kind": kind, "platform": "CPU"})
    start = system.initial()
    assert len(system.topology.select("resname SOL")) == (2 if kind == "dimer" else 9)
    assert system.n_dof == 3 * (100 if kind == "dimer" else 209)
    assert start.box is not None
    assert start.box[0, 0, 0] == (15.0 if kind == "dimer" else 7.469)
    assert system.kT == pytest.approx(1.0 if kind == "dimer" else 1.3, rel=1e-12)
    assert np.isfinite(system.energy(start)[0])
    watch = StereoWatch(system.topology, start.positions[0])
    assert watch.n_watched == 0
    assert watch.names_flipped(start.positions) == [[]]


def test_a_thousand_solvent_particles_run() -> None:
    system = build({"kind": "polymer", "solvent": 1000, "platform": "CPU"})
    walkers, xi = langevin(system, system.initial(), 20, 1, cvs=cvs_of(system), every=10)
    assert system.n_dof == 3 * 1009
    assert walkers.box is not None
    assert walkers.box[0, 0, 0] == pytest.approx(7.469 * (1009 / 209) ** (1 / 3))
    assert np.isfinite(xi).all()
    assert np.isfinite(system.energy(walkers)).all()
