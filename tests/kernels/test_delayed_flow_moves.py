"""Proposals of a density, tested by a cheap energy first and by the dear one after, keep the dear.

Walkers start from exact draws, of a double well as in `test_kernels` and of three particles in a
soft chain, whose internal coordinates are independent: right is within 4.5 σ, wrong beyond 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mdtraj
import numpy as np
import pytest
from mdtraj.core.element import carbon
from quartic_well import RIGHT, WRONG, Well, drift

from msgen.actors.configurations.independent_moves import IndependentMoves
from msgen.actors.kernels import delayed_acceptance, independence
from msgen.actors.kernels.base import BoltzmannTarget, Mask, metropolis
from msgen.actors.kernels.delayed_acceptance import DelayedAcceptance
from msgen.models import Broad, Defended
from msgen.systems.base import Array, Walkers
from msgen.systems.coordinates.free_particles import Centred
from msgen.systems.coordinates.internal_coordinates import InternalCoordinates
from msgen.systems.coordinates.representation import Cartesian, Exact


@dataclass(frozen=True)
class Tilted:
    """A cheap density of the well that is off by a tilt and a scale."""

    tilt: float = 0.7

    def log_density(self, x: Array) -> Array:
        return -1.2 * (4.5 * x**4 - 5.0 * x**2)[:, 0] - self.tilt * x[:, 0]

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        return self.log_density(x), -1.2 * (18.0 * x**3 - 10.0 * x) - self.tilt


NARROW = Broad([False], mean=np.array([0.4]), std=np.array([0.6]))
WIDE = Broad([False], mean=np.array([0.0]), std=np.array([1.5]))
Q = Defended(NARROW, WIDE, 0.2)
"""Neither even nor like the well."""


def flow_walks(moves: int) -> DelayedAcceptance:
    return DelayedAcceptance(Tilted(), IndependentMoves(Q, Cartesian(1)), moves)


def everything(
    new: Array, old: Array, forward: Array, backward: Array, log_u: Array
) -> tuple[Mask, Array, Mask]:
    """A test that all pass."""
    yes = np.ones(len(new), dtype=bool)
    return yes, np.zeros(len(new)), ~yes


def without_q(
    new: Array, old: Array, forward: Array, backward: Array, log_u: Array
) -> tuple[Mask, Array, Mask]:
    """A test as of symmetric proposals."""
    return metropolis(new, old, np.zeros_like(new), np.zeros_like(new), log_u)


@pytest.mark.parametrize("moves", [1, 5])
def test_the_dear_density_is_kept(moves: int) -> None:
    assert drift(flow_walks(moves), n_steps=8) < RIGHT


def test_without_the_second_test_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delayed_acceptance, "metropolis", everything)
    assert drift(flow_walks(5), n_steps=8) > WRONG


@pytest.mark.parametrize("first_test", [everything, without_q])
def test_with_a_wrong_first_test_it_is_not(
    monkeypatch: pytest.MonkeyPatch, first_test: Any
) -> None:
    """Proposals are reversible under the cheap density, or the second test is of another one."""
    monkeypatch.setattr(independence, "metropolis", first_test)
    assert drift(flow_walks(5), n_steps=8) > WRONG


def test_a_walk_asks_the_dear_density_once_and_none_that_went_nowhere_does() -> None:
    target = BoltzmannTarget(Well())
    far = Broad([False], mean=np.array([30.0]), std=np.array([0.1]))
    start = Walkers(np.linspace(-1.0, 1.0, 50)[:, None])
    stuck = DelayedAcceptance(Tilted(), IndependentMoves(far, Cartesian(1)), 10)
    done = stuck(target, start, np.random.default_rng(1), n_steps=4)
    assert (done.tested, done.evaluations) == (0, 50)
    np.testing.assert_array_equal(done.walkers.positions, start.positions)
    done = flow_walks(10)(target, start, np.random.default_rng(1), n_steps=4)
    assert 100 < done.tested <= 200
    assert done.evaluations == 50 + done.tested


BOND, STIFF, ANGLE, BEND = 0.15, 800.0, 1.9, 8.0
"""nm, kT/nm², rad, kT: soft, so that the volume element shows."""


def three_in_a_chain() -> InternalCoordinates:
    topology = mdtraj.Topology()
    residue = topology.add_residue("TRI", topology.add_chain())
    atoms = [topology.add_atom(f"C{i}", carbon, residue) for i in range(3)]
    topology.add_bond(atoms[0], atoms[1])
    topology.add_bond(atoms[1], atoms[2])
    x = [[BOND, 0, 0], [0, 0, 0], [BOND * np.cos(1.3), BOND * np.sin(1.3), 0]]
    return InternalCoordinates(topology, np.array(x))


SEEN = three_in_a_chain()


class Flat:
    """A wrong twin of the coordinates: they have no volume."""

    dim, periodic = SEEN.dim, SEEN.periodic
    encode, decode = staticmethod(SEEN.encode), staticmethod(SEEN.decode)

    def log_det(self, y: Array) -> Array:
        return np.where(np.isfinite(SEEN.log_det(y)), 0.0, -np.inf)


@dataclass(frozen=True)
class Chain:
    """The density of three particles with this angle and stiffness of the bend."""

    angle: float = ANGLE
    bend: float = BEND

    def log_density(self, x: Array) -> Array:
        y = SEEN.encode(x)
        stretch = 0.5 * STIFF * ((y[:, :2] - BOND) ** 2).sum(1)
        return -stretch - 0.5 * self.bend * (y[:, 2] - self.angle) ** 2

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        return self.log_density(x), np.full(x.shape, np.nan)


def axis(k: int) -> tuple[Array, Array]:
    """Places of a length (0, 1) or of the angle (2), and their probabilities."""
    top = np.pi if k == 2 else 0.5
    at = (np.arange(4000) + 0.5) / 4000 * top
    bend = np.log(np.sin(at)) - 0.5 * BEND * (at - ANGLE) ** 2
    stretch = 2.0 * np.log(at) - 0.5 * STIFF * (at - BOND) ** 2
    p = np.exp(bend if k == 2 else stretch)
    return at, p / p.sum()


def misses(coordinates: Exact) -> float:
    """The worst miss of first and second moments, in σ, after walks from exact draws."""
    rng, n = np.random.default_rng(5), 8000
    y = np.stack([rng.choice(at, n, p=p) for at, p in map(axis, range(3))], axis=1)
    q = Broad([False] * 3, mean=np.array([0.16, 0.14, 1.7]), std=np.array([0.05, 0.05, 0.5]))
    kernel = DelayedAcceptance(Chain(1.75, 6.0), IndependentMoves(q, coordinates), 4)
    done = kernel(Chain(), Walkers(SEEN.decode(y, rng)), rng, n_steps=5)
    assert done.passed > 0.6 * n
    seen, off = SEEN.encode(done.walkers.positions), []
    for k in range(3):
        at, p = axis(k)
        for power in (1, 2):
            values = seen[:, k] ** power
            off.append(abs(values.mean() - p @ at**power) / (values.std() / np.sqrt(n)))
    return float(max(off))


def test_in_internal_coordinates_the_volume_is_part_of_the_first_test() -> None:
    assert misses(SEEN) < RIGHT
    assert misses(Flat()) > WRONG


class Half:
    """A density of two atoms that is nothing beyond a distance."""

    def log_density(self, x: Array) -> Array:
        apart = np.linalg.norm(x[:, :3] - x[:, 3:], axis=1)
        return np.where(apart < 1.0, 0.0, -np.inf)

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        return self.log_density(x), np.zeros_like(x)


def test_who_accepts_nothing_keeps_its_place_to_the_bit() -> None:
    """Off the centre about which proposals are made; who moves goes there."""
    rng = np.random.default_rng(6)
    q = Broad([False] * 6, mean=np.zeros(6), std=np.full(6, 0.5))
    middle = rng.normal(size=(400, 1, 3)) + 3.0
    near = 0.1 * rng.normal(size=(400, 1, 3)) * np.array([1.0, -1.0])[None, :, None]
    x = (middle + near).reshape(400, 6)
    done = IndependentMoves(q, Centred(2))(Half(), Walkers(x), rng)
    stayed = (done.walkers.positions == x).all(axis=1)
    centre = done.walkers.positions.reshape(400, 2, 3).mean(axis=1)
    assert 20 < stayed.sum() < 380
    assert np.abs(centre[~stayed]).max() < 1e-12
