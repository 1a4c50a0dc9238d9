"""A molecule kept in its state: what is undone is reversed, and leads back where it came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alanine_molecule import molecule

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.actors.kernels.base import Mask
from msgen.actors.kernels.expanded_ensemble import Ladder, Tempered
from msgen.systems.base import Walkers

RIGHT, WRONG = 4.5, 6.0
G2 = np.array([True, True])


@pytest.fixture(scope="module")
def system() -> Any:
    return molecule()


def walk_back(engine: Any) -> float:
    """Two chunks of two walkers, one restrained; the second is undone and reversed: a third one
    then leads back to the start. How far it misses, in nm."""
    engine.set_local_restraint(Conditional(np.array([60.0, 60.0]), np.array([True, True])))
    engine.begin(np.random.default_rng(81))
    start = engine.system.initial()
    both = Walkers(np.repeat(start.positions, 2, axis=0))
    xi = engine.load(both)
    lam, on = xi + np.array([0.4, -0.3]), np.array([True, False])
    engine.chunk(lam, on, 20)
    middle = engine.walkers().positions
    engine.chunk(lam, on, 20)
    assert np.abs(engine.walkers().positions - middle).max() > 1e-3
    engine.revert(np.array([True, True]))
    assert np.array_equal(engine.walkers().positions, middle)
    engine.chunk(lam, on, 20)
    return float(np.abs(engine.walkers().positions - both.positions).max())


def test_an_undone_chunk_of_a_molecule_is_reversed(system: Any) -> None:
    """Without friction LFMiddle is reversible, if velocities are reversed for its own half kick."""
    assert walk_back(MoleculeEngine(*system, friction=0.0)) < 1e-5

    class Negated(MoleculeEngine):
        """Wrong twin: as if the velocities belonged to the positions."""

        def revert(self, which: Mask) -> None:
            kind, self.kind = self.kind, "ghmc"
            super().revert(which)
            self.kind = kind

    assert walk_back(Negated(*system, friction=0.0)) > 1e-4


@pytest.mark.parametrize("kind", ["langevin", "ghmc"])
def test_a_molecule_stays_in_its_state(system: Any, kind: Any) -> None:
    engine = MoleculeEngine(*system, kind=kind)
    start = system[0].initial()
    phi = float(engine.cvs(start.positions)[0, 0])
    part = Partition.from_boxes({"near": {"phi": (phi - 0.15, phi + 0.15)}}, ["phi", "psi"], G2)
    rng = np.random.default_rng(82)
    engine.begin(rng)
    plain = Ladder.plain(Conditional(np.array([60.0, 60.0]), G2))
    walkers = Walkers(np.repeat(start.positions, 2, axis=0))
    local = Tempered(engine, walkers, plain, part, np.zeros(2, int), rng)
    visits = local.run(30, 25)
    assert 2 < visits.reverted < 55
    assert (np.abs(visits.xi[:, :, 0] - phi) <= 0.15).all()
    assert np.allclose(engine.cvs(engine.walkers().positions), visits.xi[-1], atol=1e-6)
    assert not (visits.xi[1:] == visits.xi[:-1]).all()


def test_drawn_velocities_belong_to_the_positions(system: Any) -> None:
    """LFMiddle's stand half a kick behind: with the kick they have the mean of a drawn velocity."""
    molecule, cvs = system
    engine = MoleculeEngine(molecule, cvs, timestep=0.004)
    engine.begin(np.random.default_rng(83))
    start = molecule.initial()
    n = 400
    engine.load(Walkers(np.repeat(start.positions, n, axis=0)))
    v = engine.walkers().velocities
    assert v is not None
    kick = 0.5 * 0.004 * molecule.energy_and_force(start)[1][0] / molecule.masses
    # work of the half kick on the velocities: zero on average once it is added, not before
    unit = kick * molecule.masses / np.sqrt((kick**2 * molecule.masses).sum() * molecule.kT)
    assert abs(((v + kick) @ unit).mean()) < RIGHT / np.sqrt(n)
    assert abs((v @ unit).mean()) > WRONG / np.sqrt(n)
