"""CVs: torch against OpenMM, gradients, the fast single form, and atom selection."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from alanine_molecule import AMBER99SB, molecule
from openmm_runs import Restraint
from places import CONFIGS
from sections import build_cvs, build_system, refused
from single_force import openmm_values

from msgen.orchestrator.schema.problems import dotted
from msgen.systems import CVSet, SpecError
from msgen.systems.base import Array, System
from msgen.systems.cvs.openmm_forces import can_express, cv_terms, restraint_force, value_force
from msgen.systems.cvs.single_frame import single
from msgen.systems.cvs.torch_cvs import Coordinate, Distance, RadiusOfGyration
from msgen.systems.openmm.own_names import centre, stiffness
from msgen.systems.openmm.system import OpenMMSystem
from msgen.systems.topology.atom_selection import resolve_atom, resolve_atoms

PHI = {"kind": "dihedral", "atoms": ["ACE:C", "ALA:N", "ALA:CA", "ALA:C"]}
PSI = {"kind": "dihedral", "atoms": ["ALA:N", "ALA:CA", "ALA:C", "NME:N"]}
SPEC = {
    "phi": PHI,
    "psi": PSI,
    "angle": {"kind": "angle", "atoms": ["ALA:N", "ALA:CA", "ALA:C"]},
    "distance": {"kind": "distance", "atoms": [5, "NME:H"]},
    "rmsd": {"kind": "rmsd", "atoms": "element != H"},
    "rg": {"kind": "radius_of_gyration"},
    "contacts": {
        "kind": "coordination",
        "groups": ["name O", "element H and not resname ACE"],
        "r0": 0.25,
    },
    "contacts_odd": {
        "kind": "coordination",
        "groups": [["ACE:O"], "element H or name C"],
        "r0": 0.3,
        "n": 5,
        "m": 8,
    },
    "sum": {
        "kind": "linear_combination",
        "terms": [{"coefficient": 1, "cv": PHI}, {"coefficient": -2, "cv": PSI}],
        "offset": 0.5,
    },
    "mix": {
        "kind": "linear_combination",
        "terms": [
            {"coefficient": 0.5, "cv": {"kind": "distance", "atoms": [1, 8]}},
            {"coefficient": 2.5, "cv": {"kind": "radius_of_gyration", "atoms": "resname ALA"}},
        ],
    },
}


@pytest.fixture(scope="module")
def system() -> OpenMMSystem:
    return molecule()[0]


@pytest.fixture(scope="module")
def cvs(system: OpenMMSystem) -> CVSet:
    return build_cvs(SPEC, system, CONFIGS)


@pytest.fixture(scope="module")
def frames(system: OpenMMSystem) -> np.ndarray:
    """Distorted configurations, the last far from the others."""
    rng = np.random.default_rng(3)
    x = system.initial().positions + 0.02 * rng.normal(size=(6, system.n_dof))
    x[-1] += 0.1 * rng.normal(size=system.n_dof) + 3.0
    return x


@pytest.mark.parametrize("name", SPEC)
def test_torch_openmm_and_finite_differences_agree(
    name: str, cvs: CVSet, frames: np.ndarray
) -> None:
    cv = cvs.cvs[cvs.names.index(name)]
    one = CVSet((cv,))
    value, gradient = one.value_and_gradient(frames)
    u, f = openmm_values(value_force(cv), frames)
    np.testing.assert_allclose(value[:, 0], u, atol=1e-5, rtol=0)
    np.testing.assert_allclose(gradient[:, 0], -f, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(one(frames), value, rtol=1e-12)
    direction = np.random.default_rng(0).normal(size=frames.shape)
    h = 1e-6
    numeric = (one(frames + h * direction) - one(frames - h * direction))[:, 0] / (2 * h)
    np.testing.assert_allclose((gradient[:, 0] * direction).sum(1), numeric, atol=1e-5, rtol=1e-5)
    fast = [single(cv)(x.reshape(-1, 3)) for x in frames]
    np.testing.assert_allclose(fast, value[:, 0], atol=1e-12)


@pytest.mark.parametrize("name", SPEC)
def test_restraint_has_the_energy_it_says(name: str, cvs: CVSet, frames: np.ndarray) -> None:
    cv = cvs.cvs[cvs.names.index(name)]
    kT, lam, kappa = 2.66, 0.4, 30.0
    u, _ = openmm_values(
        restraint_force(cv, 0, kT), frames, **{centre(0): lam, stiffness(0): kappa}
    )
    xi = CVSet((cv,))(frames)
    restraint = Restraint(np.array([lam]), np.array([kappa]))
    expected = kT * restraint.energy_kT(xi, np.array([cv.periodic]))
    np.testing.assert_allclose(u, expected, atol=1e-4)


def test_units_and_ranges(cvs: CVSet, frames: np.ndarray) -> None:
    by_name = dict(zip(cvs.names, cvs.cvs, strict=True))
    assert [by_name[n].unit for n in ("phi", "distance", "contacts", "sum", "mix")] == [
        "rad", "nm", "1", "rad", "nm",
    ]  # fmt: skip
    assert by_name["sum"].periodic
    assert not by_name["mix"].periodic
    value = cvs(frames)[:, cvs.names.index("sum")]
    assert np.all((value >= -math.pi) & (value < math.pi))
    assert np.isnan(cvs(np.full((1, 66), np.nan))).all()


def test_rmsd_is_zero_at_and_invariant_about_its_reference(
    system: OpenMMSystem, cvs: CVSet
) -> None:
    cv = CVSet((cvs.cvs[cvs.names.index("rmsd")],))
    x = system.initial().positions.reshape(-1, 3)
    assert cv(x.reshape(1, -1))[0, 0] < 1e-6
    a = 0.7
    turn = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    assert cv((x @ turn.T + 1.0).reshape(1, -1))[0, 0] < 1e-6
    # a mirror image is no rotation
    assert cv((x * [1, 1, -1]).reshape(1, -1))[0, 0] > 0.01
    from_file = build_cvs(
        {"r": {"kind": "rmsd", "reference": "alanine_dipeptide.pdb"}}, system, CONFIGS
    )
    assert from_file(x.reshape(1, -1))[0, 0] < 2e-3  # the start was put on its constraints


def test_what_openmm_cannot_express() -> None:
    cv = Coordinate("x", 0)
    assert not can_express(cv)
    with pytest.raises(TypeError, match="no OpenMM form"):
        cv_terms(cv)


def test_atoms_are_found_in_three_ways(system: OpenMMSystem) -> None:
    top = system.topology
    for spec in (8, "8", "ALA:CA", "ALA2:CA", "resSeq 2 and name CA"):
        assert resolve_atom(spec, top, ("x",)) == 8
    assert resolve_atoms("resname ALA and element C", top, ("x",)) == (8, 10, 14)
    assert resolve_atoms(["ALA:CA", 0], top, ("x",)) == (8, 0)


@pytest.mark.parametrize(
    ("spec", "problem", "remedy"),
    [
        (22, "no such atom", "0 to 21"),
        (-1, "no such atom", "0 to 21"),
        ("ALA:CX", "no atom", "ALA:C"),
        ("ALLA:CA", "no atom", "ALA:CA"),
        ("name C", "matches 3 atoms", "ACE1:C"),
        ("name CC and resSeq 2", "matches 0 atoms", "exactly one"),
        ("nonsense (", "no mdtraj selection", "ALA:CA"),
        (1.5, "is not an atom", "index"),
        (True, "is not an atom", "index"),
    ],
)
def test_wrong_atoms(system: OpenMMSystem, spec: object, problem: str, remedy: str) -> None:
    with pytest.raises(SpecError) as caught:
        resolve_atom(spec, system.topology, ("cvs", "phi", "atoms", 0))
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy
    assert caught.value.path == "cvs.phi.atoms[0]"


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({}, "cvs"),
        ({"a": "phi"}, "cvs.a"),
        ({"a": {"kind": "dihedrall", "atoms": [0, 1, 2, 3]}}, "cvs.a.kind"),
        ({"a": {"kind": "dihedral", "atoms": [0, 1, 2]}}, "cvs.a.atoms"),
        ({"a": {"kind": "dihedral", "atoms": [0, 1, 2, 2]}}, "cvs.a.atoms"),
        ({"a": {"kind": "angle", "atoms": [0, 1, "ALA:XX"]}}, "cvs.a.atoms[2]"),
        ({"a": {"kind": "coordinate", "index": 0}}, "cvs.a.kind"),
        ({"a": {"kind": "rmsd", "atoms": [0, 1]}}, "cvs.a.atoms"),
        ({"a": {"kind": "rmsd", "reference": "no.pdb"}}, "cvs.a.reference"),
        ({"a": {"kind": "coordination", "groups": [[0]]}}, "cvs.a.groups"),
        ({"a": {"kind": "coordination", "groups": [[0], [0]], "r0": 0.3}}, "cvs.a.groups"),
        ({"a": {"kind": "coordination", "groups": [[0], [1]], "r0": -0.3}}, "cvs.a.r0"),
        ({"a": {"kind": "coordination", "groups": [[0], [1]], "r0": 1.0, "n": 12}}, "cvs.a.m"),
        ({"a": {"kind": "distance"}}, "cvs.a.atoms"),
        ({"a": {"kind": "angle", "groups": [[0], [1]]}}, "cvs.a.groups"),
        ({"a": {"kind": "angle", "atoms": [0, 1, 2], "groups": [[0], [1], [2]]}}, "cvs.a.groups"),
        ({"a": {"kind": "distance", "groups": [[0], ["ALA:XX"]]}}, "cvs.a.groups[1][0]"),
        ({"a": {"kind": "contact_map", "contacts": [{"atoms": [0, 1]}]}}, "cvs.a.contacts[0].r0"),
        (
            {"a": {"kind": "contact_map", "r0": 1.0, "contacts": [{"atoms": [0, 1], "weight": 0}]}},
            "cvs.a.contacts",
        ),
        ({"a": {"kind": "native_contacts", "tolerance": -1.0}}, "cvs.a.tolerance"),
        ({"a": {"kind": "ring_pucker", "atoms": [0, 1, 2, 3]}}, "cvs.a.atoms"),
        (
            {"a": {"kind": "ring_pucker", "atoms": [0, 1, 2, 3, 4], "coordinate": "theta"}},
            "cvs.a.coordinate",
        ),
        ({"a": {"kind": "rmsd", "symmetric": [["ALA:HB1"]]}}, "cvs.a.symmetric[0]"),
        ({"a": {"kind": "path", "structures": []}}, "cvs.a.structures"),
        ({"a": {"kind": "path", "structures": "p.pdb", "rate": -1.0}}, "cvs.a.rate"),
        (
            {
                "a": {
                    "kind": "linear_combination",
                    "terms": [
                        {
                            "coefficient": 1,
                            "cv": {
                                "kind": "coordination",
                                "groups": [[0], [1]],
                                "r0": 1.0,
                                "n": 12,
                            },
                        }
                    ],
                }
            },
            "cvs.a.terms[0].cv.m",
        ),
        ({"a": {"kind": "linear_combination"}}, "cvs.a.terms"),
        (
            {"a": {"kind": "linear_combination", "terms": [{"coefficient": 0.5, "cv": PHI}]}},
            "cvs.a.terms",
        ),
        (
            {"a": {"kind": "linear_combination", "terms": [{"coefficient": 1, "cv": {}}]}},
            "cvs.a.terms[0].cv.kind",
        ),
    ],
)
def test_wrong_cvs(spec: dict[str, object], path: str) -> None:
    assert dotted(refused(AMBER99SB, CONFIGS, spec).path) == path


def test_a_range_beyond_half_of_the_box_is_refused() -> None:
    """Of two molecules; a bonded pair has no images, and its range no such end."""
    box = {"kind": "polymer", "solvent": 20, "box": 6.0}
    span = {"kind": "distance", "range": ["0 nm", "3.5 nm"]}
    said = refused(box, CONFIGS, {"r": {**span, "atoms": [9, 10]}})
    assert dotted(said.path) == "cvs.r.range"
    assert "End it at 3 nm" in said.remedy
    bonded = build_cvs({"r": {"kind": "distance", "atoms": [0, 8]}}, build_system(box, CONFIGS),
                       CONFIGS)  # fmt: skip
    assert isinstance(bonded.cvs[0], Distance)


def heavy_hydrogens(mass: float | None) -> tuple[System, Array]:
    """Alanine dipeptide with hydrogens of this mass, and its radius of gyration's weights."""
    system, _ = molecule(**({} if mass is None else {"hydrogen_mass": mass}))
    (cv,) = build_cvs({"rg": {"kind": "radius_of_gyration"}}, system, CONFIGS).cvs
    assert isinstance(cv, RadiusOfGyration)
    return system, np.array(cv.masses)


def test_a_radius_of_gyration_does_not_depend_on_how_masses_are_shared_out() -> None:
    """Twin: weights by the masses that the dynamics has, 1 % off."""
    plain, own = heavy_hydrogens(None)
    system, weights = heavy_hydrogens(4.0)
    assert np.allclose(weights, own, atol=0.02)
    x = torch.as_tensor(system.initial().positions)
    atoms = tuple(range(22))
    shared = system.masses.reshape(-1, 3)[:, 0]
    right, wrong = (float(RadiusOfGyration("rg", atoms, tuple(m))(x)[0]) for m in (weights, shared))
    before = float(RadiusOfGyration("rg", atoms, tuple(own))(x)[0])
    assert right == pytest.approx(before, rel=1e-4)
    assert abs(wrong / before - 1.0) > 5e-3
    assert np.array_equal(own, plain.masses.reshape(-1, 3)[:, 0])  # those of the force field


def test_coordinates_have_the_same_bits_without_torch() -> None:
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(0.0, 20.0, (4000, 3)), np.full((1, 3), np.pi)])
    cvs = CVSet((Coordinate("a", 0), Coordinate("b", 2, periodic=True)))
    by_torch = cvs.torch(torch.as_tensor(x)).numpy()
    assert np.array_equal(cvs(x), by_torch)
    values, gradient = cvs.value_and_gradient(x)
    assert np.array_equal(values, by_torch)
    assert gradient.shape == (len(x), 2, 3)
    assert np.abs(by_torch[:, 1]).max() <= np.pi < np.abs(by_torch[:, 0]).max()
