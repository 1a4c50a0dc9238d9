"""Steps of a learnt dynamics leave a molecule's density as it is, by the order that makes them.

Four atoms in a soft chain, whose bonds, angles and torsion are independent of each other and known:
p(r) ∝ r² e^{−U/kT}, p(θ) ∝ sin θ e^{−U/kT}, p(φ) ∝ e^{−U/kT}. Walkers start from exact draws, so
that a miss is the move's own. Deliberately wrong twin: the volume of the coordinates left out.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import mdtraj
import numpy as np
import openmm as mm
from mdtraj.core.element import carbon
from openmm import app
from places import CONFIGS
from sections import build_cvs
from torsion_molecule import KT, TERMS, potential

from msgen.actors.base import WorkOrder, encode
from msgen.actors.configurations.coordinates import InCoordinates, exact_coordinates
from msgen.actors.context import WorkerContext
from msgen.actors.kernels.base import BoltzmannTarget
from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.walk import WalkPayload
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles.propagator import PropagatorRun
from msgen.actors.roles.state_explorer import Isomers
from msgen.models.propagator import Pairs, Propagator
from msgen.systems.base import Array
from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.system import OpenMMSystem

BOND, STIFF, ANGLE, BEND = 0.15, 2000.0, 1.9, 20.0
"""nm, kJ/mol/nm², rad, kJ/mol/rad²: soft, so that the volume element shows."""
WALKERS, STEPS, LAGS = 500, 20, (5, 20)
SPEC = {
    "kind": "spline_flow", "transforms": 1, "hidden": [16], "bins": 4, "transform": "standardise",
    "learning_rate": 2e-2, "batch": 256, "epochs": 6, "patience": "auto", "ema": 0.9,
    "device": "cpu",
}  # fmt: skip


@cache
def chain() -> OpenMMSystem:
    system, topology = mm.System(), mdtraj.Topology()
    residue, beside = topology.add_residue("BUT", topology.add_chain()), app.Topology()
    place = beside.addResidue("BUT", beside.addChain())
    for i in range(4):
        system.addParticle(12.0)
        topology.add_atom(f"C{i}", carbon, residue)
        beside.addAtom(f"C{i}", app.element.carbon, place)
    atoms = list(topology.atoms)
    bonds, angles = mm.HarmonicBondForce(), mm.HarmonicAngleForce()
    torsion = mm.PeriodicTorsionForce()
    for i in range(3):
        topology.add_bond(atoms[i], atoms[i + 1])
        bonds.addBond(i, i + 1, BOND, STIFF)
    for i in range(2):
        angles.addAngle(i, i + 1, i + 2, ANGLE, BEND)
    for n, phase, k in TERMS:
        torsion.addTorsion(0, 1, 2, 3, n, phase, k)
    for force in (bonds, angles, torsion):
        system.addForce(force)
    x = np.array([[-0.05, 0.14, 0.0], [0, 0, 0], [0.15, 0, 0], [0.2, 0.02, 0.139]])
    made = Molecule(topology=topology, openmm_topology=beside, system=system, positions=x, box=None)
    return OpenMMSystem(made, 300.0, 0.001, 10.0, "Reference")


SEEN = exact_coordinates("internal", chain())
FIRST = SEEN.encode(chain().initial().positions)[0]


def log_p(k: int, y: Array) -> Array:
    """ln of the density of one variable, without its constant."""
    if SEEN.periodic[k]:
        return -potential(y) / KT
    if FIRST[k] < 0.5:  # a length
        return 2.0 * np.log(y) - 0.5 * STIFF * (y - BOND) ** 2 / KT
    return np.log(np.sin(y)) - 0.5 * BEND * (y - ANGLE) ** 2 / KT


def axis(k: int) -> tuple[Array, Array]:
    """Places of one variable and their probabilities."""
    top = 2 * np.pi if SEEN.periodic[k] else 0.4 if FIRST[k] < 0.5 else np.pi
    at = (np.arange(4000) + 0.5) / 4000 * top
    p = np.exp(log_p(k, at))
    return at - (np.pi if SEEN.periodic[k] else 0.0), np.roll(p / p.sum(), 2000 * SEEN.periodic[k])


def draws(n: int, rng: np.random.Generator) -> Array:
    return np.stack([rng.choice(at, n, p=p) for at, p in map(axis, range(SEEN.dim))], axis=1)


class Flat:
    """A wrong twin of coordinates: they have no volume."""

    def __init__(self) -> None:
        self.periodic, self.dim = SEEN.periodic, SEEN.dim
        self.encode, self.decode = SEEN.encode, SEEN.decode

    def log_det(self, y: Array) -> Array:
        return np.where(np.isfinite(SEEN.log_det(y)), 0.0, -np.inf)


class WithoutVolume(PropagatorRun):
    """A wrong twin."""

    def _target(self, other: Isomers | None = None) -> InCoordinates:
        return InCoordinates(BoltzmannTarget(self.context.system), Flat(), other)


@cache
def state() -> Any:
    """A model of little: torsions that diffuse, from a few pairs."""
    rng = np.random.default_rng(1)
    before, after = draws(1500, rng), draws(1500, rng)
    lag = rng.choice(np.array(LAGS, dtype=np.float64), 1500)
    (phi,) = np.flatnonzero(SEEN.periodic)
    turned = before[:, phi] + 0.3 * np.sqrt(lag) * rng.standard_normal(1500)
    after[:, phi] = (turned + np.pi) % (2 * np.pi) - np.pi
    model = Propagator.of(SPEC, SEEN.periodic, LAGS)
    model.fit(Pairs(before, after, lag), seed=2)
    return model.state()


def misses(kind: type[PropagatorRun], seed: int) -> tuple[float, float]:
    """The worst miss of moments after some steps, in σ of the walkers; and the acceptance."""
    rng = np.random.default_rng(seed)
    start = draws(WALKERS, rng)
    setup: dict[str, Any] = {
        "strategy": {
            "local": {"kind": "langevin", "timestep": 0.001, "friction": 10.0},
            "proposal": {"kind": "propagator", "lags": list(LAGS)},
        }
    }
    phi = {"phi": {"kind": "dihedral", "atoms": [0, 1, 2, 3]}}
    context = WorkerContext(setup, chain(), build_cvs(phi, chain(), CONFIGS))
    context.models.publish(0, encode(state()))
    payload = WalkPayload(
        walkers=WalkerRows(SEEN.decode(start, rng)),
        replicas=np.arange(WALKERS),
        blocks=1,
        local_steps=20,
        record=5,
        global_steps=STEPS,
        step_size=None,
        epsilon=0.1,
        recent=0,
        weights=0,
        broad=BroadGaussian.about(start),
        states=None,
    )
    run = kind.begin(context, WorkOrder.of(0, payload, model_version=0), rng)
    run.propose()
    y, off = SEEN.encode(run.walkers.positions), []
    for k in range(SEEN.dim):
        at, p = axis(k)
        readings = (np.sin, np.cos) if SEEN.periodic[k] else (np.copy, np.square)
        for of in readings:
            seen = of(y[:, k])
            off.append(abs(seen.mean() - p @ of(at)) / (seen.std() / np.sqrt(WALKERS)))
    assert run.evaluations == WALKERS * (1 + STEPS)
    return float(max(off)), run.counts["global_accepted"] / run.counts["global_proposed"]


def test_the_density_of_the_chain_is_what_its_draws_are_of() -> None:
    y = draws(50, np.random.default_rng(3))
    told = InCoordinates(BoltzmannTarget(chain()), SEEN).log_density(y)
    known = sum(log_p(k, y[:, k]) for k in range(SEEN.dim))
    np.testing.assert_allclose(told - told[0], known - known[0], atol=1e-6)


def test_steps_leave_a_molecules_density_as_it_is() -> None:
    """Within 4 σ at 12 readings of 500 walkers."""
    off, accepted = misses(PropagatorRun, seed=4)
    assert accepted > 0.15
    assert off < 4


def test_steps_without_the_volume_are_seen() -> None:
    assert misses(WithoutVolume, seed=4)[0] > 6
