"""Data transforms of models: whitening is exact, and leaves angles alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from built_models import build

from msgen.models import load
from msgen.models.base import ModelState
from msgen.models.coupling.density import Standardised
from msgen.models.coupling.flow import FlowModel
from msgen.models.training.whitening import principal_axes, white_within
from msgen.orchestrator.schema.problems import CampaignError

SMALL = {"transforms": 2, "hidden": [8], "epochs": 5}


def correlated(n: int, d: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)).T + 3.0


def jacobian(model: FlowModel, y: np.ndarray) -> float:
    """ln|∂z/∂y| by automatic differentiation of the whole map, row by row."""
    density = model.network()

    def latent(row: torch.Tensor) -> torch.Tensor:
        z, _ = density.bijection(density.to_unit(row[None]), None)
        return z[0]

    matrix = torch.autograd.functional.jacobian(latent, torch.as_tensor(y))
    return float(torch.linalg.slogdet(matrix)[1])


@pytest.mark.parametrize(
    ("kind", "transform"),
    [("realnvp", "whiten"), ("spline_flow", "whiten"), ("realnvp", "whiten_within")],
)
def test_whitened_density_has_its_whole_determinant(kind: str, transform: str) -> None:
    d = 5
    x = correlated(500, d, 0)
    model = build({"kind": kind, "transform": transform, **SMALL}, d, [False] * d)
    assert isinstance(model, FlowModel)
    model.fit(x, seed=1)
    density = model.network()
    for row in x[:3]:
        z, _ = density.bijection(density.to_unit(torch.as_tensor(row[None])), None)
        base = -0.5 * float((z**2).sum().detach()) - 0.5 * d * np.log(2 * np.pi)
        assert model.log_prob(row)[0] == pytest.approx(base + jacobian(model, row), abs=1e-9)
    # the wrong twin: the scales along the principal axes are left out of the determinant
    whole = float(density.log_unit.detach())
    density.whiten = False
    density.within = False
    assert abs(float(density.log_unit.detach()) - whole) > 1e-2


def test_whitening_makes_a_gaussian_plain() -> None:
    d = 6
    x = correlated(4000, d, 1)
    unit = Standardised([False] * d, [], whiten=True).double()
    unit.standardise(x, None, None)
    v = unit.to_unit(torch.as_tensor(x))
    assert np.cov(v.numpy().T) == pytest.approx(np.eye(d), abs=0.12)  # 5 σ of 4,000 samples
    assert unit.from_unit(v).numpy() == pytest.approx(x, abs=1e-9)
    plain = Standardised([False] * d, []).double()
    plain.standardise(x, None, None)
    off = np.cov(plain.to_unit(torch.as_tensor(x)).numpy().T) - np.eye(d)
    assert np.abs(off).max() > 0.5


def test_what_is_stiff_inside_modes_is_whitened_and_known_from_few_modes() -> None:
    """Two modes 40 σ apart: their covariance knows nothing of the stiff direction inside them."""
    rng = np.random.default_rng(5)
    d, n = 4, 3000
    shape = np.eye(d) + 0.95 * (np.ones((d, d)) - np.eye(d))
    inside = rng.standard_normal((n, d)) @ np.linalg.cholesky(shape).T
    sign = np.where(rng.random(n) < 0.3, -1.0, 1.0)
    x = inside + 20 * sign[:, None] * np.array([1.0, -1.0, 1.0, -1.0])
    white, back, log_det = white_within(x, None)
    assert white @ back == pytest.approx(np.eye(d), abs=1e-9)
    assert log_det == pytest.approx(float(np.linalg.slogdet(white)[1]))
    # 4 standard errors of a covariance from 3,000 rows, of which 7 are spent on means
    assert np.cov((inside @ white).T) == pytest.approx(np.eye(d), abs=4 * np.sqrt(2 / n))
    all_data = x @ principal_axes(x, None)
    assert np.linalg.cond(np.cov(all_data.T)) > 1000
    # one mode is left whole: its covariance is that of all data
    one = white_within(inside, None)[0]
    assert np.cov((inside @ one).T) == pytest.approx(np.eye(d), abs=1e-3)
    state = build({"kind": "realnvp", "transform": "whiten_within", **SMALL}, d, [False] * d)
    state.fit(x[:400], seed=0)
    again = load(state.state())
    assert np.array_equal(again.log_prob(x), state.log_prob(x))
    y = state.sample(50, rng)
    assert isinstance(state, FlowModel)
    unit = state.network()
    assert unit.from_unit(unit.to_unit(torch.as_tensor(y))).numpy() == pytest.approx(y, abs=1e-9)


def test_angles_are_left_alone_and_states_come_back() -> None:
    rng = np.random.default_rng(2)
    z = rng.standard_normal((400, 2))
    x = np.column_stack([z[:, 0], rng.uniform(-np.pi, np.pi, 400), z[:, 0] + 0.1 * z[:, 1]])
    spec = {"kind": "spline_flow", "transform": "whiten", **SMALL}
    model = build(spec, 3, [False, True, False])
    assert isinstance(model, FlowModel)
    model.fit(x, seed=0)
    assert model.network().to_unit(torch.as_tensor(x))[:, 1].numpy() == pytest.approx(x[:, 1])
    again = load(model.state())
    assert np.array_equal(again.log_prob(x), model.log_prob(x))
    # states from before there was a choice
    plain = build({"kind": "realnvp", **SMALL}, 2, [False, False])
    state = plain.state()
    old = {k: v for k, v in state.config.items() if k != "transform"}
    before = load(ModelState(old, state.arrays))
    assert np.array_equal(before.log_prob(x[:, ::2]), plain.log_prob(x[:, ::2]))


def test_of_angles_alone_nothing_is_turned() -> None:
    """A density of angles was asked for its axes of none."""
    angles = np.random.default_rng(0).uniform(-np.pi, np.pi, size=(200, 2))
    for transform in ("whiten", "whiten_within"):
        spec = {"kind": "spline_flow", "transform": transform, **SMALL}
        model = build(spec, 2, [True, True])
        model.fit(angles, seed=1)
        assert np.isfinite(model.log_prob(angles)).all()


def test_few_rows_turn_nothing_and_a_wrong_word_is_refused() -> None:
    d = 8
    few = correlated(d, d, 3)
    axes = np.abs(principal_axes(few / few.std(axis=0), None))
    assert np.sort(axes.max(axis=0)) == pytest.approx(np.ones(d))
    with pytest.raises(CampaignError, match="transform"):
        build({"kind": "realnvp", "transform": "whitten"}, 2, [False, False])
