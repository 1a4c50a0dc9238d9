"""Flows as bijections: there and back, and log-determinants against a brute-force Jacobian."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from built_models import build

from msgen.models.base import Bijective
from msgen.models.coupling.flow import FlowModel

Array = np.ndarray
CASES = {
    "spline": ({"kind": "spline_flow"}, (False, False, False)),
    "mixed": ({"kind": "spline_flow"}, (True, False, True)),
    "realnvp": ({"kind": "realnvp"}, (False, False, False)),
    "whitened": ({"kind": "realnvp", "transform": "whiten"}, (False, False, False)),
}


def data(periodic: tuple[bool, ...], seed: int) -> Array:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(600, 3)) @ [[0.5, 0.2, 0.0], [0.0, 0.4, 0.1], [0.0, 0.0, 0.6]] + seed
    return np.where(periodic, (y + np.pi) % (2 * np.pi) - np.pi, y)


@cache
def fitted(case: str, seed: int) -> FlowModel:
    spec, periodic = CASES[case]
    model = build({**spec, "transforms": 2, "hidden": [16], "epochs": 10}, 3, periodic)
    assert isinstance(model, FlowModel)
    model.fit(data(periodic, seed), seed=seed)
    return model


def jacobian(model: FlowModel, y: Array, h: float = 1e-5) -> Array:
    """ln|det ∂z/∂y| by central differences, shape (n,)."""
    columns = []
    for i in range(3):
        step = h * np.eye(3)[i]
        d = model.to_latent(y + step)[0] - model.to_latent(y - step)[0]
        angles = np.array(model.config.periodic)
        d = np.where(angles, (d + np.pi) % (2 * np.pi) - np.pi, d)
        columns.append(d / (2 * h))
    return np.linalg.slogdet(np.stack(columns, axis=2))[1]


@pytest.mark.parametrize("case", list(CASES))
def test_there_and_back(case: str) -> None:
    model, y = fitted(case, 1), data(CASES[case][1], 1)[:200]
    assert isinstance(model, Bijective)
    z, log_det = model.to_latent(y)
    back, back_det = model.from_latent(z)
    np.testing.assert_allclose(back, y, atol=1e-7)
    np.testing.assert_allclose(back_det, -log_det, atol=1e-6)


@pytest.mark.parametrize("case", list(CASES))
def test_the_log_determinant_is_that_of_the_jacobian(case: str) -> None:
    model, y = fitted(case, 1), data(CASES[case][1], 1)[:50]
    np.testing.assert_allclose(model.to_latent(y)[1], jacobian(model, y), atol=1e-5)


@pytest.mark.parametrize("case", list(CASES))
def test_two_models_share_their_base(case: str) -> None:
    """ln q_A(y) − ln q_B(M y) is the log-determinant of y → z → M y."""
    one, two = fitted(case, 1), fitted(case, 2)
    y = data(CASES[case][1], 1)[:100]
    z, there = one.to_latent(y)
    image, back = two.from_latent(z)
    np.testing.assert_allclose(there + back, one.log_prob(y) - two.log_prob(image), atol=1e-6)


def test_what_is_not_finite_stays_so() -> None:
    model = fitted("spline", 1)
    y = data((False,) * 3, 1)[:4]
    y[1, 0], y[2, 2] = np.nan, np.inf
    z, log_det = model.to_latent(y)
    back, back_det = model.from_latent(z)
    for out in (log_det, back_det, z[:, 0], back[:, 0]):
        np.testing.assert_array_equal(np.isfinite(out), [True, False, False, True])
