"""Conditional score models against mixtures whose density is known."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from built_models import build
from frozen_models import through_a_checkpoint

from msgen.models import compare_on_held_out, load
from msgen.models.score.model import ScoreModel
from msgen.orchestrator.schema.problems import CampaignError, dotted
from msgen.systems.errors import SpecError

QUICK: dict[str, Any] = {
    "kind": "score",
    "layers": 5,
    "width": 48,
    "learning_rate": 1e-2,
    "batch": 256,
}
WIDTH = 0.21


def right(c: np.ndarray) -> np.ndarray:
    """Weight of the well at 1 + 0.2 c; the rest stands at −1."""
    return 1 / (1 + np.exp(-2 * c))


def exact(y: np.ndarray, c: float) -> np.ndarray:
    p = right(np.array(c))
    return p * normal(y - 1 - 0.2 * c) + (1 - p) * normal(y + 1)


def normal(x: np.ndarray, width: float = WIDTH) -> np.ndarray:
    return np.exp(-0.5 * (x / width) ** 2) / width / np.sqrt(2 * np.pi)


def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    c = rng.uniform(-1, 1, n)
    y = np.where(rng.random(n) < right(c), 1 + 0.2 * c, -1.0) + WIDTH * rng.standard_normal(n)
    return y[:, None], c[:, None]


@cache
def fitted(noise: str, unconditional: float = 0.0) -> ScoreModel:
    spec = {**QUICK, "noise": noise, "unconditional": unconditional, "epochs": 35}
    model = build(spec, 1, (False,), 1)
    y, c = draw(10_000, 0)
    model.fit(y, seed=1, context=c)
    assert isinstance(model, ScoreModel)
    return model


GRID = np.linspace(-2.5, 2.5, 201)[:, None]
STEP = float(GRID[1, 0] - GRID[0, 0])


def density(model: Any, c: float | None) -> np.ndarray:
    context = None if c is None else np.array([[c]])
    return np.asarray(np.exp(model.log_prob(GRID, context)))


@pytest.mark.parametrize(("noise", "off"), [("edm", 0.15), ("vp", 0.25), ("ve", 0.25)])
def test_conditional_density(noise: str, off: float) -> None:
    """L1 and the wells' widths; VP and VE spread their levels wider and learn more slowly."""
    for c in (-0.7, 0.4):
        p = density(fitted(noise), c)
        assert p.sum() * STEP == pytest.approx(1, abs=1e-3)
        assert np.abs(p - exact(GRID[:, 0], c)).sum() * STEP < off
        for well in (GRID[:, 0] > 0, GRID[:, 0] < 0):
            q = p[well] / p[well].sum()
            mean = q @ GRID[well, 0]
            assert np.sqrt(q @ (GRID[well, 0] - mean) ** 2) == pytest.approx(WIDTH, rel=off)


def test_processes_agree() -> None:
    p = [density(fitted(noise), 0.4) for noise in ("edm", "vp", "ve")]
    for other in p[1:]:
        assert np.abs(p[0] - other).sum() * STEP < 0.25
    # the label matters: another one is far away
    assert np.abs(p[0] - density(fitted("edm"), -0.7)).sum() * STEP > 0.5


def test_samples_come_from_the_density() -> None:
    """Kolmogorov's distance to the density's own integral; four steps instead of 16 fail it."""
    model, n = fitted("edm"), 6000
    cumulated = np.cumsum(density(model, 0.4)) * STEP

    def distance(of: ScoreModel) -> float:
        y = np.sort(of.sample(n, np.random.default_rng(2), np.array([[0.4]]))[:, 0])
        seen = (np.arange(n) + 0.5) / n
        return float(np.abs(np.interp(y, GRID[:, 0] + STEP / 2, cumulated) - seen).max())

    # P(√n D > 1.95) = 0.001
    assert distance(model) < 1.95 / np.sqrt(n)
    assert distance(with_options(model, steps=4)) > 1.95 / np.sqrt(n)


def with_options(model: ScoreModel, **options: Any) -> ScoreModel:
    """The same weights, drawn in another way."""
    other = ScoreModel(dataclasses.replace(model.config, **options))
    other._density.load_state_dict(model._density.state_dict())
    return other


@pytest.mark.parametrize(
    "options", [{"sampler": "heun"}, {"sampler": "heun", "churn": 20.0}, {"sampler": "sde"}]
)
def test_other_samplers_come_near(options: dict[str, Any]) -> None:
    model = with_options(fitted("edm"), **options)
    y = model.sample(3000, np.random.default_rng(3), np.array([[0.4]]))[:, 0]
    p = density(model, 0.4)
    share = p[GRID[:, 0] > 0].sum() * STEP
    assert abs((y > 0).mean() - share) < 4 * np.sqrt(share * (1 - share) / 3000) + 0.02
    assert y[y > 0].std() == pytest.approx(WIDTH, rel=0.15)


def test_extrapolates_the_label() -> None:
    """A double well whose tilt follows the label, learnt from 0 to 10, asked for at 5 and at 12.

    Crabtree, Bello-Rivas and Kevrekidis (2023), eq. 6 and 7; L1 below 0.15 and 0.3.
    """
    z = np.linspace(-2.2, 2.2, 881)

    def wells(c: float) -> np.ndarray:
        p = np.exp(-2 * ((z**2 - 1) ** 2 + (0.2 * c - 1) * z))
        return np.asarray(p / p.sum())

    rng = np.random.default_rng(17)
    labels = np.linspace(0, 10, 201)
    y = np.stack([rng.choice(z, 100, p=wells(c)) for c in labels]).reshape(-1, 1)
    y = y + 0.005 * rng.uniform(-0.5, 0.5, y.shape)
    model = build({**QUICK, "epochs": 20}, 1, (False,), 1)
    model.fit(y, seed=1, context=np.repeat(labels, 100)[:, None])
    for c, bound in ((5.0, 0.15), (12.0, 0.3)):
        q, p = wells(c)[::4] * 4, np.exp(model.log_prob(z[::4, None], np.array([[c]]))) * 0.02
        assert np.abs(p - q).sum() < bound


def test_importance_weights_average_to_one() -> None:
    """E_q[p/q] = 1 within four standard errors, p the exact mixture, in two dimensions.

    A density that leaves out the Jacobian of the standardisation fails.
    """
    rng = np.random.default_rng(4)
    y, c = draw(8000, 5)
    y = np.hstack((y, 0.5 * y**2 + 0.4 * rng.standard_normal(y.shape)))
    model = build({**QUICK, "epochs": 30}, 2, (False, False), 1)
    assert isinstance(model, ScoreModel)
    model.fit(y, seed=1, context=c)
    at = np.array([[0.3]])
    x = model.sample(1500, np.random.default_rng(6), at)
    log_p = np.log(exact(x[:, 0], 0.3)) + np.log(normal(x[:, 1] - 0.5 * x[:, 0] ** 2, 0.4))
    log_q = model.log_prob(x, at)
    # what lies between the wells has weights without a variance; it is left out on both sides
    inside = np.abs(log_p - log_q) < 3
    weight = np.where(inside, np.exp(log_p - log_q), 0.0)
    error = 4 * weight.std() / np.sqrt(len(x)) + 0.02
    assert inside.mean() > 0.97
    assert abs(weight.mean() - 1) < error
    twin = weight / np.prod(model._density.scale.numpy())
    assert abs(twin.mean() - 1) > error


def test_weights_are_those_of_the_target() -> None:
    """Samples of one density weighted to another; without the weights both tests fail."""
    rng = np.random.default_rng(7)
    y = np.where(rng.random(12_000) < 0.5, 1.0, -1.0) + 0.4 * rng.standard_normal(12_000)
    target = 0.8 * normal(y - 1) + 0.2 * normal(y + 1)
    weights = target / (0.5 * normal(y - 1, 0.4) + 0.5 * normal(y + 1, 0.4))

    def share_and_width(w: np.ndarray | None) -> tuple[float, float]:
        model = build({**QUICK, "epochs": 20 if w is not None else 8}, 1, (False,))
        model.fit(y[:, None], seed=1, weights=w)
        p = density(model, None) * STEP
        side = GRID[:, 0] > 0
        q = p[side] / p[side].sum()
        spread = np.sqrt(q @ (GRID[side, 0] - q @ GRID[side, 0]) ** 2)
        return float(p[side].sum()), float(spread)

    share, width = share_and_width(weights)
    assert share == pytest.approx(0.8, abs=0.04)
    assert width == pytest.approx(WIDTH, rel=0.1)
    share, width = share_and_width(None)
    assert share < 0.6
    assert width > 0.3


def test_the_average_of_few_updates_needs_its_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    y, c = draw(2000, 8)
    spec = {**QUICK, "epochs": 10, "ema": 0.999}

    def loss() -> float:
        return build(spec, 1, (False,), 1).fit(y, seed=1, context=c).held_out_loss

    warm = loss()
    monkeypatch.setattr(
        "msgen.models.training.descent._warm_ema", torch.optim.swa_utils.get_ema_multi_avg_fn
    )
    assert loss() > warm + 0.1


def test_without_a_label() -> None:
    """One model knows p(y|c) and p(y); a model that never dropped its label refuses."""
    model = fitted("edm", 0.3)
    labels = np.linspace(-1, 1, 81)
    marginal = np.mean([exact(GRID[:, 0], c) for c in labels], axis=0)
    assert np.abs(density(model, None) - marginal).sum() * STEP < 0.15
    assert np.abs(density(model, 0.4) - exact(GRID[:, 0], 0.4)).sum() * STEP < 0.2
    with pytest.raises(ValueError, match="context of 1 columns"):
        fitted("edm").log_prob(GRID)
    with pytest.raises(ValueError, match="a fit of this model needs a context"):
        model.fit(GRID, seed=0)


def test_guidance_sharpens_the_label() -> None:
    model, at = fitted("edm", 0.3), np.array([[0.8]])
    plain, guided = (
        model.sample(2000, np.random.default_rng(9), at, guidance=g)[:, 0] for g in (1.0, 3.0)
    )
    # p(y|c)^3 / p(y)^2 has nearly all of its mass on the label's side
    assert (guided > 0).mean() > (plain > 0).mean() + 4 * np.sqrt(0.25 / 2000)
    with pytest.raises(ValueError, match="guidance"):
        fitted("edm").sample(10, np.random.default_rng(0), at, guidance=2.0)


def circle(y: np.ndarray, q: float) -> np.ndarray:
    """q around ±π and 1 − q around 0.5, both 0.3 wide."""
    turns = 2 * np.pi * np.arange(-1, 2)[:, None]
    return np.asarray(
        q * normal(y - np.pi + turns, 0.3).sum(axis=0)
        + (1 - q) * normal(y - 0.5 + turns, 0.3).sum(axis=0)
    )


def around(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    c = rng.uniform(-np.pi, np.pi, n)
    y = np.where(rng.random(n) < 0.5 + 0.4 * np.cos(c), np.pi, 0.5) + 0.3 * rng.standard_normal(n)
    return ((y + np.pi) % (2 * np.pi) - np.pi)[:, None], c[:, None]


SLOW_VE = pytest.param("ve", marks=pytest.mark.slow)


@pytest.mark.parametrize("noise", ["edm", SLOW_VE])
def test_density_on_the_circle(noise: str) -> None:
    """A well at ±π, and a label that is an angle; a model that does not wrap fails."""
    y, c = around(8000, 10)
    g = ((np.arange(400) + 0.5) / 400 * 2 * np.pi - np.pi)[:, None]
    at, area = np.array([[1.0]]), 2 * np.pi / 400
    q = circle(g[:, 0], 0.5 + 0.4 * np.cos(1.0))
    spec = {**QUICK, "noise": noise, "epochs": 30}
    model = build(spec, 1, (True,), 1, (True,))
    model.fit(y, seed=1, context=c)
    p = np.exp(model.log_prob(g, at))
    assert p.sum() * area == pytest.approx(1, abs=1e-3)
    assert np.abs(p - q).sum() * area < (0.15 if noise == "edm" else 0.25)
    ends = model.log_prob(np.array([[np.pi], [-np.pi], [3 * np.pi]]), at)
    np.testing.assert_allclose(ends, ends[0], rtol=0, atol=1e-8)
    x = model.sample(2000, np.random.default_rng(11), at)
    assert np.abs(x).max() <= np.pi
    share = p[np.abs(g[:, 0] - 0.5) < 1].sum() * area
    assert abs((np.abs(x - 0.5) < 1).mean() - share) < 4 * np.sqrt(0.25 / 2000)
    if noise == "edm":
        twin = build({**spec, "epochs": 10}, 1, (False,), 1, (True,))
        twin.fit(y, seed=1, context=c)
        r = np.exp(twin.log_prob(g, at))
        jump = twin.log_prob(np.array([[np.pi - 0.02], [-np.pi + 0.02]]), at)
        assert abs(r.sum() * area - 1) > 1e-3 or abs(jump[0] - jump[1]) > 0.1
        assert np.abs(r - q).sum() * area > 0.15


def test_angle_and_length_together() -> None:
    """Mixed columns: ∫ p = 1 on the cylinder, and their correlation is learnt."""
    rng = np.random.default_rng(12)
    theta = around(6000, 13)[0][:, 0]
    y = np.stack((theta, np.cos(theta) + 0.3 * rng.standard_normal(6000)), axis=1)
    model = build({**QUICK, "epochs": 30}, 2, (True, False))
    model.fit(y, seed=1)
    a = (np.arange(48) + 0.5) / 48 * 2 * np.pi - np.pi
    b = (np.arange(48) + 0.5) / 48 * 7 - 3.5
    points = np.stack(np.meshgrid(a, b, indexing="ij"), -1).reshape(-1, 2)
    area = (a[1] - a[0]) * (b[1] - b[0])
    p = np.exp(model.log_prob(points))
    assert p.sum() * area == pytest.approx(1, abs=1e-3)
    q = circle(points[:, 0], 0.5) * normal(points[:, 1] - np.cos(points[:, 0]), 0.3)
    assert np.abs(p - q).sum() * area < 0.25


def test_state_round_trip_determinism_and_warm_start(tmp_path: Any) -> None:
    y, c = draw(1000, 14)

    def fit(seed: int) -> ScoreModel:
        model = build({**QUICK, "epochs": 6, "unconditional": 0.2}, 1, (False,), 1)
        model.fit(y, seed=seed, context=c)
        assert isinstance(model, ScoreModel)
        return model

    model = fit(1)
    assert np.array_equal(model.log_prob(y[:60], c[:60]), fit(1).log_prob(y[:60], c[:60]))
    assert not np.array_equal(model.log_prob(y[:60], c[:60]), fit(2).log_prob(y[:60], c[:60]))
    back = load(through_a_checkpoint(model.state(), tmp_path))
    assert np.array_equal(back.log_prob(y[:60], c[:60]), model.log_prob(y[:60], c[:60]))
    draws = [m.sample(50, np.random.default_rng(0), c[:50]) for m in (model, back)]
    assert np.array_equal(*draws)
    onward = back.fit(y, seed=1, context=c)
    assert model.fit(y, seed=1, context=c).held_out_loss == onward.held_out_loss
    assert np.array_equal(back.log_prob(y[:60], c[:60]), model.log_prob(y[:60], c[:60]))
    fresh = model.fit(y, seed=1, context=c, fresh=True)
    assert onward.history[0][1] < fresh.history[0][1] - 0.01
    assert np.array_equal(model.log_prob(y[:60], c[:60]), fit(1).log_prob(y[:60], c[:60]))


@pytest.mark.parametrize("angle", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_versions_are_compared_by_their_bounds(angle: bool) -> None:
    """The bound gains where ln q gains, and says the same at every call."""
    sample = around if angle else draw
    y, c = sample(4000, 15)
    old, new = (build({**QUICK, "epochs": e}, 1, (angle,), 1, (angle,)) for e in (8, 40))
    for model in (old, new):
        model.fit(y, seed=1, context=c)
    y, c = sample(600, 16)
    verdict = compare_on_held_out(new, old, y, context=c)
    assert verdict.better
    assert verdict.margin > 4 * verdict.stderr
    gain = new.log_prob(y, c) - old.log_prob(y, c)
    assert gain.mean() > 4 * gain.std() / np.sqrt(len(y))
    assert isinstance(new, ScoreModel)
    assert np.array_equal(new.log_bound(y, c), new.log_bound(y, c))
    assert not compare_on_held_out(old, new, y, context=c).better


def test_what_is_not_finite_has_no_density() -> None:
    y = np.array([[np.nan], [np.inf], [0.0], [1e4]])
    log_q = fitted("edm").log_prob(y, np.array([[0.0]]))
    assert np.array_equal(np.isneginf(log_q[:3]), [True, True, False])
    assert log_q[3] < -1e3


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"noise": "vp"}, "noise"),
        ({"noise": "edn"}, "noise"),
        ({"sampler": "heum"}, "sampler"),
        ({"layers": 1}, "layers"),
        ({"steps": 0}, "steps"),
        ({"unconditional": 1.0}, "unconditional"),
        ({"unconditional": 0.1}, "unconditional"),
        ({"churn": -1.0, "sampler": "heun"}, "churn"),
        ({"transforms": 2}, "transforms"),
    ],
)
def test_what_is_refused(spec: dict[str, Any], field: str) -> None:
    with pytest.raises((CampaignError, SpecError)) as error:
        build({"kind": "score", **spec}, 1, (True,))
    wrong = error.value
    path = wrong.path if isinstance(wrong, SpecError) else dotted(wrong.problems[0].path)
    assert path == f"model.{field}"
