"""Every model: normalised, consistent, deterministic, and the same after a trip to disk."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from built_models import build
from frozen_models import through_a_checkpoint
from two_states import two_states, wrapped

from msgen.models import Broad, Defended, GenerativeModel, load
from msgen.models.coupling.flow import FlowModel
from msgen.models.kde import KernelDensity

QUICK = {"epochs": 12, "batch": 256, "hidden": [32, 32], "transforms": 2}
SPECS = {
    "spline": ({"kind": "spline_flow", **QUICK}, (False, False)),
    "torus": ({"kind": "spline_flow", **QUICK}, (True, True)),
    "mixed": ({"kind": "spline_flow", **QUICK}, (True, False)),
    "realnvp": ({"kind": "realnvp", **QUICK}, (False, False)),
    "copula": ({"kind": "copula_flow", **QUICK}, (False, False)),
    "kde": ({"kind": "kde", "kernels": 100}, (True, False)),
}


@cache
def fitted(name: str) -> GenerativeModel:
    spec, periodic = SPECS[name]
    model = build(spec, 2, periodic)
    model.fit(two_states(3000, periodic), seed=1)
    return model


def grid(periodic: tuple[bool, ...], n: int) -> tuple[np.ndarray, float]:
    """Midpoints of n² cells over the circle or ±15, and the cell's area."""
    edges = [np.pi if p else 15.0 for p in periodic]
    axes = [(np.arange(n) + 0.5) / n * 2 * e - e for e in edges]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    return points, float(np.prod([2 * e / n for e in edges]))


@pytest.mark.parametrize("name", SPECS)
def test_integrates_to_one(name: str) -> None:
    points, area = grid(SPECS[name][1], 500)
    total = np.exp(fitted(name).log_prob(points)).sum() * area
    assert total == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", ["torus", "mixed", "kde"])
def test_no_seam(name: str) -> None:
    model, tiny = fitted(name), 1e-6
    for column in np.flatnonzero(SPECS[name][1]):
        left = np.zeros((41, 2))
        left[:, 1 - column] = np.linspace(-3.1, 3.1, 41)
        right = left.copy()
        left[:, column], right[:, column] = np.pi - tiny, -np.pi + tiny
        assert np.abs(model.log_prob(left) - model.log_prob(right)).max() < 0.01
        # the two ends are one point
        left[:, column], right[:, column] = np.pi, -np.pi
        np.testing.assert_allclose(model.log_prob(left), model.log_prob(right), atol=1e-9)


@pytest.mark.parametrize("name", ["torus", "mixed"])
def test_a_raw_angle_would_leave_a_seam(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrong twin: networks that see angles instead of sin and cos fail the seam test."""

    def raw(x: torch.Tensor, linear: torch.Tensor, periodic: torch.Tensor) -> torch.Tensor:
        return torch.cat((x[:, linear], x[:, periodic], x[:, periodic]), dim=-1)

    monkeypatch.setattr("msgen.models.coupling.mixed_flow.angle_features", raw)
    spec, periodic = SPECS[name]
    model = build(spec, 2, periodic)
    model.fit(two_states(3000, periodic), seed=1)
    y = np.stack([np.full(41, np.pi - 1e-6), np.linspace(-3, 3, 41)], axis=1)
    jump = np.abs(model.log_prob(y) - model.log_prob(y * [-1, 1])).max()
    assert jump > 0.1


@pytest.mark.parametrize("name", SPECS)
def test_samples_come_from_the_density(name: str) -> None:
    """E_q[h] by sampling and by quadrature agree to 5 standard errors, for three functions."""
    model, periodic = fitted(name), SPECS[name][1]
    points, area = grid(periodic, 400)
    density = np.exp(model.log_prob(points)) * area
    y = model.sample(4000, np.random.default_rng(3))
    assert y.shape == (4000, 2)
    assert (np.abs(y[:, np.array(periodic)]) <= np.pi).all()
    for h in (
        lambda v: np.sin(v[:, 0]),
        lambda v: np.cos(v[:, 0] - v[:, 1]),
        lambda v: np.tanh(v[:, 1]),
    ):
        seen = h(y)
        assert abs(seen.mean() - density @ h(points)) < 5 * seen.std() / np.sqrt(len(y))


@pytest.mark.parametrize("name", ["spline", "torus", "mixed", "realnvp"])
def test_push_and_pull_are_inverse(name: str) -> None:
    """y from base noise z maps back to z, and the density follows from the change of variables."""
    model = fitted(name)
    assert isinstance(model, FlowModel)
    density = model._density
    z = density.base(2000, np.random.default_rng(5))
    with torch.no_grad():
        y = density.push(z, None)
        back, _ = density.bijection((y - density.loc) / density.scale, None)
    off = (back - z).numpy()
    off[:, SPECS[name][1]] = wrapped(off[:, SPECS[name][1]], (True,))
    assert np.abs(off).max() < 1e-6


@pytest.mark.parametrize("kind", ["spline_flow", "realnvp"])
@pytest.mark.parametrize("angles", [0, 3])
def test_jacobian_in_eight_dimensions(kind: str, angles: int) -> None:
    """log_prob against autograd's full Jacobian of base ← y, 8 variables."""
    if kind == "realnvp" and angles:
        pytest.skip("RealNVP has no periodic variables")
    rng = np.random.default_rng(0)
    periodic = (True,) * angles + (False,) * (8 - angles)
    model = build({"kind": kind, **QUICK, "transforms": 4, "epochs": 3}, 8, periodic)
    data = wrapped(rng.normal(size=(1000, 8)) @ rng.normal(size=(8, 8)) * 0.5, periodic)
    model.fit(data, seed=0)
    assert isinstance(model, FlowModel)
    density = model._density

    def to_base(v: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = density.bijection((v[None] - density.loc) / density.scale, None)[0][0]
        return out

    for y in data[:5]:
        v = torch.as_tensor(y)
        z = to_base(v).detach().numpy()
        jacobian = torch.autograd.functional.jacobian(to_base, v).numpy()
        base = -0.5 * (z[angles:] ** 2 + np.log(2 * np.pi)).sum() - angles * np.log(2 * np.pi)
        expected = base + np.linalg.slogdet(jacobian)[1]
        assert model.log_prob(y[None])[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", SPECS)
def test_saved_and_loaded_is_the_same_bit_for_bit(name: str, tmp_path) -> None:
    model = fitted(name)
    y = two_states(300, SPECS[name][1], seed=9)
    again = load(through_a_checkpoint(model.state(), tmp_path))
    assert np.array_equal(model.log_prob(y), again.log_prob(y))
    draws = [m.sample(50, np.random.default_rng(2)) for m in (model, again)]
    assert np.array_equal(*draws)
    # a resumed campaign goes on fitting as one that was not interrupted
    first, second = load(model.state()), again
    for m in (first, second):
        m.fit(two_states(600, SPECS[name][1], seed=4), seed=11)
    assert np.array_equal(first.log_prob(y), second.log_prob(y))


def test_defended_state_round_trip(tmp_path) -> None:
    broad = Broad((True, False), lower=np.array([0, -4.0]), upper=np.array([0, 4.1]))
    model = Defended(fitted("mixed"), broad, 0.1)
    y = two_states(200, (True, False))
    again = load(through_a_checkpoint(model.state(), tmp_path))
    assert np.array_equal(model.log_prob(y), again.log_prob(y))


def test_state_of_another_schema_is_refused() -> None:
    state = fitted("kde").state()
    state.config["schema_version"] = 99  # type: ignore[index]
    with pytest.raises(ValueError, match="schema 99"):
        load(state)


@pytest.mark.parametrize("name", SPECS)
def test_fit_is_a_function_of_data_and_seed(name: str) -> None:
    spec, periodic = SPECS[name]
    data = two_states(500, periodic)
    torch.manual_seed(123)
    before = torch.get_rng_state()
    densities = []
    for seed, noise in ((1, 0), (1, 5), (2, 0)):
        torch.rand(noise)  # the global generator must not matter
        torch.set_rng_state(before) if not noise else None
        model = build(spec, 2, periodic)
        model.fit(data, seed=seed)
        densities.append(model.log_prob(data))
        if not noise:
            assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(densities[0], densities[1])
    if name != "kde":
        assert not np.array_equal(densities[0], densities[2])


@pytest.mark.parametrize("name", SPECS)
def test_values_that_are_not_finite_have_no_density(name: str) -> None:
    y = np.array([[np.nan, 0.0], [0.0, np.inf], [0.5, 0.5]])
    assert np.isneginf(fitted(name).log_prob(y)).tolist() == [True, True, False]


def test_kernel_density_merges_without_losing_a_rare_state() -> None:
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(0, 0.1, (4990, 1)), rng.normal(5, 0.1, (10, 1))])
    model = KernelDensity.from_state(build({"kind": "kde"}, 1, (False,)).state())
    model.fit(y, seed=0)
    assert len(model.state().arrays["weights"]) <= 500
    x = np.linspace(-10, 15, 20001)[:, None]
    density = np.exp(model.log_prob(x)) * (x[1] - x[0])
    assert density.sum() == pytest.approx(1, abs=1e-3)
    # the merge moves no weight between states that lie far apart
    assert density[x[:, 0] > 2.5].sum() == pytest.approx(10 / 5000, rel=1e-3)
