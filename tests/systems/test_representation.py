"""Coordinates of molecules: there and back, exact volumes, and the hand a molecule has."""

from __future__ import annotations

from typing import Any

import mdtraj
import numpy as np
import pytest
import torch
from alanine_molecule import AMBER14_OBC2
from mdtraj.core.element import carbon, hydrogen
from numpy.typing import NDArray
from places import CONFIGS
from sections import build_system

from msgen.systems.base import Array
from msgen.systems.coordinates.alignment import Aligned, superposed
from msgen.systems.coordinates.internal_coordinates import InternalCoordinates, rotations
from msgen.systems.coordinates.representation import build_representation
from msgen.systems.coordinates.z_matrix import ZMatrix
from msgen.systems.errors import SpecError
from msgen.systems.topology.rotatable_torsions import torsion_angles
from msgen.systems.topology.stereochemistry import StereoWatch

PHI_PSI = np.array([[4, 6, 8, 14], [6, 8, 14, 16]])


@pytest.fixture(scope="module")
def molecule() -> Any:
    return build_system(AMBER14_OBC2, CONFIGS)


@pytest.fixture(scope="module")
def start(molecule: Any) -> Array:
    return np.array(molecule.initial().positions[0])


@pytest.fixture(scope="module")
def shaken(start: Array) -> Array:
    """50 structures 0.02 nm off in every coordinate, moved and turned as a whole."""
    rng = np.random.default_rng(11)
    x = start + 0.02 * rng.standard_normal((50, start.size))
    return moved(x, rng)


def moved(x: Array, rng: np.random.Generator) -> Array:
    turned = np.einsum("nij,naj->nai", rotations(len(x), rng), x.reshape(len(x), -1, 3))
    return (turned + rng.standard_normal((len(x), 1, 3))).reshape(len(x), -1)


def mirrored(x: Array) -> Array:
    return x * np.tile([1.0, 1.0, -1.0], x.shape[1] // 3)


def distances(x: Array) -> Array:
    p = x.reshape(len(x), -1, 3)
    return np.asarray(np.linalg.norm(p[:, :, None] - p[:, None], axis=3))


def test_internal_coordinates_lead_back_to_the_structure(
    molecule: Any, start: Array, shaken: Array
) -> None:
    internal = InternalCoordinates(molecule.topology, start)
    y = internal.encode(shaken)
    assert y.shape == (50, internal.dim) == (50, 60)
    back = internal.decode(y, np.random.default_rng(12))
    np.testing.assert_allclose(distances(back), distances(shaken), atol=1e-9)
    laid = superposed(back.reshape(50, -1, 3)[:1], shaken.reshape(50, -1, 3)[0])
    centred = shaken.reshape(50, -1, 3)[0] - shaken.reshape(50, -1, 3)[0].mean(axis=0)
    np.testing.assert_allclose(laid[0], centred, atol=1e-9)
    np.testing.assert_allclose(internal.encode(back), y, atol=1e-9)
    # the backbone torsions are among them, and told with their own sign
    angles = torsion_angles(shaken, PHI_PSI)
    turning = y[:, np.array(internal.periodic)]
    assert np.abs(turning[:, :2] - angles).max() < 1e-9


def test_the_volume_is_that_of_the_map_itself(molecule: Any, start: Array, shaken: Array) -> None:
    """Against the determinant of ∂x/∂(y, t, ω) by automatic differentiation."""
    internal = InternalCoordinates(molecule.topology, start)
    y = internal.encode(shaken[:3])

    def whole(v: torch.Tensor) -> torch.Tensor:
        x = internal.standing(v[None, :60])[0]
        omega = v[63:]
        # to first order in ω, which is all that a derivative at ω = 0 sees
        return (x + v[60:63] + torch.linalg.cross(omega.expand_as(x), x)).reshape(-1)

    by_hand = []
    for row in y:
        v = torch.cat([torch.as_tensor(row), torch.zeros(6, dtype=torch.float64)])
        jacobian = torch.autograd.functional.jacobian(whole, v)
        by_hand.append(float(torch.linalg.slogdet(jacobian)[1]))
    np.testing.assert_allclose(internal.log_det(y), by_hand, atol=1e-8)
    # wrong twin: without the angles' share
    n = molecule.topology.n_atoms
    twin = 2 * np.log(y[:, : n - 1]).sum(axis=1)
    assert np.abs(twin - by_hand).min() > 1.0


def test_coordinates_of_no_molecule_have_no_volume(molecule: Any, start: Array) -> None:
    internal = InternalCoordinates(molecule.topology, start)
    y = np.repeat(internal.encode(start[None]), 3, axis=0)
    y[1, 0], y[2, 25] = -0.1, 3.2
    assert np.isfinite(internal.log_det(y)).tolist() == [True, False, False]


def test_one_torsion_turns_the_whole_group(molecule: Any, start: Array) -> None:
    internal = InternalCoordinates(molecule.topology, start)
    y = np.repeat(internal.encode(start[None]), 2, axis=0)
    psi = np.flatnonzero(internal.periodic)[1]
    y[1, psi] += 1.0
    x = internal.decode(y, np.random.default_rng(13))
    angle = torsion_angles(x, PHI_PSI)
    np.testing.assert_allclose(angle[1] - angle[0], [0.0, 1.0], atol=1e-9)
    # the carbonyl oxygen goes with the nitrogen: every bond and 1–3 distance stays
    d = distances(x)
    near = np.zeros((22, 22), dtype=bool)
    for a, b in molecule.topology.bonds:
        near[a.index, b.index] = near[b.index, a.index] = True
    close = near | (near.astype(int) @ near.astype(int) > 0)
    np.testing.assert_allclose(d[1][close], d[0][close], atol=1e-9)
    assert np.abs(d[1] - d[0]).max() > 0.05


def test_hands_are_told_apart_and_kept(molecule: Any, start: Array, shaken: Array) -> None:
    watch = StereoWatch(molecule.topology, start)
    both = np.concatenate([shaken[:5], mirrored(shaken[:5])])
    flipped = [bool(f) for f in watch.names_flipped(both)]
    assert flipped == [False] * 5 + [True] * 5
    for kind in ("internal", "aligned", "aligned_heavy"):
        turn = build_representation(kind, start.size, molecule.topology, start)
        y = turn.encode(both)
        assert np.abs(y[:5] - y[5:]).max(axis=1).min() > 0.02
        if kind != "aligned_heavy":
            back = turn.decode(y, np.random.default_rng(14))
            assert [bool(f) for f in watch.names_flipped(back)] == flipped


def test_several_molecules_are_laid_on_a_reference(molecule: Any, start: Array) -> None:
    two = molecule.topology.join(molecule.topology)
    apart = np.concatenate([start, start + 1.0])
    turn = build_representation("auto", apart.size, two, apart)
    moved = apart.reshape(1, -1, 3)[..., [1, 2, 0]].reshape(1, -1) + 0.3
    seen = turn.encode(np.concatenate([apart[None], moved]))
    np.testing.assert_allclose(seen[1], seen[0], atol=1e-9)
    back = turn.decode(seen[:1], np.random.default_rng(3))
    np.testing.assert_allclose(turn.encode(back), seen[:1], atol=1e-9)
    with pytest.raises(SpecError, match="do not join its atoms to one molecule"):
        build_representation("internal", apart.size, two, apart)
    one = build_representation("auto", start.size, molecule.topology, start)
    assert isinstance(one, InternalCoordinates)
    assert isinstance(turn, Aligned)


def test_only_turning_torsions_are_periodic(molecule: Any, start: Array) -> None:
    # about as much as at 300 K
    shaken = start + 0.004 * np.random.default_rng(22).standard_normal((50, start.size))
    internal = InternalCoordinates(molecule.topology, start)
    # φ, ψ, two ω and three methyl groups
    assert sum(internal.periodic) == 7
    y = internal.encode(shaken)
    stiff = ~np.array(internal.periodic)
    stiff[: 2 * 22 - 3] = False
    assert np.abs(y[:, stiff]).max() < 1.0
    # without the reference's offset they sit at ±2π/3 and at the seam
    raw = internal.table.measure(torch.as_tensor(shaken.reshape(50, -1, 3)))[2].numpy()
    assert np.abs(raw[:, stiff[2 * 22 - 3 :]]).max() > 3.0


def test_alignment_takes_rigid_motion_away(molecule: Any, start: Array, shaken: Array) -> None:
    again = moved(shaken, np.random.default_rng(15))
    for atoms in ("all", "heavy"):
        aligned = Aligned(molecule.topology, start, atoms)
        y = aligned.encode(shaken)
        np.testing.assert_allclose(aligned.encode(again), y, atol=1e-9)
        assert y.shape == (50, aligned.dim)
        assert sum(aligned.periodic) == 0
    everything = Aligned(molecule.topology, start)
    back = everything.decode(everything.encode(shaken), np.random.default_rng(16))
    np.testing.assert_allclose(distances(back), distances(shaken), atol=1e-9)


def test_alignment_is_the_best_there_is(start: Array, shaken: Array) -> None:
    reference, x = start.reshape(-1, 3), shaken.reshape(50, -1, 3)
    laid = superposed(x, reference)
    target = reference - reference.mean(axis=0)
    best = ((laid - target) ** 2).sum(axis=(1, 2))
    for axis in np.eye(3):
        for sign in (-0.01, 0.01):
            turned = laid + sign * np.cross(axis, laid)
            assert (((turned - target) ** 2).sum(axis=(1, 2)) > best).all()
    # wrong twin: a reflection would lie better on a mirror image, and is not taken
    other = superposed(mirrored(shaken).reshape(50, -1, 3), reference)
    assert (((other - target) ** 2).sum(axis=(1, 2)) > 10 * best).all()


def test_hydrogens_come_back_where_the_reference_has_them(
    molecule: Any, start: Array, shaken: Array
) -> None:
    heavy = Aligned(molecule.topology, start, "heavy")
    assert heavy.dim == 30
    same = heavy.decode(heavy.encode(start[None]), np.random.default_rng(17))
    np.testing.assert_allclose(distances(same), distances(start[None]), atol=1e-9)
    x = heavy.decode(heavy.encode(shaken), np.random.default_rng(18))
    internal = InternalCoordinates(molecule.topology, start)
    y, y0 = internal.encode(x), internal.encode(start[None])
    hydrogens = np.flatnonzero([molecule.topology.atom(int(i)).element.number == 1
                                for i in internal.table.atom])  # fmt: skip
    np.testing.assert_allclose(y[:, hydrogens - 1], y0[:, hydrogens - 1].repeat(50, 0), atol=1e-9)
    kept: NDArray[np.intp] = np.array(
        [a.index for a in molecule.topology.atoms if a.element.number > 1]
    )
    d = distances(x)[:, kept[:, None], kept]
    np.testing.assert_allclose(d, distances(shaken)[:, kept[:, None], kept], atol=1e-9)


def test_orientations_are_uniform() -> None:
    turn = rotations(40_000, np.random.default_rng(19))
    np.testing.assert_allclose(np.linalg.det(turn), 1.0, atol=1e-12)
    # every entry of a uniform rotation has mean 0 and variance 1/3
    error = 1 / np.sqrt(3 * 40_000)
    assert np.abs(turn.mean(axis=0)).max() < 4.5 * error
    assert np.abs((turn**2).mean(axis=0) - 1 / 3).max() < 4.5 * np.sqrt(4 / 45 / 40_000)


def test_what_is_not_one_molecule_is_refused(molecule: Any, start: Array) -> None:
    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    atoms = [topology.add_atom(f"C{i}", carbon, residue) for i in range(4)]
    topology.add_bond(atoms[0], atoms[1])
    topology.add_bond(atoms[2], atoms[3])
    with pytest.raises(SpecError, match="one molecule"):
        ZMatrix.of(topology)
    site = topology.add_atom("M", mdtraj.element.virtual, residue)
    for atom in (atoms[1], atoms[2]):
        topology.add_bond(atom, atoms[0])
    topology.add_bond(atoms[0], site)
    with pytest.raises(SpecError, match="virtual sites"):
        ZMatrix.of(topology)
    with pytest.raises(SpecError, match="no coordinates"):
        build_representation("polar", start.size, molecule.topology, start)
    with pytest.raises(SpecError, match="of a molecule"):
        build_representation("internal", 2)


def test_rings_and_small_molecules_have_a_table() -> None:
    topology = mdtraj.Topology()
    residue = topology.add_residue("RNG", topology.add_chain())
    ring = [topology.add_atom(f"C{i}", carbon, residue) for i in range(6)]
    for i, atom in enumerate(ring):
        topology.add_bond(atom, ring[(i + 1) % 6])
        topology.add_bond(atom, topology.add_atom(f"H{i}", hydrogen, residue))
    x = np.random.default_rng(20).standard_normal((4, 36))
    internal = InternalCoordinates(topology, x[0])
    back = internal.decode(internal.encode(x), np.random.default_rng(21))
    np.testing.assert_allclose(distances(back), distances(x), atol=1e-6)
