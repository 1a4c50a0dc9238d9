"""The copula flow: marginals without training, axes where they help, walkers held out whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from built_models import build
from scipy.special import ndtri
from scipy.stats import norm

from msgen.models.coupling.copula_flow import CopulaFlow
from msgen.models.coupling.marginals import Marginals, knots
from msgen.models.coupling.normal_mixtures import NormalMixtures
from msgen.models.training.fitting import _split
from msgen.models.training.settings import Training

MIXTURE = NormalMixtures(
    np.array([[0.3, 0.7], [1.0, 0.0]]),
    np.array([[-3.0, 2.0], [1.0, 0.0]]),
    np.array([[0.4, 0.8], [2.0, 1.0]]),
)


def exact(x: np.ndarray) -> np.ndarray:
    """Φ⁻¹(F(x)) of both variables of `MIXTURE`, shape (n, 2)."""
    cdf = (MIXTURE.weights * norm.cdf(x[:, :, None], MIXTURE.means, MIXTURE.stds)).sum(axis=2)
    return ndtri(cdf)


def test_a_map_is_the_probability_integral_transform() -> None:
    layer = Marginals(2, 32).double()
    layer.place(MIXTURE)
    x = np.stack([np.linspace(-4, 4, 801), np.linspace(-6, 8, 801)], axis=1)
    z = exact(x)
    told = layer(torch.as_tensor(x))[0].numpy()
    inside = np.abs(z) < 3.5
    assert np.abs(told - z)[inside].max() < 0.02
    # a map with a quarter of the pieces is worse: the bound can fail
    coarse = Marginals(2, 6).double()
    coarse.place(MIXTURE)
    assert np.abs(coarse(torch.as_tensor(x))[0].numpy() - z)[inside].max() > 0.02


def test_a_map_and_its_inverse_agree_with_their_slope_beyond_the_knots_too() -> None:
    layer = Marginals(2, 32).double()
    layer.place(MIXTURE)
    x = torch.linspace(-30, 30, 500, dtype=torch.float64)[:, None].expand(-1, 2).clone()
    x.requires_grad_(True)
    z, log_det = layer(x)
    (slope,) = torch.autograd.grad(z.sum(), x)
    torch.testing.assert_close(log_det, torch.log(slope).sum(dim=1), rtol=0, atol=1e-9)
    back, told = layer.inverse(z.detach())
    torch.testing.assert_close(back, x.detach(), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(told, log_det.detach(), rtol=0, atol=1e-6)


def test_mixtures_find_their_components() -> None:
    """Weight and mean of two modes within 4 σ of 5,000 draws; one normal variable needs one."""
    rng = np.random.default_rng(1)
    two = np.where(rng.random(5000) < 0.3, rng.normal(-3, 0.4, 5000), rng.normal(2, 0.8, 5000))
    fitted = NormalMixtures.fit(np.stack([two, rng.normal(size=5000)], axis=1))
    w, mean, _ = fitted.one(0)
    low = w[mean < -1].sum()
    assert abs(low - 0.3) < 4 * np.sqrt(0.21 / 5000)
    assert len(fitted.one(1)[0]) == 2  # itself and the defence
    assert knots(fitted, 16)[0].shape == (2, 17)


@pytest.mark.parametrize(("tied", "turned"), [(True, True), (False, False)])
def test_axes_are_turned_where_that_says_more(tied: bool, turned: bool) -> None:
    rng = np.random.default_rng(2)
    signs = rng.choice([-1.0, 1.0], (2000, 1 if tied else 6))
    data = 2.0 * signs + 0.5 * rng.normal(size=(2000, 6))
    model = build({"kind": "copula_flow", "epochs": 1}, 6, [False] * 6)
    model.fit(data, seed=1)
    assert isinstance(model, CopulaFlow)
    assert (not np.allclose(model._density.axes, np.eye(6))) == turned


def test_two_far_modes_need_no_training() -> None:
    """Mean ln q of fresh draws within 0.05 nats of the entropy, with 20 σ between the modes."""
    rng = np.random.default_rng(3)

    def draw(n: int) -> np.ndarray:
        sign = np.where(rng.random((n, 1)) < 0.3, -1.0, 1.0)
        return 2.5 * sign + rng.normal(size=(n, 16))

    fresh = draw(4000)
    each = [np.log(w) - 0.5 * ((fresh - m) ** 2).sum(1) for w, m in ((0.3, -2.5), (0.7, 2.5))]
    entropy = np.mean(np.logaddexp(*each)) - 8 * np.log(2 * np.pi)
    gaps = {}
    for kind in ("copula_flow", "realnvp"):
        model = build({"kind": kind, "epochs": 1}, 16, [False] * 16)
        model.fit(draw(6000), seed=1)
        gaps[kind] = entropy - model.log_prob(fresh).mean()
    assert gaps["copula_flow"] < 0.05 < gaps["realnvp"]


@pytest.mark.parametrize(("stretches", "alone"), [(10, True), (0, False)])
def test_rows_of_one_stretch_are_held_out_together(stretches: int, alone: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    training = Training(learning_rate=1e-3, batch=256, ema=0.98, stretches=stretches)
    train, held = _split(1000, None, training, generator)
    assert len(held) == 100
    assert len(torch.cat((train, held)).unique()) == 1000
    split = set((train // 100).tolist()) & set((held // 100).tolist())
    assert (not split) == alone
