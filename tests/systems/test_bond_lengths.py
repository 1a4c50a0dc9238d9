"""Positions that cannot be those of a topology's atoms, and what is no reason to say so."""

from __future__ import annotations

from pathlib import Path

import mdtraj
import numpy as np
import pytest
from alanine_molecule import molecule
from places import CONFIGS

from msgen.orchestrator.strategies.umbrella import rules
from msgen.orchestrator.strategies.umbrella.schema import Umbrella
from msgen.systems.base import Array
from msgen.systems.topology.bond_lengths import BondLengths, torn_bonds

START = mdtraj.load(str(CONFIGS / "alanine_dipeptide.pdb"))
POSITIONS: Array = np.asarray(START.xyz[0], dtype=np.float64)


def frames(n: int = 20) -> Array:
    noise = 0.004 * np.random.default_rng(11).normal(size=(n, *POSITIONS.shape))
    return (POSITIONS + noise).reshape(n, -1)


def test_the_molecule_itself_is_possible() -> None:
    lengths = BondLengths.of(START.topology)
    assert len(lengths.pairs) == START.topology.n_bonds
    assert lengths.never(frames()) is None
    assert lengths.never(POSITIONS.reshape(1, -1)) is None


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(np.arange(22)[::-1], id="reversed"),
        pytest.param(np.r_[1, 0, 2:22], id="a hydrogen and the carbon beside it"),
        pytest.param(np.r_[0:8, 9, 8, 10:22], id="alpha carbon and its hydrogen"),
        pytest.param(np.r_[0:6, 8, 7, 6, 9:22], id="nitrogen and alpha carbon"),
    ],
)
def test_atoms_in_another_order_are_told(order: Array) -> None:
    x = frames().reshape(20, 22, 3)[:, order].reshape(20, -1)
    told = BondLengths.of(START.topology).never(x)
    assert told is not None
    assert "bonded" in told


def test_another_unit_is_told() -> None:
    assert BondLengths.of(START.topology).never(10.0 * frames()) is not None


def test_a_file_to_learn_from_is_held_to_the_systems_atoms(tmp_path: Path) -> None:
    """What a campaign of umbrella windows is given, which holds no names either."""
    system, x = molecule()[0], frames()
    strategy = Umbrella.model_validate(
        {"kind": "umbrella", "windows": {"phi": 3}, "training": {"file": "x.npz"}}
    )
    assert torn_bonds(system, x) is None
    np.savez(tmp_path / "x.npz", positions=x)
    assert rules._file(strategy, tmp_path, system) == []
    np.savez(tmp_path / "x.npz", positions=10.0 * x)
    (told,) = rules._file(strategy, tmp_path, system)
    assert "unit" in told.problem
    assert "in nm" in told.remedy


def test_a_bond_that_is_broken_in_some_frames_is_no_other_order() -> None:
    x = frames().reshape(20, 22, 3)
    x[:19, 0] += 0.2
    assert BondLengths.of(START.topology).never(x.reshape(20, -1)) is None
    assert BondLengths.of(START.topology).never(x[:19].reshape(19, -1)) is not None


def test_a_gap_in_a_chain_that_is_known_says_nothing() -> None:
    apart = POSITIONS.copy()
    apart[6:] += 2.0  # the peptide bond after ACE is none
    assert BondLengths.of(START.topology).never(apart.reshape(1, -1)) is not None
    known = BondLengths.of(START.topology, apart)
    assert len(known.pairs) == START.topology.n_bonds - 1
    assert known.never(apart.reshape(1, -1)) is None
    assert known.never(np.roll(apart, 1, axis=0).reshape(1, -1)) is not None


def test_hydrogens_of_a_rigid_water_and_beads_are_not_asked() -> None:
    topology = mdtraj.Topology()
    residue = topology.add_residue("HOH", topology.add_chain())
    h = mdtraj.element.hydrogen
    atoms = [topology.add_atom(n, e, residue) for n, e in (("H1", h), ("H2", h), ("X", None))]
    topology.add_bond(atoms[0], atoms[1])
    topology.add_bond(atoms[0], atoms[2])
    assert BondLengths.of(topology).never(np.zeros((1, 9))) is None
