"""A molecule's angles have one value, too: whole turns of a combination's offset change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from alanine_molecule import molecule
from turned_systems import apart, spelled

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.engines.openmm import MoleculeEngine
from msgen.systems.base import CVSet, Walkers
from msgen.systems.cvs.torch_cvs import Dihedral, LinearCombination
from msgen.systems.openmm.bias_force import Biased
from msgen.systems.openmm.bias_grid import BiasAxis, empty_bias


def torsions(turns: int) -> CVSet:
    atoms = ((4, 6, 8, 14), (6, 8, 14, 16))
    parts = tuple(Dihedral(n, a) for n, a in zip(("phi", "psi"), atoms, strict=True))
    offset = 0.3 + 2 * np.pi * turns
    sum_ = LinearCombination("sum", parts, (1.0, 1.0), offset)
    return CVSet((sum_, LinearCombination("twice", parts[:1], (2.0,), 2 * np.pi * turns)))


@pytest.mark.parametrize("scheme", ["extended", "moving"])
def test_molecules_do_not_know_of_turns(scheme: str) -> None:
    """Restrained steps, paths and their readings, on the platform that repeats itself.

    φ + ψ and 2φ with offsets of whole turns: −3 and 11 of them.
    """
    system, _ = molecule()
    g = Conditional(np.array([30.0, 20.0]), np.array([True, True]))
    schedule = Schedule(g, 0.001, 4.0, np.ones(2), min_steps=6, scheme=scheme, readings=4)
    seen = []
    for turns in (0, -3, 11):
        cvs = torsions(turns)
        engine = MoleculeEngine(system, cvs)
        engine.begin(np.random.default_rng(23))
        engine.set_local_restraint(g)
        first = engine.load(system.initial())
        xi = engine.chunk(np.array([[2.9, -3.0]]), np.array([True]), 20)
        stop = np.array([[-2.9, 2.0]])
        done = engine.switch(system.initial(), first, stop, schedule)
        assert all(spelled(told) for told in (first, xi, done.xi, done.profile_xi))
        seen.append((first, xi, done.xi, done.work, done.profile_xi, done.walkers.positions))
    for other in seen[1:]:
        assert all(apart(a, b) < 1e-5 for a, b in zip(seen[0], other, strict=True))


def test_hills_do_not_know_of_turns() -> None:
    """Metadynamics: the same bias, wherever the offset counts from; the walker crosses no seam."""
    system, _ = molecule()
    axes = tuple(BiasAxis(c, -np.pi, np.pi, 0.4, True) for c in range(2))
    added = []
    for turns in (0, -3, 11):
        biased = Biased(
            system, torsions(turns), axes, bias_factor=6.0, height=2.0, frequency=10,
            kind="langevin", timestep=0.002, friction=5.0,
        )  # fmt: skip
        biased.engine.reseed(5)
        biased.put(empty_bias(axes))
        biased.engine.load(Walkers(system.initial().positions, np.zeros((1, system.n_dof))))
        biased.step_and_add(60)
        added.append(biased.added)
    assert added[0].max() > 1.0
    assert all(apart(added[0], other) < 1e-4 for other in added[1:])
