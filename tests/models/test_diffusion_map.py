"""Diffusion maps: against pydiffmap, known slow variables, finite differences and OpenMM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from places import CONFIGS
from pydiffmap.diffusion_map import DiffusionMap as PyDiffusionMap
from sections import build_cvs, build_system

from msgen.models.diffusion_map.checks import ONE_TO_ONE, doubts, independence, spearman
from msgen.models.diffusion_map.map import DiffusionMap, feature_scales
from msgen.systems import CVSet
from msgen.systems.base import Array
from msgen.systems.cvs.diffusion_map import LandmarkCV, LandmarkFile
from msgen.systems.cvs.single_frame import single
from msgen.systems.potentials.slow_fast import EvolvingDoubleWell, SlowFast, VariableBarrier

WELL = build_system({"kind": "double_well"}, CONFIGS)
XY = ({"kind": "coordinate", "index": 0}, {"kind": "coordinate", "index": 1})


def strip(n: int = 3000, seed: int = 0) -> Array:
    """Points of a bent strip, the first column along it."""
    t, w = np.random.default_rng(seed).uniform([-1, -0.2], [1, 0.2], size=(n, 2)).T
    return np.stack([t, t**2 - 0.5 + w], axis=1)


@pytest.fixture(scope="module")
def fit() -> DiffusionMap:
    return DiffusionMap.fit(strip(), seed=1, n_landmarks=300, epsilon=0.02)


def landmark_file(fit: DiffusionMap, features: tuple[dict[str, object], ...] = XY) -> LandmarkFile:
    return LandmarkFile(
        features,
        fit.landmarks,
        fit.scales,
        fit.epsilon,
        fit.log_weights,
        fit.eigenvalues,
        fit.values,
    )


def as_cv(fit: DiffusionMap, folder: Path, component: int = 1) -> LandmarkCV:
    landmark_file(fit).save(folder / "phi.npz")
    spec = {"phi1": {"kind": "diffusion_map", "file": "phi.npz", "component": component}}
    (cv,) = build_cvs(spec, WELL, folder).cvs
    assert isinstance(cv, LandmarkCV)
    return cv


def normalised(columns: Array) -> Array:
    """Each column with a largest |value| of 1, positive."""
    return columns / columns[np.abs(columns).argmax(axis=0), np.arange(columns.shape[1])]


def test_eigenvectors_are_those_of_pydiffmap(fit: DiffusionMap) -> None:
    peer = PyDiffusionMap.from_sklearn(alpha=1.0, k=300, epsilon=0.02, n_evecs=4)
    peer.fit(fit.landmarks)
    np.testing.assert_allclose(1 + 0.02 * peer.evals, fit.eigenvalues, rtol=1e-10)
    np.testing.assert_allclose(normalised(peer.evecs), normalised(fit.values), atol=1e-8)


def test_extension_is_that_of_pydiffmap_but_for_the_eigenvalue(fit: DiffusionMap) -> None:
    peer = PyDiffusionMap.from_sklearn(alpha=1.0, k=300, epsilon=0.02, n_evecs=4)
    peer.fit(fit.landmarks)
    new = strip(500, seed=9)
    size = peer.dmap[0] / fit.values[0]
    np.testing.assert_allclose(
        peer.transform(new) / size, fit.transform(new) * fit.eigenvalues, atol=1e-8
    )
    # Nyström: at a landmark it is the eigenvector; without the division it is not
    at = fit.transform(fit.landmarks)
    np.testing.assert_allclose(at, fit.values, atol=1e-8)
    assert np.abs(at * fit.eigenvalues - fit.values).max() > 1e-3


def test_epsilon_is_that_of_pydiffmap() -> None:
    x = strip(200)
    peer = PyDiffusionMap.from_sklearn(alpha=1.0, k=200, epsilon="bgh").construct_Lmat(x)
    assert DiffusionMap.fit(x, seed=0).epsilon == peer.epsilon_fitted


@pytest.mark.parametrize("component", [1, 2, 4])
def test_the_cv_is_the_map(fit: DiffusionMap, tmp_path: Path, component: int) -> None:
    cv, x = as_cv(fit, tmp_path, component), strip(400, seed=5)
    expected = fit.transform(x)[:, component - 1]
    np.testing.assert_allclose(CVSet((cv,))(x)[:, 0], expected, atol=1e-10)
    fast = single(cv)
    np.testing.assert_allclose(
        [fast(one) for one in x[:20].reshape(-1, 1, 2)], expected[:20], atol=1e-10
    )


def numeric_gradient(cv: LandmarkCV, x: Array, h: float = 1e-5) -> Array:
    one, columns = CVSet((cv,)), []
    for k in range(x.shape[1]):
        step = np.zeros(x.shape[1])
        step[k] = h
        columns.append((one(x + step) - one(x - step))[:, 0] / (2 * h))
    return np.stack(columns, axis=1)


def test_gradient_by_finite_differences(fit: DiffusionMap, tmp_path: Path) -> None:
    cv, x = as_cv(fit, tmp_path), strip(100, seed=6)
    _, gradient = CVSet((cv,)).value_and_gradient(x)
    np.testing.assert_allclose(gradient[:, 0], numeric_gradient(cv, x), atol=1e-6)


def test_a_gradient_without_that_of_the_normalisation_is_found_out(
    fit: DiffusionMap, tmp_path: Path
) -> None:
    cv = as_cv(fit, tmp_path)
    x = torch.tensor(strip(100, seed=6), requires_grad=True)
    d2 = ((x[:, None] - torch.as_tensor(cv.landmarks)) ** 2).sum(2)
    w = torch.exp(torch.as_tensor(cv.log_weights) - d2 / (4 * cv.epsilon))
    phi = (w @ torch.as_tensor(cv.values)) / w.sum(1).detach() / cv.eigenvalue
    np.testing.assert_allclose(phi.detach(), CVSet((cv,))(x.detach().numpy())[:, 0], atol=1e-12)
    (gradient,) = torch.autograd.grad(phi.sum(), x)
    wrong = np.abs(gradient.numpy() - numeric_gradient(cv, x.detach().numpy()))
    assert wrong.max() > 1e-2


def test_far_from_the_data_it_is_flat_and_says_so(fit: DiffusionMap, tmp_path: Path) -> None:
    cv = as_cv(fit, tmp_path)
    x = np.array([[0.0, -0.5], [3.0, 0.6], [1e3, 1e3], [-1e8, 0.0]])
    values, gradient = CVSet((cv,)).value_and_gradient(x)
    nearest = ((x[:, None] - cv.landmarks) ** 2).sum(2).argmin(1)
    np.testing.assert_allclose(values[2:, 0], (cv.values / cv.eigenvalue)[nearest[2:]], rtol=1e-9)
    assert np.abs(gradient[2:]).max() < 1e-12
    assert np.abs(values).max() <= 1 / cv.eigenvalue
    away = cv.distance(torch.as_tensor(x)).numpy()
    exact = np.sqrt(((x[:, None] - cv.landmarks) ** 2).sum(2).min(1) / (2 * cv.epsilon))
    np.testing.assert_allclose(away, exact, rtol=1e-6, atol=1e-6)
    assert away[0] < 1 < away[1]
    assert np.isnan(CVSet((cv,))(np.full((1, 2), np.nan))).all()


def test_many_points_are_taken_in_parts(
    fit: DiffusionMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv, x = as_cv(fit, tmp_path), strip(50, seed=6)
    whole = CVSet((cv,)).value_and_gradient(x)
    monkeypatch.setattr("msgen.systems.cvs.diffusion_map._MOST_WEIGHTS", 2100)
    for a, b in zip(CVSet((cv,)).value_and_gradient(x), whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_sign_size_and_seed() -> None:
    x = strip()
    one, two, other = (DiffusionMap.fit(x, seed=s, n_landmarks=150) for s in (3, 3, 4))
    np.testing.assert_array_equal(one.values, two.values)
    assert not np.array_equal(one.index, other.index)
    np.testing.assert_array_equal(np.abs(one.values).max(axis=0), 1.0)
    for sign in (1.0, -1.0):
        turned = DiffusionMap.fit(sign * x, seed=3, n_landmarks=150)
        assert np.corrcoef(turned.values[:, 0], turned.landmarks[:, 0])[0, 1] > 0.9


def test_an_angle_goes_round() -> None:
    t = np.random.default_rng(0).uniform(-np.pi, np.pi, size=(2000, 1))
    ring = DiffusionMap.fit(t, seed=0, periodic=[True], n_landmarks=300, epsilon=0.05)
    end = np.array([[np.pi - 1e-9], [-np.pi + 1e-9]])
    values = ring.transform(end)
    np.testing.assert_allclose(values[0], values[1], atol=1e-7)
    # on a circle the first two are cos and sin of it
    np.testing.assert_allclose((ring.values[:, :2] ** 2).sum(1), 1.0, atol=0.05)
    line = DiffusionMap.fit(t, seed=0, n_landmarks=100, epsilon=0.05)
    assert abs(np.subtract(*line.transform(end)[:, 0])) > 1.5


# -- slow variables ------------------------------------------------------------------------------


def path(system: SlowFast, samples: int, seed: int) -> Array:
    """x₁ drifts over 0…10 while x₂ is simulated (paper, eq. 6 to 9), 100 steps a sample."""
    from slow_fast_paths import Dynamics, driven

    a = 10.0 / samples
    return driven(system, samples, 100, seed, Dynamics(a1=a, a2=a))


OPTIONS: dict[str, dict[str, object]] = {
    "increments": {"scale": "increments"},
    "a wide kernel": {"epsilon": 0.25},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("system", [EvolvingDoubleWell(), VariableBarrier(2.0)])
def test_the_slow_variable_is_found(system: SlowFast, options: str) -> None:
    x = path(system, 5000, seed=1)
    fit = DiffusionMap.fit(x, seed=1, n_landmarks=500, **OPTIONS[options])  # type: ignore[arg-type]
    rho = spearman(fit.transform(x)[:, 0], x[:, 0])
    assert rho > ONE_TO_ONE
    assert doubts(fit, 1, rho) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("system", [EvolvingDoubleWell(), VariableBarrier(2.0), VariableBarrier()])
def test_the_slow_variable_is_found_at_full_size(system: SlowFast, options: str, seed: int) -> None:
    x = path(system, 100_000, seed)
    fit = DiffusionMap.fit(
        x,
        seed=seed,
        n_landmarks=2000,
        **OPTIONS[options],  # type: ignore[arg-type]
    )
    assert spearman(fit.transform(x)[:, 0], x[:, 0]) > ONE_TO_ONE


def test_standard_deviations_are_the_wrong_metric_for_it() -> None:
    """The gap between the wells is then as long as the slow direction; the check says so."""
    x = path(VariableBarrier(2.0), 5000, seed=1)
    fit = DiffusionMap.fit(x, seed=1, n_landmarks=500, scale="sd")
    rho = spearman(fit.transform(x)[:, 0], x[:, 0])
    assert rho < 0.9
    assert any("one-to-one" in text for text in doubts(fit, 1, rho))


def test_scales() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([np.arange(1000) * 1e-3, rng.normal(size=1000), np.zeros(1000)], axis=1)
    x[:, 2] = (0.1 * np.arange(1000) + np.pi) % (2 * np.pi) - np.pi
    turns = [False, False, True]
    np.testing.assert_array_equal(feature_scales(x, turns, "none"), 1.0)
    sd = feature_scales(x, turns, "sd")
    np.testing.assert_allclose(sd[:2], 1 / x[:, :2].std(0))
    assert sd[2] == pytest.approx(1.0, abs=0.01)
    steps = feature_scales(x, turns, "increments")
    # median |difference of two normals| = 0.6745 √2
    assert steps[1] == 1.0
    assert steps[0] == pytest.approx(0.954e3, rel=0.1)
    assert steps[0] / steps[2] == pytest.approx(100.0)
    x[100:, 0] = 0.0
    with pytest.raises(ValueError, match="feature 0 does not change in half"):
        feature_scales(x, turns, "increments")


# -- doubts --------------------------------------------------------------------------------------


def test_harmonics_are_told_from_new_directions() -> None:
    rng = np.random.default_rng(2)
    line, plate = (rng.uniform(size=(3000, 2)) * (1.0, w) for w in (0.1, 0.8))
    narrow = DiffusionMap.fit(line, seed=0, n_landmarks=300, epsilon=0.002)
    broad = DiffusionMap.fit(plate, seed=0, n_landmarks=300, epsilon=0.002)
    assert independence(narrow.values)[1] < 0.15
    assert independence(broad.values)[1] > 0.8
    assert any("folds" in text for text in doubts(narrow, 2))
    assert doubts(broad, 1) == []
    # the second of the line is the cosine of twice the angle whose cosine is the first
    first, second = narrow.values[:, 0], narrow.values[:, 1]
    assert spearman(second, np.abs(first)) > 0.98


def test_clusters_and_degenerate_directions_are_named() -> None:
    rng = np.random.default_rng(2)
    blobs = rng.normal(size=(2000, 2)) * 0.3 + rng.choice([-2.0, 2.0], size=(2000, 1)) * (1, 0)
    apart = DiffusionMap.fit(blobs, seed=0, n_landmarks=300, epsilon=0.1)
    assert any("clusters" in text for text in doubts(apart, 1))
    square = DiffusionMap.fit(rng.uniform(size=(5000, 2)), seed=0, n_landmarks=400, epsilon=0.003)
    assert any("decay alike" in text for text in doubts(square, 1))


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        (np.full((50, 2), np.nan), {}, "not finite"),
        (np.zeros((50, 2)), {}, "too few"),
        (strip(), {"epsilon": -1.0}, "not a positive number"),
        (strip(), {"alpha": 2.0}, "alpha 2"),
        (strip(), {"n_components": 0}, "0 components"),
        (strip(), {"epsilon": 1e6}, "spans all of the data"),
        (np.arange(50.0)[:, None] * 100, {"epsilon": 1e-3}, "into pieces"),
        (strip(), {"periodic": [True]}, "2 features"),
    ],
)
def test_data_that_cannot_be_mapped(data: Array, options: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        DiffusionMap.fit(data, seed=0, n_landmarks=100, **options)  # type: ignore[arg-type]
