"""Fitting, conditioning, defended mixtures, selection and the `model:` section."""

from __future__ import annotations

import numpy as np
import pytest
from built_models import build

from msgen.models import Broad, Defended, compare_on_held_out
from msgen.orchestrator.schema.model_alone import model_spec
from msgen.orchestrator.schema.problems import CampaignError, dotted
from msgen.systems.errors import SpecError

QUICK = {"kind": "spline_flow", "epochs": 20, "batch": 256, "hidden": [32, 32], "transforms": 2}


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("kind", ["spline_flow", "kde"])
def test_weighted_fit_recovers_the_weights(kind: str, periodic: bool) -> None:
    """Two modes sampled 50:50, weighted to 80:20: the fitted mass is within 0.03."""
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(-1.5, 0.3, 2000), rng.normal(1.5, 0.3, 2000)])[:, None]
    weights = np.where(y[:, 0] < 0, 4.0, 1.0)
    model = build({**(QUICK if kind != "kde" else {}), "kind": kind}, 1, (periodic,))
    model.fit(y, seed=1, weights=weights)
    reach = np.pi if periodic else 8.0
    x = np.linspace(-reach, reach, 8001)[:, None]
    density = np.exp(model.log_prob(x)) * (x[1] - x[0])
    assert density[:-1].sum() == pytest.approx(1, abs=1e-3)
    assert density[x[:, 0] < 0].sum() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("about", [False, True])
@pytest.mark.parametrize("angle", [False, True])
def test_context_moves_the_density(about: bool, angle: bool) -> None:
    """y = c + 0.2 noise, c spread over (−π, π): the conditional mean follows c to 0.15."""
    rng = np.random.default_rng(0)
    c = rng.uniform(-np.pi, np.pi, (4000, 1))
    y = c + 0.2 * rng.normal(size=c.shape)
    if angle:
        y = (y + np.pi) % (2 * np.pi) - np.pi
    model = build(QUICK, 1, (angle,), n_context=1, context_periodic=(about,))
    model.fit(y, seed=0, context=c)
    for value in (-2.0, 0.0, 1.5):
        draws = model.sample(2000, np.random.default_rng(1), context=np.array([[value]]))
        assert abs(np.angle(np.exp(1j * (draws - value)).mean())) < 0.15
    if about:
        ends = np.array([[np.pi - 1e-6], [-np.pi + 1e-6]])
        low, high = model.log_prob(np.full((2, 1), 3.0), context=ends)
        assert abs(low - high) < 0.01
    with pytest.raises(ValueError, match="context"):
        model.log_prob(y)


def test_conditional_density_integrates_to_one() -> None:
    rng = np.random.default_rng(0)
    c = rng.normal(size=(2000, 2))
    y = np.stack([np.sin(c[:, 0]), c[:, 1]], 1) + 0.3 * rng.normal(size=c.shape)
    model = build({**QUICK, "epochs": 4}, 2, (True, False), n_context=2)
    model.fit(y, seed=0, context=c)
    a, b = np.meshgrid((np.arange(300) + 0.5) / 300 * 2 * np.pi - np.pi, np.linspace(-9, 9, 400))
    points = np.stack([a.ravel(), b.ravel()], 1)
    p = np.exp(model.log_prob(points, context=np.array([[0.5, -1.0]])))
    assert p.sum() * (2 * np.pi / 300) * (18 / 399) == pytest.approx(1, abs=1e-3)


def test_warm_start_goes_on_and_fresh_forgets() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(1000, 2)) ** 3
    model = build({**QUICK, "epochs": 3}, 2, (False, False))
    first = model.fit(y, seed=0)
    density = model.log_prob(y)
    # the very same split and batches: a start from scratch repeats the first fit
    second = model.fit(y, seed=0)
    assert second.held_out_loss < first.held_out_loss
    fresh = model.fit(y, seed=0, fresh=True)
    assert fresh.held_out_loss == first.held_out_loss
    assert np.array_equal(model.log_prob(y), density)
    # data that moved away from the standardisation start from scratch, and are fitted well
    far = y + 100
    assert model.fit(far, seed=0).held_out_loss == pytest.approx(first.held_out_loss, abs=0.1)


def test_early_stopping_keeps_the_best_weights() -> None:
    """40 samples in 6 dimensions are overfitted at once; what is kept is the best epoch."""
    rng = np.random.default_rng(0)
    model = build({**QUICK, "epochs": 200, "patience": 10, "ema": 0}, 6, (False,) * 6)
    report = model.fit(rng.normal(size=(40, 6)), seed=0)
    assert report.epochs < 200
    held = [h for _, h in report.history]
    assert report.held_out_loss <= min(held)
    assert held[-1] > report.held_out_loss
    assert np.isfinite(report.train_loss)


def test_fit_refuses_what_it_cannot_use() -> None:
    model = build(QUICK, 2, (False, False))
    y = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(ValueError, match="at least 10"):
        model.fit(y[:5], seed=0)
    with pytest.raises(ValueError, match="shape"):
        model.fit(y[:, :1], seed=0)
    with pytest.raises(ValueError, match="not finite"):
        model.fit(np.where(y == y[3, 0], np.nan, y), seed=0)
    for weights in (-np.ones(50), np.zeros(50), np.ones(49)):
        with pytest.raises(ValueError, match="weights"):
            model.fit(y, seed=0, weights=weights)


def test_defended_bounds_the_weights() -> None:
    """q ≥ ε·broad and q ≥ (1−ε)·model everywhere; mass on a box and a torus is 1."""
    rng = np.random.default_rng(0)
    y = np.stack([rng.normal(0, 0.2, 1000), rng.normal(0, 0.2, 1000)], 1)
    broad = Broad((True, False), lower=np.array([-9.0, -3.0]), upper=np.array([9.0, 3.0]))
    model = build({"kind": "kde", "kernels": 40}, 2, (True, False))
    model.fit(y, seed=0)
    q = Defended(model, broad, 0.2)
    a, b = np.meshgrid((np.arange(200) + 0.5) / 200 * 2 * np.pi - np.pi, np.linspace(-4, 4, 801))
    points = np.stack([a.ravel(), b.ravel()], 1)
    log_q = q.log_prob(points)
    assert (log_q >= np.log(0.2) + broad.log_prob(points) - 1e-12).all()
    assert (log_q >= np.log(0.8) + model.log_prob(points) - 1e-12).all()
    assert np.exp(log_q).sum() * (2 * np.pi / 200) * 0.01 == pytest.approx(1, abs=2e-3)
    inside = broad.log_prob(np.array([[7.0, 0.0]]))[0]
    assert inside == pytest.approx(-np.log(2 * np.pi * 6))
    # 20 % of the draws are broad; those beyond 5 σ of the model are broad for sure (4 σ test)
    draws = q.sample(5000, np.random.default_rng(1))
    share = 0.2 * (1 - 2 * 1.2 / 6)
    seen = np.mean(np.abs(draws[:, 1]) > 1.2)
    assert abs(seen - share) < 4 * np.sqrt(share * (1 - share) / 5000)


def test_broad_gaussian_and_bad_broads() -> None:
    broad = Broad((False,), mean=np.full(1, 2.0), std=np.full(1, 3.0))
    x = np.linspace(-30, 40, 5000)[:, None]
    assert np.exp(broad.log_prob(x)).sum() * (x[1, 0] - x[0, 0]) == pytest.approx(1, abs=1e-3)
    draws = broad.sample(4000, np.random.default_rng(1))
    assert abs(draws.std() - 3) < 4 * 3 / np.sqrt(2 * 4000) + 0.1
    with pytest.raises(ValueError, match="lower and upper"):
        Broad((False,))
    with pytest.raises(ValueError, match="positive"):
        Broad((False,), lower=np.array([1.0]), upper=np.array([1.0]))
    with pytest.raises(ValueError, match="eps"):
        Defended(broad, broad, 0.0)


def test_new_version_must_be_better_on_held_out_data() -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(2000, 1))
    good = Broad((False,), mean=np.zeros(1), std=np.ones(1))
    wide = Broad((False,), mean=np.zeros(1), std=np.full(1, 2.0))
    result = compare_on_held_out(good, wide, data)
    # E[Δ] = ln 2 − (1 − 1/4)/2, within 4 standard errors
    assert abs(result.margin - (np.log(2) - 0.375)) < 4 * result.stderr
    assert result.better
    assert not compare_on_held_out(wide, good, data).better
    assert not compare_on_held_out(good, good, data).better
    # weighted towards the tails the wide one wins: the weights are used
    assert compare_on_held_out(wide, good, data, np.exp(0.4 * data[:, 0] ** 2)).better
    # a tiny advantage is within its own error
    near = Broad((False,), mean=np.zeros(1), std=np.full(1, 1.001))
    result = compare_on_held_out(near, good, data)
    assert abs(result.margin) < 4 * result.stderr


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"kind": "glow"}, "model.kind"),
        ({"kind": "realnvp", "bins": 4}, "model.bins"),
        ({"transforms": 0}, "model.transforms"),
        ({"hidden": []}, "model.hidden"),
        ({"hidden": [64, -1]}, "model.hidden[1]"),
        ({"bins": 1}, "model.bins"),
        ({"learning_rate": 3}, "model.learning_rate"),
        ({"ema": 1.0}, "model.ema"),
        ({"epochs": True}, "model.epochs"),
        ({"batch": "many"}, "model.batch"),
        ({"device": "tpu"}, "model.device"),
        ({"kind": "kde", "hidden": [8]}, "model.hidden"),
    ],
)
def test_wrong_model_section(spec: dict, field: str) -> None:
    with pytest.raises(CampaignError) as caught:
        model_spec({"kind": "spline_flow", **spec})
    assert dotted(caught.value.problems[0].path) == field


def test_realnvp_and_kde_refuse_what_they_cannot_do() -> None:
    with pytest.raises(SpecError, match="periodic"):
        build({"kind": "realnvp"}, 2, (True, False))
    with pytest.raises(SpecError, match="context"):
        build({"kind": "kde"}, 2, (True, False), n_context=1)
