"""Score models: how near their density is to a known one, what it costs, and that it is exact."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from built_models import build
from rows import Row, publish
from torch import Tensor

from msgen.models.score.field import ScoreField
from msgen.models.score.model import ScoreModel
from msgen.models.score.probability_flow import ProbabilityFlow

WIDTH, SAMPLES = 0.21, 20_000
UPDATES: int | None = None
"""Gradient steps of a fit; None: the default."""
GRID = np.linspace(-2.5, 2.5, 401)[:, None]
STEP = float(GRID[1, 0] - GRID[0, 0])
LABELS = (-0.7, 0.4)


def exact(y: np.ndarray, c: float) -> np.ndarray:
    """A well at 1 + 0.2 c of weight 1/(1 + e^{−2c}), another at −1."""
    p = 1 / (1 + np.exp(-2 * c))
    wells = [np.exp(-0.5 * ((y - m) / WIDTH) ** 2) for m in (1 + 0.2 * c, -1.0)]
    return np.asarray((p * wells[0] + (1 - p) * wells[1]) / WIDTH / np.sqrt(2 * np.pi))


def draw(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same in the first of d columns, the others normal around its square; and the label."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(-1, 1, (n, 1))
    up = rng.random((n, 1)) < 1 / (1 + np.exp(-2 * c))
    y = np.where(up, 1 + 0.2 * c, -1.0) + WIDTH * rng.standard_normal((n, 1))
    return np.hstack((y, 0.3 * y**2 + 0.5 * rng.standard_normal((n, d - 1)))), c


def fitted(d: int, **options: Any) -> tuple[ScoreModel, float]:
    """A model of `draw`, and the seconds that 1,000 updates took."""
    model = build({"kind": "score", **options}, d, (False,) * d, 1)
    assert isinstance(model, ScoreModel)
    if UPDATES:
        model.config = replace(model.config, training=training(model, UPDATES))
    y, c = draw(SAMPLES, d, 0)
    report = model.fit(y, seed=1, context=c)
    batches = -(-(SAMPLES - SAMPLES // 10) // model.config.training.batch)
    return model, 1000 * report.seconds / (report.epochs * batches)


def training(model: ScoreModel, updates: int) -> Any:
    return replace(model.config.training, updates=updates)


def distance(model: ScoreModel, label: float, steps: int | None = None) -> float:
    """L1 of the model's density from the exact one."""
    used = with_steps(model, steps)
    p = np.exp(used.log_prob(GRID, np.array([[label]])))
    return float(np.abs(p - exact(GRID[:, 0], label)).sum() * STEP)


def with_steps(model: ScoreModel, steps: int | None) -> ScoreModel:
    """The same weights with another number of steps."""
    state = model.state()
    return ScoreModel.from_state(replace(state, config={**state.config, "steps": steps}))


def processes() -> list[Row]:
    """Each noise process against the mixture, at the defaults but for the width."""
    rows = []
    for noise, bound in (("edm", 0.1), ("vp", 0.15), ("ve", 0.15)):
        model, seconds = fitted(1, noise=noise, width=64)
        off = max(distance(model, c) for c in LABELS)
        what = f"L1 of p(y|c), {noise}, {SAMPLES:,} samples"
        rows.append(Row(what, off, "", "mixture", f"≤ {bound}", off <= bound))
        if noise == "edm":
            rows += discretisation(model)
            rows.append(Row("fit, 1 variable, 8 × 64", seconds, "s/1000", "one core"))
    return rows


def discretisation(model: ScoreModel) -> list[Row]:
    """What the number of steps changes: the density, never its being that of the samples."""
    at = np.array([[LABELS[1]]])
    fine = np.exp(with_steps(model, 128).log_prob(GRID, at))
    rows = []
    for steps in (8, 12, 16, 24, 32):
        coarse = with_steps(model, steps)
        p = np.exp(coarse.log_prob(GRID, at))
        off = float(np.abs(p - fine).sum() * STEP)
        rows.append(Row(f"L1 of {steps} steps from 128", off, "", "the ODE's density"))
        total = float(p.sum() * STEP)
        what = f"∫ p of {steps} steps, off 1"
        rows.append(Row(what, abs(total - 1), "", "1", "≤ 1e-3", abs(total - 1) <= 1e-3))
        rows.append(mismatch(coarse, steps, at))
    return rows


def mismatch(model: ScoreModel, steps: int, at: np.ndarray) -> Row:
    """What E|1 − e^{|Δ|}| an acceptance can be off, Δ between `log_prob` and the map's own density.

    Δ of 2,000 samples: ln q₀(z) − ln|∂y/∂z| along the steps that made y, against `log_prob`(y).
    """
    field = ScoreField(model._density.net)
    flow = ProbabilityFlow(field, field.net.noise.levels(steps))
    with torch.no_grad():
        label = field.embed(model._density.context_features(torch.as_tensor(at)), 1)
        label = label.expand(2000, -1)
        z = torch.as_tensor(20 * np.random.default_rng(1).standard_normal((2000, 1)))
        x, log_det = z, torch.zeros(2000, dtype=torch.float64)
        for high, low in flow.pairs:
            x, jacobian = flow._step_and_jacobian(x, high, low, label)
            log_det = log_det + torch.linalg.slogdet(jacobian).logabsdet
        back, found = flow.pull(x, label)
    delta = (found - log_det).abs() + ((back - z) * z / 400).abs().sum(dim=1)
    off = float(torch.expm1(delta).mean())
    return Row(
        f"acceptance off at {steps} steps", off, "", "the map's Jacobian", "≤ 1e-3", off < 1e-3
    )


def costs() -> list[Row]:
    """Fits and evaluations in one and in 60 variables, the default network."""
    rows = []
    for d, n in ((1, 1000), (2, 1000), (60, 100)):
        model, seconds = fitted(d)
        y, c = draw(n, d, 3)
        what = f"{d} variable{'s' * (d > 1)}, 8 × 128"
        rows.append(Row(f"fit, {what}", seconds, "s/1000", "one core"))
        works = {
            "sample": lambda m=model, k=n, a=c: m.sample(k, np.random.default_rng(0), a),
            "log_prob": lambda m=model, b=y, a=c: m.log_prob(b, a),
            "log_bound": lambda m=model, b=y, a=c: m.log_bound(b, a),
        }
        for name, work in works.items():
            start = time.perf_counter()
            work()
            spent = 1e3 * (time.perf_counter() - start) / n
            rows.append(Row(f"{name}, {what}", spent, "ms/row", f"{n:,} rows"))
    return rows


def brute_force(d: int = 8) -> Row:
    """`log_prob` against the Jacobian of the sampling map by central differences."""
    model, _ = fitted(d, width=64)
    net = model._density
    at = torch.tensor([[0.3]], dtype=torch.float64)
    field = ScoreField(net.net)
    flow = ProbabilityFlow(field, field.net.noise.levels(16))
    with torch.no_grad():
        label = field.embed(net.context_features(at), 1)
        centre = model._centre(field, label)
        z = torch.as_tensor(model._noise(6, np.random.default_rng(2)))

        def push(shift: Tensor) -> Tensor:
            return flow.push(centre + z + shift, label.expand(6, -1)) * net.scale + net.loc

        eye = 1e-3 * torch.eye(d, dtype=torch.float64)
        jacobian = torch.stack([(push(e) - push(-e)) / 2e-3 for e in eye], dim=-1)
        spread = model._spread
        log_q = -0.5 * (z / spread).square().sum(dim=1) - d * np.log(spread * np.sqrt(2 * np.pi))
        log_q = log_q - torch.linalg.slogdet(jacobian).logabsdet
        y = push(torch.zeros(d, dtype=torch.float64))
    off = float(np.abs(model.log_prob(y.numpy(), at.numpy()) - log_q.numpy()).max())
    return Row(
        f"log_prob in {d} variables", off, "nats", "brute-force Jacobian", "≤ 1e-4", off < 1e-4
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    publish("score", [*processes(), brute_force(), *costs()])
