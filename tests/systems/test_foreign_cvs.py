"""Every CV on molecules of others: torch, OpenMM and finite differences agree, in a box as well.

In villin's headpiece with some of its water, in an oblique box; the host and guest of openmmtools
where its archive has been fetched (`make bench NAME=systems`).
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest
import torch
from foreign_atoms import Atoms, host_and_guest, villin
from openmm_runs import Restraint
from sections import build_cvs
from single_force import openmm_values

from msgen.systems import CVSet, SpecError
from msgen.systems.base import CV, Array
from msgen.systems.cvs.centroids import CentroidDistance, Group
from msgen.systems.cvs.contacts import ContactMap, NativeContacts
from msgen.systems.cvs.openmm_forces import can_express, restraint_force, value_force
from msgen.systems.cvs.single_frame import single
from msgen.systems.cvs.superposition import RMSD, PathCV
from msgen.systems.cvs.torch_cvs import PythonCV
from msgen.systems.cvs.trial import complaints
from msgen.systems.openmm.own_names import centre, stiffness

PHE = [f"PHE6:{name}" for name in ("CG", "CD1", "CE1", "CZ", "CE2", "CD2")]
PROLINE = [f"PRO21:{name}" for name in ("N", "CA", "CB", "CG", "CD")]
WATER = ["resSeq 38 and water", "resSeq 39 and water", "resSeq 40 and water"]
HELIX = "resSeq 10 to 16 and name CA C N"
PSI = {"kind": "dihedral", "atoms": ["PHE6:N", "PHE6:CA", "PHE6:C", "LYS7:N"]}
APART = {"kind": "distance", "groups": [HELIX, WATER[0]]}

IN_A_BOX: dict[str, dict[str, Any]] = {
    "apart": APART,
    "two": {"kind": "distance", "atoms": ["HOH38:O", "PHE6:CZ"]},
    "bend": {"kind": "angle", "groups": [WATER[0], "protein and resSeq 6", WATER[1]]},
    "turn": {"kind": "dihedral", "groups": [WATER[0], HELIX, "resname PRO", WATER[1]]},
    "water": {"kind": "coordination", "groups": ["water and name O", "resSeq 5 and name OD1 OD2"],
              "r0": 1.4},
    "odd": {"kind": "coordination", "groups": ["water and name O", PHE], "r0": 0.6, "n": 4, "m": 9},
    "map": {"kind": "contact_map", "r0": 1.5, "contacts": [
        {"atoms": ["HOH38:O", "PHE6:CZ"]},
        {"atoms": ["HOH39:O", "PHE6:CZ"], "r0": "1.7 nm", "weight": -0.4},
        {"atoms": ["PHE6:CA", "PHE10:CA"], "weight": 2.0}]},
    "between": {"kind": "native_contacts", "groups": ["water and name O", "protein"],
                "cutoff": 0.6, "tolerance": 1.2, "width": 0.05},
    "formula": {"kind": "function", "expression": "sqrt(a^2 + 0.1) - 0.2*cos(t)*exp(-a)",
                "of": {"a": APART, "t": PSI}},
    "own": {"kind": "python", "factory": "mine:spread", "atoms": ["PHE6:CA", "PHE10:CA", 3]},
}  # fmt: skip
WITHIN: dict[str, dict[str, Any]] = {
    "helices": {"kind": "distance", "groups": [HELIX, "resSeq 23 to 30 and name CA"]},
    "fold": {"kind": "native_contacts", "atoms": "protein and name CA", "cutoff": 0.8,
             "tolerance": 1.2},
    "flip": {"kind": "rmsd", "atoms": [*PHE, "PHE6:CA", "PHE6:N"],
             "symmetric": [[PHE[1:3], [PHE[5], PHE[4]]]]},
    "s": {"kind": "path", "structures": "path.pdb", "atoms": HELIX},
    "z": {"kind": "path", "structures": "path.pdb", "atoms": HELIX, "along": "z"},
    "ring5": {"kind": "ring_pucker", "atoms": PROLINE},
    "phase5": {"kind": "ring_pucker", "atoms": PROLINE, "coordinate": "phase"},
    "ring6": {"kind": "ring_pucker", "atoms": PHE},
    "theta": {"kind": "ring_pucker", "atoms": PHE, "coordinate": "theta"},
    "phase6": {"kind": "ring_pucker", "atoms": PHE, "coordinate": "phase"},
    "qz": {"kind": "ring_pucker", "atoms": PHE, "coordinate": "qz"},
    "angles": {"kind": "function", "expression": "t - 2*p", "periodic": True,
               "of": {"t": PSI, "p": {"kind": "ring_pucker", "atoms": PROLINE,
                                      "coordinate": "phase"}}},
}  # fmt: skip
SPEC = {**IN_A_BOX, **WITHIN}
MINE = """
def spread():
    return lambda x: (x.reshape(len(x), -1, 3) ** 2).sum((1, 2)).sqrt()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path of structures, and a function of one's own."""
    out = tmp_path_factory.mktemp("villin")
    (out / "mine.py").write_text(MINE)
    system = villin()
    rng = np.random.default_rng(0)
    way = rng.normal(size=system.positions.shape)
    path = system.positions + 0.03 * np.arange(-2, 4)[:, None, None] * way
    mdtraj.Trajectory(path, system.topology).save_pdb(str(out / "path.pdb"))
    return out


@pytest.fixture(scope="module")
def cvs(folder: Path) -> CVSet:
    return build_cvs(SPEC, villin(), folder)


def distorted(system: Atoms, n: int = 4, size: float = 0.02) -> Array:
    """Places about the structure, shape (n, D)."""
    rng = np.random.default_rng(3)
    return np.asarray(system.initial().positions + size * rng.normal(size=(n, system.n_dof)))


def one(cvs: CVSet, name: str) -> CV:
    return cvs.cvs[cvs.names.index(name)]


@pytest.mark.parametrize("name", SPEC)
def test_torch_openmm_and_differences_agree_on_villin(name: str, cvs: CVSet) -> None:
    cv, frames, system = one(cvs, name), distorted(villin()), villin()
    alone = CVSet((cv,))
    value, gradient = alone.value_and_gradient(frames)
    assert can_express(cv)
    u, f = openmm_values(value_force(cv), frames, system.box)
    np.testing.assert_allclose(value[:, 0], u, atol=1e-5, rtol=0)
    np.testing.assert_allclose(gradient[:, 0], -f, atol=1e-5, rtol=1e-5)
    way = np.random.default_rng(0).normal(size=frames.shape)
    h = 1e-6
    numeric = (alone(frames + h * way) - alone(frames - h * way))[:, 0]
    if cv.periodic:
        numeric -= 2 * np.pi * np.round(numeric / (2 * np.pi))
    np.testing.assert_allclose(
        (gradient[:, 0] * way).sum(1), numeric / (2 * h), atol=2e-5, rtol=2e-5
    )
    fast = [single(cv)(x.reshape(-1, 3)) for x in frames]
    np.testing.assert_allclose(fast, value[:, 0], atol=1e-12)
    assert np.isnan(alone(np.full((1, system.n_dof), np.nan))).all()


@pytest.mark.parametrize("name", SPEC)
def test_restraints_have_the_energy_that_they_say(name: str, cvs: CVSet) -> None:
    cv, frames = one(cvs, name), distorted(villin(), 2)
    xi = CVSet((cv,))(frames)
    kT, kappa, lam = 2.5, 30.0, float(xi[0, 0]) - 0.1
    given = {centre(0): lam, stiffness(0): kappa}
    u, _ = openmm_values(restraint_force(cv, 0, kT), frames, villin().box, **given)
    restraint = Restraint(np.array([lam]), np.array([kappa]))
    expected = kT * restraint.energy_kT(xi, np.array([cv.periodic]))
    np.testing.assert_allclose(u, expected, atol=1e-4)


def carried(system: Atoms, x: Array) -> Array:
    """Each molecule moved by whole vectors of the box."""
    assert system.box is not None
    rng = np.random.default_rng(7)
    out = x.reshape(len(x), -1, 3).copy()
    for molecule in system.topology.find_molecules():
        atoms = [a.index for a in molecule]
        out[:, atoms] += rng.integers(-2, 3, size=3) @ system.box
    return np.asarray(out.reshape(len(x), -1))


@pytest.mark.parametrize("name", [n for n in SPEC if n != "own"])
def test_another_image_of_a_molecule_changes_nothing(name: str, cvs: CVSet) -> None:
    """Twin: the same CV without its box, where it has one."""
    cv, system = one(cvs, name), villin()
    frames = distorted(system)
    moved = carried(system, frames)
    here, there = CVSet((cv,))(frames), CVSet((cv,))(moved)
    np.testing.assert_allclose(there, here, atol=1e-9)
    u, f = openmm_values(value_force(cv), moved, system.box)
    np.testing.assert_allclose(u, here[:, 0], atol=1e-5)
    np.testing.assert_allclose(-f, CVSet((cv,)).value_and_gradient(frames)[1][:, 0], atol=1e-5)
    if name in IN_A_BOX and getattr(cv, "box", None) is not None:
        blind = CVSet((build_cvs({name: SPEC[name]}, in_vacuum(system), Path()).cvs[0],))
        assert np.abs(blind(moved) - blind(frames)).max() > 1e-2


def in_vacuum(system: Atoms) -> Atoms:
    return Atoms(system.topology, system.positions, None)


def test_distances_are_those_that_mdtraj_measures(cvs: CVSet) -> None:
    """Of two atoms, of centres of mass, and as sums over contacts; images included."""
    system = villin()
    x = carried(system, distorted(system))
    frames = mdtraj.Trajectory(x.reshape(len(x), -1, 3), system.topology)
    assert system.box is not None
    frames.unitcell_vectors = np.repeat(system.box[None], len(x), axis=0)
    select = system.topology.select

    def measured(pairs: list[tuple[int, int]]) -> Array:
        return np.asarray(mdtraj.compute_distances(frames, pairs, periodic=True), dtype=float)

    o, cz = select("resSeq 38 and water and name O"), select("resSeq 6 and name CZ")
    two = measured([(int(o[0]), int(cz[0]))])[:, 0]
    np.testing.assert_allclose(CVSet((one(cvs, "two"),))(x)[:, 0], two, atol=1e-5)
    pairs = [(i, j) for i in select("water and name O")
             for j in select("protein and resSeq 5 and name OD1 OD2")]  # fmt: skip
    # far pairs count little: beyond half a width mdtraj looks for a nearer image than OpenMM does
    sums = (1 / (1 + (measured(pairs) / 0.4) ** 6)).sum(1)
    water = build_cvs({"water": {**SPEC["water"], "r0": 0.4}}, system, Path())
    np.testing.assert_allclose(water(x)[:, 0], sums, atol=2e-3)
    centres = [
        mdtraj.compute_center_of_mass(frames.atom_slice(select(s))) for s in (HELIX, WATER[0])
    ]
    d = centres[1] - centres[0]
    turns = d @ np.linalg.inv(system.box)
    images = (turns - np.round(turns)) @ system.box
    near = np.linalg.norm(images, axis=1)
    np.testing.assert_allclose(CVSet((one(cvs, "apart"),))(x)[:, 0], near, atol=1e-5)


def test_a_contact_map_weighs_its_contacts(cvs: CVSet) -> None:
    """By distances that mdtraj measures; one of the weights is negative."""
    system = villin()
    x = distorted(system)
    frames = mdtraj.Trajectory(x.reshape(len(x), -1, 3), system.topology)
    assert system.box is not None
    frames.unitcell_vectors = np.repeat(system.box[None], len(x), axis=0)
    cv = one(cvs, "map")
    assert isinstance(cv, ContactMap)
    r = np.asarray(mdtraj.compute_distances(frames, cv.pairs, periodic=True), dtype=float)
    q = r / [1.5, 1.7, 1.5]
    expected = ((1 - q**6) / (1 - q**12)) @ [1.0, -0.4, 2.0]
    np.testing.assert_allclose(CVSet((cv,))(x)[:, 0], expected, atol=1e-4)


@pytest.mark.parametrize(("half", "right"), [(0.5, True), (0.4, False)])
def test_the_nearest_image_of_two_atoms_anywhere(half: float, right: bool) -> None:
    """Of all neighbours, wherever it is within half of the least width; as one configuration, too.

    Twin: a border that lies elsewhere.
    """
    box = np.array([[3.0, 0, 0], [1.0, 2.8, 0], [-0.9, 1.2, 2.4]])
    cv = CentroidDistance("d", (Group((0,), (1.0,)), Group((1,), (1.0,))), box)
    rng = np.random.default_rng(6)
    x = np.concatenate([np.zeros((2000, 1, 3)), rng.uniform(-2, 2, (2000, 1, 3)) @ box], axis=1)
    taken = CVSet((cv,))(x.reshape(len(x), -1))[:, 0]
    np.testing.assert_allclose([single(cv)(one) for one in x], taken, atol=1e-12)
    turns = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), -1).reshape(-1, 3)
    least = np.linalg.norm(x[:, 1, None] + turns @ box, axis=2).min(1)
    near = least < cv.reach
    assert cv.reach == 1.2
    assert near.sum() > 300
    if not right:
        shifted = x[:, 1].copy()
        for k in (2, 1, 0):
            shifted -= np.floor(shifted[:, k : k + 1] / box[k, k] + half) * box[k]
        taken = np.linalg.norm(shifted, axis=1)
    assert np.allclose(taken[near], least[near]) == right


def test_native_contacts_are_those_of_their_authors(cvs: CVSet) -> None:
    """Q of Best, Hummer and Eaton, worked out by mdtraj's distances."""
    cv, system = one(cvs, "fold"), villin()
    assert isinstance(cv, NativeContacts)
    x = distorted(system, size=0.1)
    frames = mdtraj.Trajectory(
        np.concatenate([system.initial().positions, x]).reshape(5, -1, 3), system.topology
    )
    ca = system.topology.select("protein and name CA")
    number = {a: system.topology.atom(a).residue.index for a in ca}
    pairs = [(i, j) for i in ca for j in ca if number[j] - number[i] > 3]
    r = np.asarray(mdtraj.compute_distances(frames, pairs, periodic=False), dtype=float)
    native = r[0] < 0.8
    q = (1 / (1 + np.exp(50.0 * (r[1:, native] - 1.2 * r[0, native])))).mean(1)
    assert native.sum() > 10
    np.testing.assert_allclose(CVSet((cv,))(x)[:, 0], q, atol=1e-4)
    assert q.max() - q.min() > 0.01
    # broken contacts far away: OpenMM's derivative of 1/(1 + exp) would be inf/inf
    far = system.positions * 40.0
    u, f = openmm_values(value_force(cv), far.reshape(1, -1), system.box)
    assert u[0] == pytest.approx(0.0, abs=1e-12)
    assert np.isfinite(f).all()


def test_a_ring_that_has_flipped_is_the_same_to_a_symmetric_rmsd(cvs: CVSet, folder: Path) -> None:
    system = villin()
    x = system.positions.copy()
    flip = one(cvs, "flip")
    assert isinstance(flip, RMSD)
    atoms = [flip.atoms[k] for k in (1, 2, 5, 4)]
    x[atoms] = x[[atoms[2], atoms[3], atoms[0], atoms[1]]]
    section = {"kind": "rmsd", "atoms": SPEC["flip"]["atoms"]}
    plain = build_cvs({"r": section}, system, folder)
    assert plain(x.reshape(1, -1))[0, 0] > 0.05
    assert CVSet((one(cvs, "flip"),))(x.reshape(1, -1))[0, 0] < 1e-6
    # half of the exchange is none
    half = system.positions.copy()
    half[atoms[:1] + atoms[2:3]] = half[atoms[2:3] + atoms[:1]]
    assert CVSet((one(cvs, "flip"),))(half.reshape(1, -1))[0, 0] > 0.05


def test_three_like_atoms_have_six_orders(folder: Path) -> None:
    """A protonated amine; the least of all orders, by hand."""
    system = villin()
    three = ["LYS7:HZ1", "LYS7:HZ2", "LYS7:HZ3"]
    atoms = ["LYS7:CD", "LYS7:CE", "LYS7:NZ", *three]
    like = {"r": {"kind": "rmsd", "atoms": atoms, "symmetric": [three]}}
    found = build_cvs(like, system, folder)
    x = distorted(system, 3, 0.05)
    (cv,) = found.cvs
    assert isinstance(cv, RMSD)
    rows = cv.atoms
    least = np.full(3, np.inf)
    for order in permutations(range(3)):
        swapped = x.reshape(3, -1, 3).copy()
        swapped[:, rows[3:]] = swapped[:, [rows[3 + k] for k in order]]
        plain = build_cvs({"r": {"kind": "rmsd", "atoms": atoms}}, system, folder)
        least = np.minimum(least, plain(swapped.reshape(3, -1))[:, 0])
    np.testing.assert_allclose(found(x)[:, 0], least, atol=1e-9)


def test_a_path_counts_its_structures(cvs: CVSet, folder: Path) -> None:
    """At structure k the progress is k but for its neighbours' tenth, and z is near nothing."""
    s, z = one(cvs, "s"), one(cvs, "z")
    assert isinstance(s, PathCV)
    x = mdtraj.load(str(folder / "path.pdb")).xyz.astype(np.float64).reshape(6, -1)
    d2 = np.array([[by_svd(a, b, s.atoms) for b in x] for a in x]) ** 2
    neighbours = d2.diagonal(1)
    assert s.rate == pytest.approx(2.3 / neighbours.mean(), rel=1e-6)
    w = np.exp(-s.rate * d2)
    expected = (w * np.arange(1, 7)).sum(1) / w.sum(1)
    np.testing.assert_allclose(CVSet((s,))(x)[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(expected[1:-1], [2, 3, 4, 5], atol=0.1)
    logs = -np.log(w.sum(1)) / s.rate
    np.testing.assert_allclose(CVSet((z,))(x)[:, 0], logs, atol=1e-7)


def by_svd(a: Array, b: Array, atoms: tuple[int, ...]) -> float:
    """RMSD by Kabsch's singular values."""
    p, q = (x.reshape(-1, 3)[list(atoms)] for x in (a, b))
    p, q = p - p.mean(0), q - q.mean(0)
    u, sigma, v = np.linalg.svd(p.T @ q)
    sigma[-1] *= np.sign(np.linalg.det(u @ v))
    return float(np.sqrt(max(0.0, ((p**2).sum() + (q**2).sum() - 2 * sigma.sum()) / len(p))))


def test_villins_cvs_are_sound_at_its_structure(folder: Path) -> None:
    """An RMSD has no gradient at its own reference, and a flat ring no phase."""
    sound = [n for n in SPEC if n not in ("flip", "s", "z", "theta", "phase6", "formula", "angles")]
    for name in sound:
        found = complaints(villin(), build_cvs({name: SPEC[name]}, villin(), folder))
        assert not found, (name, found)


@pytest.mark.skipif(host_and_guest() is None, reason="openmmtools' archive is not here")
def test_a_host_and_its_guest(folder: Path) -> None:
    """CB7 and B2: the distance of their centres, contacts, and the boat that B2's cage holds."""
    system = host_and_guest()
    assert system is not None
    host, guest = "resname CUC", "resname B2"
    spec: dict[str, dict[str, Any]] = {
        "apart": {"kind": "distance", "groups": [host, guest]},
        "tilt": {"kind": "angle", "groups": ["resname CUC and name O1 O2 O3 O4 O5 O6 O7", guest,
                                             "resname B2 and name O1"]},
        "contacts": {"kind": "coordination", "groups": [f"{host} and element O", guest],
                     "r0": 0.35},
        "theta": {"kind": "ring_pucker", "coordinate": "theta",
                  "atoms": [f"B2:{a}" for a in ("C3", "C2", "C1", "C4", "C5", "C6")]},
    }  # fmt: skip
    cvs = build_cvs(spec, system, folder)
    at = dict(zip(cvs.names, cvs(system.initial().positions)[0], strict=True))
    assert at["apart"] < 0.1  # the guest sits in the middle
    assert at["theta"] == pytest.approx(np.pi / 2, abs=0.1)  # a boat
    frames = carried(system, distorted(system))
    for cv in cvs.cvs:
        value, gradient = CVSet((cv,)).value_and_gradient(frames)
        u, f = openmm_values(value_force(cv), frames, system.box)
        np.testing.assert_allclose(value[:, 0], u, atol=1e-5)
        np.testing.assert_allclose(gradient[:, 0], -f, atol=1e-5, rtol=1e-5)


# what cannot be built

THRICE = {"kind": "path", "structures": ["path.pdb"] * 3, "atoms": HELIX}
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "distance", "groups": ["water", HELIX]}, "groups[0]", "different molecules"),
    ({"kind": "distance", "groups": [HELIX, HELIX]}, "groups", "a group twice"),
    ({"kind": "distance", "groups": ["resname XYZ", HELIX]}, "groups[0]", "matches no atom"),
    ({"kind": "ring_pucker", "atoms": PHE[::2] + PHE[1::2]}, "atoms", "is no ring"),
    ({"kind": "native_contacts", "groups": ["resSeq 6", "resSeq 7"]}, "groups", "no two residues"),
    ({"kind": "native_contacts", "cutoff": 0.1, "atoms": "name CA"}, "reference", "closer than"),
    ({"kind": "native_contacts", "reference": "no.pdb"}, "reference", "no such file"),
    ({"kind": "contact_map", "r0": 1.0, "contacts": [{"atoms": [0, 0]}]}, "contacts[0].atoms",
     "twice"),
    ({"kind": "rmsd", "atoms": PHE, "symmetric": [["PHE6:CG", "LYS7:CA"]]}, "symmetric[0]",
     "not among atoms"),
    ({"kind": "rmsd", "atoms": "resSeq 6", "symmetric": [["PHE6:CG", "PHE6:N"]]}, "symmetric[0]",
     "not alike"),
    ({"kind": "rmsd", "atoms": PHE, "symmetric": [PHE[:2], PHE[1:3]]}, "symmetric", "twice"),
    ({"kind": "rmsd", "atoms": PHE, "symmetric": [PHE[:5]]}, "symmetric", "120 orders"),
    ({"kind": "path", "structures": "one.pdb", "atoms": HELIX}, "structures", "hold 1 structure"),
    ({"kind": "path", "structures": ["one.pdb", "one.pdb"], "atoms": HELIX}, "structures",
     "do not differ"),
    ({"kind": "path", "structures": "far.pdb", "atoms": HELIX}, "structures",
     "far from the start"),
    ({"kind": "path", "structures": "no.pdb"}, "atoms", "different molecules"),
    ({"kind": "function", "expression": "t^2", "of": {"t": PSI}}, "expression", "jumps"),
    # an RMSD begins at 0, where no jump of its multiple is seen
    ({"kind": "function", "expression": "r*t",
      "of": {"r": {"kind": "rmsd", "atoms": PHE}, "t": PSI}}, "expression", "jumps"),
    ({"kind": "function", "expression": "a", "of": {"a": {"kind": "distance", "atoms": [0, 9999]}}},
     "of.a.atoms[1]", "no such atom"),
    ({"kind": "function", "expression": "a + b", "of": {"a": THRICE, "b": THRICE}}, "of",
     "take 36 forces"),
    ({"kind": "python", "factory": "mine:spread", "atoms": "name XX"}, "atoms", "matches no atom"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "where", "what"), REFUSED)
def test_what_villin_has_not_is_refused_by_name(
    section: dict[str, Any], where: str, what: str, folder: Path
) -> None:
    system = villin()
    moved = mdtraj.Trajectory(system.positions + 0.001, system.topology)
    moved.save_pdb(str(folder / "one.pdb"))
    noise = np.random.default_rng(1).normal(size=(1, *system.positions.shape))
    away = system.positions + np.concatenate([noise, noise + 0.01 * noise[:, ::-1]])
    mdtraj.Trajectory(away, system.topology).save_pdb(str(folder / "far.pdb"))
    with pytest.raises(SpecError) as caught:
        build_cvs({"a": section}, system, folder)
    assert caught.value.path == f"cvs.a.{where}"
    assert what in caught.value.problem
    assert caught.value.remedy


def test_centres_in_a_line_are_told(folder: Path) -> None:
    system = villin()
    x = system.positions.copy()
    rows = [system.topology.select(w) for w in WATER]
    for k, atoms in enumerate(rows):
        mass = system.masses[::3][atoms]
        x[atoms] += k * np.array([0.3, 0.1, 0.2]) - (mass @ x[atoms]) / mass.sum()
    straight = Atoms(system.topology, x, system.box)
    section = {"kind": "dihedral", "groups": [*WATER, HELIX]}
    (said,) = complaints(straight, build_cvs({"a": section}, straight, folder))
    assert "centres of groups 0, 1, 2 lie in a line" in said.problem


def test_what_torch_alone_knows_reaches_openmm(cvs: CVSet) -> None:
    """A function of one's own sees its atoms in its order, and nothing of the others."""
    cv, system = one(cvs, "own"), villin()
    x = distorted(system, 1)
    _, f = openmm_values(value_force(cv), x, system.box)
    assert isinstance(cv, PythonCV)
    assert cv.atoms is not None
    rows = list(cv.atoms)
    others = np.delete(np.arange(len(system.positions)), rows)
    assert not f.reshape(-1, 3)[others].any()
    p = torch.as_tensor(x.reshape(-1, 3)[rows])
    assert float(CVSet((cv,))(x)[0, 0]) == pytest.approx(float(p.norm()))
