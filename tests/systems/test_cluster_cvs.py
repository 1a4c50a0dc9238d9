"""CVs of clusters: known values, gradients, what changes nothing, and their OpenMM form."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openmm as mm
import pytest
from alanine_molecule import molecule
from places import CONFIGS
from scipy.special import sph_harm_y
from sections import build_cvs, build_system
from silver import capped_bipyramid, octahedron, pentagon, spec, with_calculators, write_xyz
from single_force import openmm_values

from msgen.systems import CVSet, SpecError, System
from msgen.systems.base import Array
from msgen.systems.cvs.openmm_forces import can_express, restraint_force, value_force
from msgen.systems.cvs.trial import complaints
from msgen.systems.openmm.own_names import centre, stiffness

SPEC: dict[str, dict[str, Any]] = {
    "thin": {"kind": "principal_radius"},
    "wide": {"kind": "principal_radius", "axis": "middle"},
    "long": {"kind": "principal_radius", "axis": "largest"},
    "rg": {"kind": "radius_of_gyration"},
    "d1": {"kind": "sorted_distance"},
    "d13": {"kind": "sorted_distance", "rank": 13},
    "bonds": {"kind": "coordination", "groups": ["element Ag", "element Ag"], "r0": 0.34},
    "q4": {"kind": "steinhardt", "degree": 4, "r0": 0.32},
    "q6": {"kind": "steinhardt", "r0": 0.32},
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = with_calculators(tmp_path_factory.mktemp("silver"))
    write_xyz(folder / "start.xyz", octahedron())
    yield build_system(spec(calculator={"factory": "quick:pairs"}), folder)
    sys.modules.pop("quick", None)


@pytest.fixture(scope="module")
def cvs(system: System) -> CVSet:
    return build_cvs(SPEC, system, Path())


def nm(shape: Array) -> Array:
    return 0.1 * shape.reshape(1, -1)


def at(cvs: CVSet, name: str, x: Array) -> Array:
    return cvs(x)[:, cvs.names.index(name)]


def test_what_is_known_of_shapes(cvs: CVSet) -> None:
    """An octahedron of edge a has R_k = a/√6 three times, and 12 edges before 3 diagonals."""
    edge = 0.27
    seen = dict(zip(cvs.names, cvs(nm(octahedron()))[0], strict=True))
    for axis in ("thin", "wide", "long"):
        assert seen[axis] == pytest.approx(edge / np.sqrt(6.0))
    assert seen["d1"] == pytest.approx(edge)
    assert seen["d13"] == pytest.approx(edge * np.sqrt(2.0))
    flat = dict(zip(cvs.names, cvs(nm(pentagon()))[0], strict=True))
    assert flat["thin"] < 1e-7
    # a ring of five of radius a and its middle: two equal moments 5a²/12
    assert flat["wide"] == pytest.approx(edge * np.sqrt(5.0 / 12.0))
    assert flat["long"] == pytest.approx(flat["wide"])
    assert at(cvs, "d13", nm(capped_bipyramid()))[0] > 1.6 * edge


def test_squares_of_the_principal_radii_sum_to_that_of_gyration(cvs: CVSet) -> None:
    x = nm(capped_bipyramid()) + 0.02 * np.random.default_rng(0).standard_normal((4, 18))
    parts = sum(at(cvs, name, x) ** 2 for name in ("thin", "wide", "long"))
    np.testing.assert_allclose(parts, at(cvs, "rg", x) ** 2, rtol=1e-12)
    assert (at(cvs, "thin", x) < at(cvs, "wide", x)).all()


def test_coordination_of_a_kind_counts_each_pair_once(cvs: CVSet) -> None:
    x = nm(capped_bipyramid())
    p = x.reshape(6, 3)
    r = np.array([np.linalg.norm(p[i] - p[j]) for i, j in itertools.combinations(range(6), 2)])
    assert at(cvs, "bonds", x)[0] == pytest.approx((1.0 / (1.0 + (r / 0.34) ** 6)).sum())


@pytest.mark.parametrize("degree", [4, 6])
def test_steinhardt_is_that_of_spherical_harmonics(degree: int, cvs: CVSet) -> None:
    x = nm(capped_bipyramid()) + 0.02 * np.random.default_rng(1).standard_normal((1, 18))
    p = x.reshape(6, 3)
    pairs = list(itertools.combinations(range(6), 2))
    b = np.array([p[i] - p[j] for i, j in pairs])
    r = np.linalg.norm(b, axis=1)
    w = 1.0 / (1.0 + (r / 0.32) ** 12)
    theta, phi = np.arccos(b[:, 2] / r), np.arctan2(b[:, 1], b[:, 0])
    mean = [
        (w * sph_harm_y(degree, m, theta, phi)).sum() / w.sum() for m in range(-degree, degree + 1)
    ]
    q = np.sqrt(4.0 * np.pi / (2 * degree + 1) * (np.abs(mean) ** 2).sum())
    assert at(cvs, f"q{degree}", x)[0] == pytest.approx(q, rel=1e-10)


@pytest.mark.parametrize("name", SPEC)
def test_gradients_are_those_of_finite_differences(name: str, cvs: CVSet) -> None:
    one = CVSet((cvs.cvs[cvs.names.index(name)],))
    x = nm(capped_bipyramid()) + 0.02 * np.random.default_rng(2).standard_normal((5, 18))
    way = np.random.default_rng(3).standard_normal(x.shape)
    value, gradient = one.value_and_gradient(x)
    np.testing.assert_allclose(one(x), value, rtol=1e-12)
    numeric = (one(x + 1e-6 * way) - one(x - 1e-6 * way))[:, 0] / 2e-6
    np.testing.assert_allclose((gradient[:, 0] * way).sum(1), numeric, rtol=1e-5, atol=1e-6)


def test_neither_turning_nor_exchanging_changes_them(system: System, cvs: CVSet) -> None:
    rng = np.random.default_rng(4)
    p = nm(capped_bipyramid()).reshape(6, 3) + 0.02 * rng.standard_normal((6, 3))
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    moved = np.array([p.ravel(), (p @ turn + 1.0).ravel(), p[rng.permutation(6)].ravel()])
    seen = cvs(moved)
    np.testing.assert_allclose(seen[1:], seen[[0, 0]], rtol=1e-8)
    # a distance of two atoms is no such thing
    named = build_cvs({"d": {"kind": "distance", "atoms": [0, 5]}}, system, Path())
    assert abs(named(moved)[2] - named(moved)[0])[0] > 1e-3


@pytest.mark.parametrize("shape", [octahedron, capped_bipyramid, pentagon])
def test_they_are_sound_at_symmetric_starts(shape: Any, system: System, cvs: CVSet) -> None:
    """Eigenvalues and distances that are equal, and a plane, are no place without a gradient."""
    value, gradient = cvs.value_and_gradient(nm(shape()))
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    assert not complaints(system, CVSet(cvs.cvs[:1]))


def test_a_configuration_that_is_not_finite_has_no_value(cvs: CVSet) -> None:
    assert np.isnan(cvs(np.full((1, 18), np.nan))).all()


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ({"kind": "sorted_distance", "rank": 16}, "have 15 distances"),
        ({"kind": "principal_radius", "atoms": [0, 1]}, "too few atoms"),
        ({"kind": "steinhardt", "atoms": [0, 1], "r0": 0.3}, "too few atoms"),
    ],
)
def test_what_these_atoms_have_not_is_refused(
    section: dict[str, Any], what: str, system: System
) -> None:
    with pytest.raises(SpecError, match=what):
        build_cvs({"x": section}, system, Path())


@pytest.mark.parametrize("axis", ["smallest", "middle", "largest"])
def test_principal_radii_in_openmm_are_those_of_torch(axis: str) -> None:
    """At a molecule, distorted; and as a restraint, whose force follows from the gradient."""
    system = molecule()[0]
    section = {"r": {"kind": "principal_radius", "axis": axis, "atoms": "element != H"}}
    one = build_cvs(section, system, CONFIGS)
    cv = one.cvs[0]
    assert can_express(cv)
    x = system.initial().positions + 0.02 * np.random.default_rng(5).standard_normal((1, 66))
    value, gradient = one.value_and_gradient(x)
    u, f = openmm_values(value_force(cv), x)
    assert u[0] == pytest.approx(value[0, 0], abs=1e-8)
    np.testing.assert_allclose(-f, gradient[:, 0], atol=1e-7)
    goal, kappa = float(value[0, 0]) - 0.01, 300.0
    given = {centre(0): goal, stiffness(0): kappa}
    u, f = openmm_values(restraint_force(cv, 0, 2.5), x, **given)
    assert u[0] == pytest.approx(0.5 * 2.5 * kappa * 1e-4, rel=1e-5)
    np.testing.assert_allclose(-f, 2.5 * kappa * 0.01 * gradient[:, 0], atol=1e-4)


@pytest.mark.parametrize("section", [{"kind": "sorted_distance", "rank": 9}, SPEC["q6"]])
def test_what_only_torch_knows_is_restrained_by_a_force_in_python(
    section: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An OpenMM before 8.4 has no such force: it is refused there by name."""
    system = molecule()[0]
    one = build_cvs({"x": {**section, "atoms": "element != H"}}, system, CONFIGS)
    x = system.initial().positions + 0.02 * np.random.default_rng(5).standard_normal((1, 66))
    value, gradient = one.value_and_gradient(x)
    u, f = openmm_values(value_force(one.cvs[0]), x)
    assert u[0] == pytest.approx(value[0, 0], abs=1e-10)
    np.testing.assert_allclose(-f, gradient[:, 0], atol=1e-10)
    monkeypatch.delattr(mm, "PythonForce")
    assert not can_express(one.cvs[0])
    with pytest.raises(SpecError, match=r"cannot be restrained .* PythonForce"):
        system.context(True, one)
