"""Moves of a whole solute, its solvent driven after it: exact for any proposal, path and turn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import cast

import mdtraj
import numpy as np
import openmm as mm
import pytest
from openmm import app
from sections import build_system
from solute_systems import SPRING, Springs, distances, draw_all, weighted_chains

from msgen.actors.kernels.solute import Orientation, Screen, SoluteMove
from msgen.actors.solute.openmm_legs import MoleculeDriver
from msgen.actors.solute.paths import REFRESH, ArrayDriver, Route
from msgen.models import Broad
from msgen.systems import CVSet
from msgen.systems.base import Array, Walkers
from msgen.systems.coordinates.chain_placement import KINDS, Kind, Placement
from msgen.systems.cvs.torch_cvs import Distance
from msgen.systems.errors import SpecError
from msgen.systems.openmm.structure import Molecule
from msgen.systems.openmm.subsystem_energy import SoluteAlone
from msgen.systems.openmm.system import OpenMMSystem

ATOMS = np.arange(4)
ROUTE = Route(steps=20, dt=0.1, friction=0.5)
N, MOVES = 2500, 8


@cache
def start() -> Array:
    return draw_all(N, 2)


def observables(x: Array) -> Array:
    """Mean bond, distance of next neighbours, and of the ends, shape (3, n)."""
    near, next_, ends = distances(x)
    return np.array([near.mean(axis=1), next_.mean(axis=1), ends])


@cache
def expected() -> tuple[Array, Array]:
    """Means of the observables, and their standard deviations."""
    x, w = weighted_chains(400_000, 1)
    f = observables(x)
    mean = f @ w
    return mean, np.sqrt((f - mean[:, None]) ** 2 @ w)


def broad(placement: Placement) -> Broad:
    y = placement.encode(start().reshape(-1, 8, 3)[:, :4])
    # off the middle: what is left out of the ratio then shows
    return Broad(placement.periodic, mean=y.mean(axis=0) + 0.4 * y.std(axis=0), std=1.3 * y.std(0))


def move(placement: Placement, orientation: Orientation, route: Route = ROUTE) -> SoluteMove:
    driver = ArrayDriver(Springs(), ATOMS, route)
    return SoluteMove(ATOMS, placement, broad(placement), driver, orientation)


@dataclass(frozen=True)
class Found:
    """After `MOVES` moves of exact draws: deviations in σ, and shares of the moves."""

    shape: float
    side: float
    spring: float
    accepted: float
    refused: float


def found(kernel: SoluteMove) -> Found:
    walkers, rng = Walkers(start()), np.random.default_rng(7)
    accepted = refused = 0.0
    for _ in range(MOVES):
        done = kernel(walkers, rng)
        walkers = done.walkers
        accepted += done.accepted.mean() / MOVES
        refused += done.refused.mean() / MOVES
    p = walkers.positions.reshape(-1, 8, 3)
    mean, spread = expected()
    shape = np.abs(observables(p).mean(axis=1) - mean) / (spread / np.sqrt(N))
    normal = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 1])
    side = (np.einsum("ni,ni->n", normal, p[:, 3] - p[:, 2]) > 0).mean()
    spring = SPRING * ((p[:, 4:] - p[:, :4]) ** 2).mean()
    return Found(
        float(shape.max()),
        abs(side - 0.5) / (0.5 / np.sqrt(N)),
        abs(spring - 1.0) / np.sqrt(2 / (12 * N)),
        accepted,
        refused,
    )


@pytest.mark.parametrize("orientation", ["kept", "random"])
@pytest.mark.parametrize("kind", KINDS)
def test_moves_keep_the_known_distribution(kind: Kind, orientation: Orientation) -> None:
    got = found(move(Placement(4, kind), orientation))
    assert got.accepted > 0.03
    # no path at all is exact too, and moves little
    still = found(move(Placement(4, kind), orientation, Route(0, 0.1, 0.5)))
    assert still.accepted < got.accepted
    for one in (got, still):
        assert max(one.shape, one.side, one.spring) < 4


class Flat(Placement):
    """The wrong twin: what can be placed is taken to have one volume."""

    def log_volume(self, y: Array) -> Array:
        """A constant."""
        return np.where(np.isfinite(super().log_volume(y)), 0.0, -np.inf)


class OneSided(Placement):
    """The wrong twin: four of five atoms go to one side, and the ratio says half of them."""

    def draw_sides(self, m: int, rng: np.random.Generator) -> Array:
        """Mostly 1."""
        return rng.choice([-1.0, 1.0], (m, self.n - 3), p=[0.2, 0.8])


class Unweighted(SoluteMove):
    """The wrong twin: accepts on the work alone."""

    def propose(self, x: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """q(λ₀)/q(λ_N) left out."""
        stop, ratio = super().propose(x, rng)
        return stop, np.where(np.isfinite(ratio), 0.0, ratio)


@dataclass(frozen=True)
class Detour(Route):
    """The wrong twin: goes astray on the way to a shorter chain, but not back."""

    def stops(self, start: Array, stop: Array) -> Array:
        """With an arch on top."""
        ends = [np.linalg.norm(p[:, 3] - p[:, 0], axis=1) for p in (start, stop)]
        arch = np.sin(np.pi * np.arange(self.legs + 1) / self.legs)
        aside = 1.5 * (ends[0] > ends[1])[:, None, None] * np.ones(3)
        return np.asarray(super().stops(start, stop) + np.multiply.outer(arch, aside))


def test_the_volume_left_out_shows() -> None:
    for kind in KINDS:
        assert found(move(Flat(4, kind), "kept")).shape > 6


def test_a_side_drawn_more_often_than_told_shows() -> None:
    assert found(move(OneSided(4, "distances"), "kept")).side > 6


def test_the_ratio_of_proposals_left_out_shows() -> None:
    right = move(Placement(4), "kept")
    wrong = Unweighted(right.atoms, right.placement, right.proposal, right.driver)
    assert found(wrong).shape > 6


def test_a_path_that_goes_another_way_back_shows() -> None:
    assert found(move(Placement(4), "kept", Detour(40, 0.1, 0.5))).shape > 6


def test_draws_that_cannot_be_placed_and_broken_paths_are_rejections() -> None:
    kernel = move(Placement(4, "distances"), "kept", Route(20, 1e30, 0.0))
    with np.errstate(all="ignore"):
        done = kernel(Walkers(start()[:200]), np.random.default_rng(3))
    assert 0 < done.refused.sum() < 200
    assert done.broken.sum() > 0
    stayed = ~done.accepted
    np.testing.assert_array_equal(done.walkers.positions[stayed], start()[:200][stayed])
    assert not (done.accepted & (done.refused | done.broken)).any()
    # paths were begun for the others only
    assert done.evaluations == (200 - done.refused.sum()) * ROUTE.forces


def molecule(constrained: bool = False, platform: str = "Reference") -> OpenMMSystem:
    """The springs of `Springs` without the barrier, as an OpenMM system."""
    system, topology = mm.System(), app.Topology()
    chain = topology.addChain()
    bonds = mm.HarmonicBondForce()
    x = Springs().initial().positions.reshape(8, 3)
    for i in range(8):
        system.addParticle(1.0)
        topology.addAtom(f"A{i}", None, topology.addResidue("X", chain))
    for i in range(4):
        bonds.addBond(i, i + 4, 0.0, SPRING)
        if i:
            bonds.addBond(i - 1, i, 1.0, 60.0)
    if constrained:
        system.addConstraint(0, 1, 1.0)
    system.addForce(bonds)
    made = Molecule(mdtraj.Topology.from_openmm(topology), topology, system, x, None)
    return OpenMMSystem(made, 1.0 / 8.31446261815324e-3, 0.05, 1.0, platform)


class Plain(Springs):
    """What `molecule` has, as an array system."""

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """U and ∇U by OpenMM."""
        energy, force = molecule().energy_and_force(Walkers(x))
        return energy, -force

    def value(self, x: Array) -> Array:
        """U."""
        return self.value_and_gradient(x)[0]


def guess(x: Array) -> Array:
    """A poor guess of the solute's energy: its springs alone."""
    near, next_, _ = distances(x)
    return np.asarray(30.0 * ((near - 1.0) ** 2).sum(1) + 20.0 * ((next_ - 1.6) ** 2).sum(1))


class Forgetful(SoluteMove):
    """The wrong twin: draws are thinned, and the density of where walkers stand does not know."""

    def log_density(self, solute: Array) -> Array:
        """That of all draws."""
        return SoluteMove(self.atoms, self.placement, self.proposal, self.driver).log_density(
            solute
        )


def test_screened_draws_are_exact_and_accepted_more_often() -> None:
    right = move(Placement(4), "kept")
    x, log_q = right.draw_shapes(2000, np.random.default_rng(1))
    good = np.isfinite(log_q)
    level = -float(np.quantile(-guess(x[good]) - log_q[good], 0.9))
    screened = replace(right, screen=Screen(guess, level))
    got = found(screened)
    assert got.accepted > 1.5 * found(right).accepted
    assert got.refused == 0
    assert max(got.shape, got.side, got.spring) < 4
    # few tries, and the moves without a draw are rejections wherever they start
    few = found(replace(right, screen=Screen(guess, level, tries=1)))
    assert few.refused > 0.3
    assert max(few.shape, few.side, few.spring) < 4
    wrong = Forgetful(ATOMS, right.placement, right.proposal, right.driver, "kept", screened.screen)
    assert found(wrong).shape > 6


def test_the_solute_alone_has_the_energy_of_a_solute_without_solvent() -> None:
    spec = {"kind": "polymer", "box": 8.0, "platform": "Reference"}
    bare = cast(OpenMMSystem, build_system({**spec, "solvent": 0}, Path()))
    full = cast(OpenMMSystem, build_system({**spec, "solvent": 20}, Path()))
    beads = np.arange(9)
    rng = np.random.default_rng(1)
    x = bare.initial().positions + 0.02 * rng.standard_normal((4, 27))
    energy = SoluteAlone(full.openmm_system, beads, full.kT)(x.reshape(4, 9, 3))
    one = bare.initial().box
    assert one is not None
    box = np.repeat(one, 4, axis=0)
    np.testing.assert_allclose(energy, bare.energy(Walkers(x, None, box)) / bare.kT, rtol=1e-9)
    assert np.isnan(SoluteAlone(full.openmm_system, beads, 1.0)(np.full((1, 9, 3), np.nan)))


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_openmm_goes_the_same_way_as_the_array(platform: str) -> None:
    system = molecule(platform=platform)
    cvs = CVSet((Distance("d", (0, 3)),))
    rng = np.random.default_rng(4)
    p = start()[:3].reshape(3, 8, 3)
    x = (p - p.mean(axis=1, keepdims=True)).reshape(3, -1)
    stop = x.reshape(3, 8, 3)[:, :4] + 0.4 * rng.standard_normal((3, 4, 3))
    for route in (Route(3 * REFRESH, 0.05, 0.7), Route(0, 0.05, 0.7)):
        one = MoleculeDriver(system, cvs, ATOMS, route)
        other = ArrayDriver(Plain(), ATOMS, route)
        for i in range(3):
            walker = Walkers(x[[i]])
            a = one.drive(walker, stop[[i]], np.random.default_rng(i))
            b = other.drive(walker, stop[[i]], np.random.default_rng(i))
            np.testing.assert_allclose(a.walkers.positions, b.walkers.positions, atol=1e-5)
            np.testing.assert_allclose(a.work, b.work, atol=1e-4)
            placed = a.walkers.positions.reshape(8, 3)[:4]
            np.testing.assert_allclose(placed, stop[i], atol=1e-9)
    with pytest.raises(SpecError, match="not free"):
        MoleculeDriver(molecule(constrained=True), cvs, ATOMS, ROUTE)


def test_a_solute_keeps_its_centre() -> None:
    for orientation in ("kept", "random"):
        kernel = move(Placement(4), cast(Orientation, orientation))
        stop, _ = kernel.propose(start()[:50], np.random.default_rng(1))
        good = np.isfinite(stop).all(axis=(1, 2))
        old = start()[:50].reshape(50, 8, 3)[:, :4]
        np.testing.assert_allclose(stop[good].mean(axis=1), old[good].mean(axis=1), atol=1e-9)
