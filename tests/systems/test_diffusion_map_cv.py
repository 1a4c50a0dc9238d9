"""Diffusion coordinates as CVs: molecules in OpenMM, and the files they come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alanine_molecule import molecule as alanine
from openmm_runs import Restraint
from places import CONFIGS
from sections import build_cvs, build_system
from single_force import openmm_values

from msgen.models.diffusion_map.map import DiffusionMap
from msgen.systems import CVSet, SpecError
from msgen.systems.base import Array
from msgen.systems.cvs.diffusion_map import LandmarkCV, LandmarkFile
from msgen.systems.cvs.openmm_forces import can_express, restraint_force, value_force
from msgen.systems.cvs.single_frame import single
from msgen.systems.openmm.own_names import centre, stiffness
from msgen.systems.openmm.system import OpenMMSystem

FEATURES: dict[str, dict[str, Any]] = {
    "phi": {"kind": "dihedral", "atoms": ["ACE:C", "ALA:N", "ALA:CA", "ALA:C"]},
    "psi": {"kind": "dihedral", "atoms": ["ALA:N", "ALA:CA", "ALA:C", "NME:N"]},
    "bend": {"kind": "angle", "atoms": ["ALA:N", "ALA:CA", "ALA:C"]},
    "ends": {"kind": "distance", "atoms": ["ACE:CH3", "NME:N"]},
    "rg": {"kind": "radius_of_gyration", "atoms": "element != H"},
}
SPEC = {"phi1": {"kind": "diffusion_map", "file": "phi.npz"}}


@pytest.fixture(scope="module")
def molecule() -> OpenMMSystem:
    return alanine()[0]


@pytest.fixture(scope="module")
def frames(molecule: OpenMMSystem) -> Array:
    """Distorted structures that cover some of the torsions."""
    rng = np.random.default_rng(3)
    return np.asarray(molecule.initial().positions + 0.03 * rng.normal(size=(800, molecule.n_dof)))


def landmark_file(fit: DiffusionMap, features: tuple[dict[str, Any], ...]) -> LandmarkFile:
    return LandmarkFile(
        features,
        fit.landmarks,
        fit.scales,
        fit.epsilon,
        fit.log_weights,
        fit.eigenvalues,
        fit.values,
        {"data": "made in a test"},
    )


@pytest.fixture(scope="module")
def made(molecule: OpenMMSystem, frames: Array) -> LandmarkFile:
    features = build_cvs(FEATURES, molecule, CONFIGS)
    fit = DiffusionMap.fit(
        features(frames),
        seed=0,
        periodic=features.periodic.tolist(),
        n_landmarks=25,
        scale="sd",
        epsilon=1.0,
    )
    return landmark_file(fit, tuple(FEATURES.values()))


@pytest.fixture(scope="module")
def cv(molecule: OpenMMSystem, made: LandmarkFile, tmp_path_factory: Any) -> LandmarkCV:
    folder = tmp_path_factory.mktemp("landmarks")
    made.save(folder / "phi.npz")
    (found,) = build_cvs(SPEC, molecule, folder).cvs
    assert isinstance(found, LandmarkCV)
    return found


# -- molecules -----------------------------------------------------------------------------------


def test_openmm_agrees_with_torch(cv: LandmarkCV, frames: Array) -> None:
    assert can_express(cv)
    one, x = CVSet((cv,)), frames[::40]
    value, gradient = one.value_and_gradient(x)
    assert np.ptp(value) > 0.1, "the frames should differ in it"
    u, f = openmm_values(value_force(cv), x)
    np.testing.assert_allclose(u, value[:, 0], atol=1e-5)
    np.testing.assert_allclose(-f, gradient[:, 0], atol=1e-5)
    np.testing.assert_allclose([single(cv)(y.reshape(-1, 3)) for y in x], u, atol=1e-8)
    direction = np.random.default_rng(0).normal(size=x.shape)
    h = 1e-6
    numeric = (one(x + h * direction) - one(x - h * direction))[:, 0] / (2 * h)
    np.testing.assert_allclose((gradient[:, 0] * direction).sum(1), numeric, atol=1e-6)
    # without the weights of the landmarks, which differ, it would not
    plain, _ = openmm_values(value_force(replace(cv, log_weights=0 * cv.log_weights)), x)
    assert np.abs(plain - u).max() > 1e-3


def test_restraint_has_the_energy_it_says(cv: LandmarkCV, frames: Array) -> None:
    kT, lam, kappa, x = 2.66, 0.2, 30.0, frames[::100]
    u, _ = openmm_values(restraint_force(cv, 0, kT), x, **{centre(0): lam, stiffness(0): kappa})
    restraint = Restraint(np.array([lam]), np.array([kappa]))
    expected = kT * restraint.energy_kT(CVSet((cv,))(x), np.array([False]))
    np.testing.assert_allclose(u, expected, atol=1e-4)


def test_moving_the_molecule_changes_nothing(cv: LandmarkCV, frames: Array) -> None:
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    moved = (frames[:20].reshape(20, -1, 3) @ turn + 3.0).reshape(20, -1)
    np.testing.assert_allclose(CVSet((cv,))(moved), CVSet((cv,))(frames[:20]), atol=1e-10)


@pytest.mark.parametrize("stretch", [1.5, 3.0, 30.0])
def test_far_from_the_data_openmm_stays_finite(
    cv: LandmarkCV, frames: Array, stretch: float
) -> None:
    """Torch ends at the nearest landmark, OpenMM further out at the mean; neither at 0/0."""
    x = stretch * frames[:3]
    u, f = openmm_values(value_force(cv), x)
    value, gradient = CVSet((cv,)).value_and_gradient(x)
    assert np.isfinite([u, value[:, 0]]).all()
    assert np.isfinite([f, gradient[:, 0]]).all()
    if stretch == 1.5:
        np.testing.assert_allclose(u, value[:, 0], atol=1e-5)
    if stretch == 30.0:
        np.testing.assert_allclose(u, (cv.values / cv.eigenvalue).mean(), atol=1e-8)
        np.testing.assert_allclose(f, 0.0, atol=1e-8)


def test_too_many_landmarks_for_openmm_are_refused(
    molecule: OpenMMSystem, frames: Array, tmp_path: Path
) -> None:
    features = build_cvs({"phi": FEATURES["phi"]}, molecule, CONFIGS)
    fit = DiffusionMap.fit(features(frames), seed=0, periodic=[True], n_landmarks=500)
    landmark_file(fit, (FEATURES["phi"],)).save(tmp_path / "phi.npz")
    with pytest.raises(SpecError, match=r"500 landmarks.*--landmarks 400"):
        build_cvs(SPEC, molecule, tmp_path)


# -- the file ------------------------------------------------------------------------------------


def test_a_file_reads_back(made: LandmarkFile, tmp_path: Path) -> None:
    made.save(tmp_path / "a.npz")
    back = LandmarkFile.load(tmp_path / "a.npz")
    assert back.features == made.features
    assert back.about == {"data": "made in a test"}
    assert back.epsilon == made.epsilon
    for name in ("landmarks", "scales", "log_weights", "eigenvalues", "values"):
        np.testing.assert_array_equal(getattr(back, name), getattr(made, name))
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def rewrite(path: Path, **changes: object) -> None:
    with np.load(path, allow_pickle=False) as file:
        arrays = {**{k: file[k] for k in file}, **changes}
    np.savez(path, **{k: np.asarray(v) for k, v in arrays.items() if v is not None})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema_version": 2}, "layout 2"),
        ({"values": None}, "holds no landmarks"),
        ({"values": np.zeros((3, 1))}, "values are not finite or not of shape"),
        ({"epsilon": -1.0}, "do not fit"),
        ({"features": '[{"kind": "rmsd"}, {"kind": "rmsd"}]'}, "cannot be a feature"),
        ({"features": '[{"kind": "dihedral"}, {"kind": "dihedral"}]'}, "this system has none"),
        ({"landmarks": np.full((30, 2), 50.0)}, "kernel widths from its data"),
    ],
)
def test_a_wrong_file_is_refused(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    system = build_system({"kind": "double_well"}, tmp_path)
    x = np.random.default_rng(0).uniform(-1.5, 1.5, size=(30, 2))
    fit = DiffusionMap.fit(x, seed=0, epsilon=0.5)
    columns = tuple({"kind": "coordinate", "index": k} for k in range(2))
    landmark_file(fit, columns).save(tmp_path / "phi.npz")
    assert np.isfinite(build_cvs(SPEC, system, tmp_path)(x)).all()
    rewrite(tmp_path / "phi.npz", **changes)
    with pytest.raises(SpecError, match=says):
        build_cvs(SPEC, system, tmp_path)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"file": "nothing.npz"}, "no such file"),
        ({"file": "text.npz"}, "holds no landmarks"),
        ({"component": 9}, "Give 1 … 4"),
    ],
)
def test_a_wrong_entry_is_refused(
    spec: dict[str, Any], says: str, made: LandmarkFile, molecule: OpenMMSystem, tmp_path: Path
) -> None:
    made.save(tmp_path / "phi.npz")
    (tmp_path / "text.npz").write_text("not a zip file")
    with pytest.raises(SpecError, match=says):
        build_cvs({"phi1": {**SPEC["phi1"], **spec}}, molecule, tmp_path)
