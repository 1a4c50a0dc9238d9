"""Training on an energy: its gradient, its annealing, its tail, and what it does to two modes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from built_models import build

from msgen.models import load
from msgen.models.base import ModelState
from msgen.models.coupling.flow import FlowModel
from msgen.models.training.energy_draws import Drawn
from msgen.models.training.reverse_kl import EnergyTraining, first_temperature, reverse_kl
from msgen.systems.potentials.mixtures import GaussianMixture

D = 2
PAIR = GaussianMixture([[-2.5, 0.0], [2.5, 0.0]], 0.3, [0.3, 0.7])


def flow(seed: int, dim: int = D, std: float = 2.0, **more: object) -> FlowModel:
    spec = {"kind": "realnvp", "transforms": 4, "hidden": [24], **more}
    model = build(spec, dim, [False] * dim)
    assert isinstance(model, FlowModel)
    model.place(np.zeros(dim), np.full(dim, std), seed)
    return model


class Counted:
    """An energy that counts its rows."""

    def __init__(self, system: GaussianMixture) -> None:
        self.system, self.rows = system, 0

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.rows += len(x)
        return self.system.value_and_gradient(x)


def weights(model: FlowModel, n: int = 4000) -> tuple[np.ndarray, float]:
    """Draws' first coordinate, normalised weights against `PAIR`, and the effective share."""
    x = model.sample(n, np.random.default_rng(9))
    log_w = -PAIR.value(x) - model.log_prob(x)
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    low = float(w[x[:, 0] < 0].sum())
    return np.array([low, float(np.mean(x[:, 0] < 0))]), float(1.0 / np.sum(w**2) / n)


def test_the_gradient_vanishes_draw_by_draw_where_the_model_is_right() -> None:
    model = flow(0)
    frozen = load(model.state())
    assert isinstance(frozen, FlowModel)

    def energy(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y = torch.tensor(x, requires_grad=True)
        u = -frozen.log_density(y)
        (slope,) = torch.autograd.grad(u.sum(), y)
        return u.detach().numpy(), slope.numpy()

    y = model.push_noise(model.noise(64, np.random.default_rng(0)))
    drawn = Drawn.by(model, energy, y)
    loss, pull, clipped = drawn.pull(1.0, 50.0)
    assert float(pull.abs().max()) < 1e-12
    assert (loss, clipped, drawn.bad) == (pytest.approx(0.0, abs=1e-12), 0.0, 0)
    # the wrong twin: with the entropy left out there is something to learn where nothing is
    twin = replace(drawn, slope=torch.zeros_like(drawn.slope))
    assert float(twin.pull(1.0, 50.0)[1].abs().max()) > 1e-3


def test_a_gaussian_is_learnt_and_log_z_with_it() -> None:
    target = GaussianMixture([[1.0, -1.0]], [[0.5, 2.0]], [1.0])

    def energy(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u, slope = target.value_and_gradient(x)
        return u - 3.0, slope  # ln Z = 3

    model = flow(1)
    report = reverse_kl(model, energy, EnergyTraining(updates=300, batch=128), seed=2)
    assert report.held_out_loss == pytest.approx(-3.0, abs=0.05)
    x = model.sample(4000, np.random.default_rng(0))
    # 4 standard errors of 4,000 draws, and what 300 updates leave
    assert x.mean(axis=0) == pytest.approx([1.0, -1.0], abs=0.2)
    assert x.std(axis=0) == pytest.approx([0.5, 2.0], rel=0.1)
    # the wrong twin: an energy whose force has the wrong sign
    wrong = flow(1)
    bad = reverse_kl(
        wrong,
        lambda x: (energy(x)[0], -energy(x)[1]),
        EnergyTraining(updates=60, batch=64),
        seed=2,
    )
    assert bad.held_out_loss > 0.0


def test_parts_seeds_and_evaluations() -> None:
    training = EnergyTraining(updates=40, batch=32, hot=10.0, recall=0.3)

    def trained(seed: int) -> tuple[FlowModel, int, int]:
        model, energy, told = flow(3), Counted(PAIR), 0
        for part in ((0.0, 0.5), (0.5, 1.0)):
            state = model.state()
            model = load(ModelState(state.config, state.arrays))
            assert isinstance(model, FlowModel)
            told += reverse_kl(model, energy, training, seed=seed, part=part).evaluations
        return model, told, energy.rows

    (a, told, counted), (b, _, _), (c, _, _) = trained(5), trained(5), trained(6)
    x = np.random.default_rng(0).standard_normal((20, D))
    assert np.array_equal(a.log_prob(x), b.log_prob(x))
    assert not np.array_equal(a.log_prob(x), c.log_prob(x))
    assert told == counted == 42 * 32
    with pytest.raises(ValueError, match="no update"):
        reverse_kl(a, Counted(PAIR), training, seed=0, part=(0.5, 0.5))
    with pytest.raises(ValueError, match="needs data"):
        reverse_kl(a, Counted(PAIR), EnergyTraining(data=0.5), seed=0)


def test_the_temperature_falls_evenly_and_stays() -> None:
    training = EnergyTraining(updates=100, hot=16.0, cooling=0.5)
    tau = [training.temperature(step) for step in (0, 25, 50, 99)]
    assert tau == pytest.approx([16.0, 4.0, 1.0, 1.0])
    assert first_temperature(np.array([0.0, 8.0, 30.0, np.inf])) == 8.0
    assert first_temperature(np.array([1.0, 1.1])) == 1.0
    with pytest.raises(ValueError, match="no reverse term"):
        EnergyTraining(data=0.5, recall=0.5)


def test_a_heavy_tail_is_clipped_and_told() -> None:
    """A repulsive core whose energy reaches 10³⁰; some rows are not finite at all."""

    def energy(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r2 = np.sum(x**2, axis=1) + 1e-12
        u = 0.5 * r2 + (0.3 / r2) ** 6
        slope = x - 12 * x / r2[:, None] * ((0.3 / r2) ** 6)[:, None]
        return np.where(x[:, 0] > 2.5, np.nan, u), slope

    model = flow(4, std=1.0)
    report = reverse_kl(model, energy, EnergyTraining(updates=60, batch=64), seed=0)
    assert report.clipped[0] > 0.05
    assert report.clipped[-1] < report.clipped[0]
    assert report.nonfinite > 0
    assert np.isfinite(report.held_out_loss)
    assert np.isfinite(model.log_prob(np.ones((1, D)))).all()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_alone_it_takes_one_mode_and_annealed_both(seed: int) -> None:
    rng = np.random.default_rng(7)
    one = flow(seed, std=1.0)
    reverse_kl(one, Counted(PAIR), EnergyTraining(updates=250, batch=128), seed=seed)
    low, ess = weights(one)
    assert min(low[0], 1 - low[0]) < 0.01, "reverse KL alone is meant to miss a mode here"
    assert ess > 0.8, "and its weights look fine"
    both = flow(seed, std=1.0)
    cold = EnergyTraining(updates=500, batch=128, hot=40.0, recall=0.3)
    reverse_kl(both, Counted(PAIR), cold, seed=seed)
    low, ess = weights(both)
    assert low[0] == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / (4000 * ess)))
    taught = flow(seed, std=1.0)
    data = PAIR.means[rng.integers(2, size=500)] + 0.4 * rng.standard_normal((500, D))
    mixed = EnergyTraining(updates=250, batch=128, data=0.4)
    reverse_kl(taught, Counted(PAIR), mixed, seed=seed, data=data)
    low, ess = weights(taught)
    assert low[0] == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / (4000 * ess)))


def test_splines_are_trained_too_and_on_angles() -> None:
    """u = ½((x−1)/½)² − cos θ: −ln Z is the least that the loss can be."""

    def energy(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, theta = y.T
        slope = np.column_stack([(x - 1) / 0.25, np.sin(theta)])
        return 0.5 * ((x - 1) / 0.5) ** 2 - np.cos(theta), slope

    model = build({"kind": "spline_flow", "transforms": 2, "hidden": [16]}, 2, [False, True])
    assert isinstance(model, FlowModel)
    model.place(np.zeros(2), np.ones(2), 0)
    report = reverse_kl(model, energy, EnergyTraining(updates=120, batch=64), seed=0)
    least = -np.log(0.5 * np.sqrt(2 * np.pi) * 2 * np.pi * np.i0(1.0))
    assert report.held_out_loss == pytest.approx(least, abs=0.05)
    assert report.history[0][0] > least + 0.2
