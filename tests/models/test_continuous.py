"""Continuous flows: the density of the map that samples, whatever was fitted, and wrong twins."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adaptive_ode import with_tolerance
from built_models import build
from frozen_models import through_a_checkpoint
from torch import Tensor
from two_states import two_states, wrapped

from msgen.models import load
from msgen.models.continuous.model import ContinuousModel
from msgen.models.score.model import ScoreModel
from msgen.models.score.probability_flow import ProbabilityFlow
from msgen.orchestrator.schema.model_alone import model_spec
from msgen.orchestrator.schema.model_kinds import SECTIONS
from msgen.orchestrator.schema.problems import CampaignError, dotted
from msgen.systems.errors import SpecError

NETWORK = {"layers": 3, "width": 32, "batch": 256}
QUICK: dict[str, dict[str, Any]] = {
    "copula_flow": {"epochs": 5, "hidden": [32, 32]},
    "cnf": {**NETWORK, "epochs": 2, "steps": 8},
    "flow_matching": {**NETWORK, "epochs": 20, "steps": 8},
    "score": {**NETWORK, "epochs": 15, "steps": 8},
}
"""One of every kind, but those that the tests named here have."""
ELSEWHERE = {
    "spline_flow": "test_models",
    "realnvp": "test_models",
    "kde": "test_models",
    "equivariant_flow": "test_equivariant",
}
CONTINUOUS = ("cnf", "flow_matching")
CASES = [
    (name, periodic)
    for name in QUICK
    for periodic in ((False, False), (True, False), (True, True))
    if name == "flow_matching" or not periodic[0] or periodic[1]
    if SECTIONS[name].angles or not any(periodic)
]


@cache
def fitted(name: str, periodic: tuple[bool, ...]) -> Any:
    model = build({"kind": name, **QUICK[name]}, 2, periodic)
    model.fit(two_states(3000, periodic), seed=1)
    return model


@cache
def in_eight(name: str, angles: int) -> ContinuousModel:
    rng = np.random.default_rng(0)
    periodic = (True,) * angles + (False,) * (8 - angles)
    model = build({"kind": name, **QUICK[name], "epochs": 2, "steps": 8}, 8, periodic)
    data = wrapped(rng.normal(size=(1000, 8)) @ rng.normal(size=(8, 8)) * 0.5, periodic)
    model.fit(data, seed=0)
    assert isinstance(model, ContinuousModel)
    return model


def mass(model: Any, periodic: tuple[bool, ...]) -> float:
    """∫ q over the circle, or as far as tails of a short fit reach, by midpoints."""
    smooth = isinstance(model, ContinuousModel | ScoreModel)
    n, reach = (80, 20.0) if smooth else (250, 10.0)
    axes = [
        np.linspace(-np.pi, np.pi, n // 2 + 1) if p else np.linspace(-reach, reach, n + 1)
        for p in periodic
    ]
    points = np.stack(np.meshgrid(*[(a[1:] + a[:-1]) / 2 for a in axes], indexing="ij"), -1)
    points = points.reshape(-1, 2)
    area = float(np.prod([a[1] - a[0] for a in axes]))
    return float(np.exp(model.log_prob(points)).sum() * area)


def test_every_kind_is_integrated() -> None:
    densities = {name for name, section in SECTIONS.items() if section.learns == "density"}
    assert set(QUICK) | set(ELSEWHERE) == densities
    for name, file in ELSEWHERE.items():
        assert f'"{name}"' in (Path(__file__).parent / f"{file}.py").read_text()


@pytest.mark.parametrize(("name", "periodic"), CASES)
def test_integrates_to_one(name: str, periodic: tuple[bool, ...]) -> None:
    assert mass(fitted(name, periodic), periodic) == pytest.approx(1, abs=1e-3)


def brute_force(model: ContinuousModel, n: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Draws, and their ln q by central differences of the map that made them."""
    z = model._density.base.sample(n, np.random.default_rng(seed))
    y, _ = model.from_latent(z)
    step, columns = 1e-4, []
    angles = np.array(model._density.angles.numpy())
    for j in range(z.shape[1]):
        shift = np.zeros(z.shape[1])
        shift[j] = step
        off = model.from_latent(z + shift)[0] - model.from_latent(z - shift)[0]
        off[:, angles] = wrapped(off[:, angles], (True,))
        columns.append(off / (2 * step))
    base = model._density.base.log_prob(torch.as_tensor(z)).numpy()
    return y, base - np.linalg.slogdet(np.stack(columns, axis=-1))[1]


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("angles", [0, 3])
def test_jacobian_in_eight_dimensions(name: str, angles: int) -> None:
    """ln q against differences of the map of all 8 variables, to 1e-4."""
    model = in_eight(name, angles)
    y, expected = brute_force(model, 6)
    np.testing.assert_allclose(model.log_prob(y), expected, atol=1e-4)


Pull = Callable[[ProbabilityFlow, Tensor, Tensor | None], tuple[Tensor, Tensor]]
EXACT = ProbabilityFlow.pull


def left_out(flow: ProbabilityFlow, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    z, log_det = EXACT(flow, y, context)
    return z, 0 * log_det


def sign_flipped(flow: ProbabilityFlow, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    z, log_det = EXACT(flow, y, context)
    return z, -log_det


def one_probe(flow: ProbabilityFlow, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    """Hutchinson's estimate of each step's divergence with one probe."""
    z, _ = EXACT(flow, y, context)
    generator = torch.Generator().manual_seed(0)
    probe = (2.0 * torch.randint(0, 2, y.shape, generator=generator) - 1).to(y)
    x, log_det = z, y.new_zeros(len(y))
    for start, end in flow.pairs:
        middle = flow._step(x, start, 0.5 * (start + end), context)
        _, jacobian = flow.field.velocity_and_jacobian(middle, 0.5 * (start + end), context)
        trace = torch.einsum("ni,nij,nj->n", probe, jacobian, probe)
        log_det = log_det + (end - start) * trace
        x = flow._step(x, start, end, context)
    return z, log_det


@pytest.mark.parametrize("twin", [left_out, sign_flipped, one_probe])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_wrong_divergence_shows(name: str, twin: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrong twins fail both tests above by far more than their tolerance."""
    model, mixed = in_eight(name, 3), (True, False)
    # a flow that is hardly fitted is nearly normalised whatever is left out
    well = fitted("flow_matching", mixed)
    y, expected = brute_force(model, 6)
    monkeypatch.setattr(ProbabilityFlow, "pull", twin)
    assert np.abs(model.log_prob(y) - expected).max() > 0.05
    assert abs(mass(well, mixed) - 1) > 5e-3


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("periodic", [(False, False), (True, False)])
def test_samples_come_from_the_density(name: str, periodic: tuple[bool, ...]) -> None:
    """E_q[h] by sampling and by weights of a broad density, to 4 standard errors."""
    model, rng = fitted(name, periodic), np.random.default_rng(3)
    drawn, told = model.sample_with_log_prob(4000, rng)
    again = model.sample(4000, np.random.default_rng(3))
    np.testing.assert_allclose(drawn, again, rtol=0, atol=1e-12)
    np.testing.assert_allclose(told[:300], model.log_prob(drawn[:300]), atol=1e-5)
    assert (np.abs(drawn[:, np.array(periodic)]) <= np.pi).all()
    broad = rng.uniform(-5, 5, (3000, 2))
    broad[:, np.array(periodic)] *= np.pi / 5
    volume = np.prod([2 * np.pi if p else 10.0 for p in periodic])
    weight = np.exp(model.log_prob(broad)) * volume
    for h in (lambda v: np.sin(v[:, 0]), lambda v: np.tanh(v[:, 1])):
        one, two = h(drawn), h(broad) * weight
        stderr = np.sqrt(one.var() / len(one) + two.var() / len(two))
        assert abs(one.mean() - two.mean()) < 4 * stderr


@pytest.mark.parametrize("name", CONTINUOUS)
def test_no_seam(name: str) -> None:
    model = fitted(name, (True, False))
    left = np.stack([np.full(21, np.pi), np.linspace(-3, 3, 21)], axis=1)
    np.testing.assert_allclose(model.log_prob(left), model.log_prob(left * [-1, 1]), atol=1e-6)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_fit_is_a_function_of_data_and_seed(name: str) -> None:
    data, densities = two_states(400, (True, False)), []
    for seed, noise in ((1, 0), (1, 5), (2, 0)):
        torch.rand(noise)  # the global generator must not matter
        model = build({"kind": name, **QUICK[name], "epochs": 2}, 2, (True, False))
        before = torch.get_rng_state()
        model.fit(data, seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
        densities.append(model.log_prob(data[:50]))
    assert np.array_equal(densities[0], densities[1])
    assert not np.array_equal(densities[0], densities[2])


@pytest.mark.parametrize("name", CONTINUOUS)
def test_saved_and_loaded_is_the_same_bit_for_bit(name: str, tmp_path: Any) -> None:
    periodic = (True, False)
    model, y = fitted(name, periodic), two_states(50, periodic, seed=9)
    first, second = load(model.state()), load(through_a_checkpoint(model.state(), tmp_path))
    assert np.array_equal(model.log_prob(y), second.log_prob(y))
    draws = [m.sample(50, np.random.default_rng(2)) for m in (model, second)]
    assert np.array_equal(*draws)
    for m in (first, second):
        m.fit(two_states(300, periodic, seed=4), seed=11)
    assert np.array_equal(first.log_prob(y), second.log_prob(y))
    assert not np.array_equal(model.log_prob(y), second.log_prob(y))


def test_weights_count() -> None:
    """They move the states' shares from 0.3 to a half, to 4 standard errors and what is fitted."""
    data = two_states(3000, (False, False))
    weights = np.where(data[:, 0] > 1, 7.0, 3.0)
    model = build({"kind": "flow_matching", **QUICK["flow_matching"]}, 2, (False, False))
    model.fit(data, seed=0, weights=weights)
    share = np.mean(model.sample(4000, np.random.default_rng(0))[:, 0] > 1)
    assert share == pytest.approx(0.5, abs=0.03 + 0.03)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_context_counts(name: str) -> None:
    """At a context, an angle, the density is that of the samples there."""
    model = build({"kind": name, **QUICK[name], "epochs": 10}, 1, (False,), 1, (True,))
    angle = np.random.default_rng(1).uniform(-np.pi, np.pi, (1500, 1))
    y = 2 * np.cos(angle) + 0.3 * np.random.default_rng(2).standard_normal((1500, 1))
    model.fit(y, seed=0, context=angle)
    for at in (0.0, np.pi / 2):
        drawn = model.sample(500, np.random.default_rng(0), np.array([[at]]))
        assert drawn.mean() == pytest.approx(2 * np.cos(at), abs=0.4)
    with pytest.raises(ValueError, match="context"):
        model.log_prob(y)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_solver_nears_the_map_as_both_are_refined(name: str) -> None:
    """The adaptive ODE at a tight tolerance is the limit of the map; at a loose one it is not."""
    model = fitted(name, (True, False))
    y = model.sample(60, np.random.default_rng(0))
    state = model.state()
    fine = load(type(state)({**state.config, "steps": 64}, state.arrays))
    tight, loose = (with_tolerance(model, t).log_prob(y) for t in (1e-8, 1e-2))
    np.testing.assert_allclose(fine.log_prob(y), tight, atol=1e-4)
    assert np.abs(loose - tight).max() > 1e-3


def test_latent_variables_there_and_back() -> None:
    for name in CONTINUOUS:
        model = in_eight(name, 3)
        y = model.sample(50, np.random.default_rng(1))
        z, log_det = model.to_latent(y)
        back, other = model.from_latent(z)
        np.testing.assert_allclose(wrapped(back - y, (True,) * 3 + (False,) * 5), 0, atol=1e-9)
        np.testing.assert_allclose(log_det, -other, atol=1e-4)
        assert np.isnan(model.to_latent(np.full((1, 8), np.nan))[0]).all()


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"kind": "cnf", "divergence": "approximate"}, "divergence"),
        ({"kind": "cnf", "kinetic": -1.0}, "kinetic"),
        ({"kind": "flow_matching", "coupling": "nearest"}, "coupling"),
        ({"kind": "flow_matching", "interpolant": "cubic"}, "interpolant"),
        ({"kind": "flow_matching", "steps": 0}, "steps"),
    ],
)
def test_wrong_settings_are_refused(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(CampaignError) as caught:
        model_spec(spec)
    assert dotted(caught.value.problems[0].path) == f"model.{field}"


def test_optimal_transport_takes_no_label() -> None:
    """Noise that is paired by distance depends on the label through the sample."""
    spec = {"kind": "flow_matching", "coupling": "optimal_transport"}
    with pytest.raises(SpecError, match="label"):
        build(spec, 2, (False, False), 1)
