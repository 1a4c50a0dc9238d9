"""DPM-Solver-3 on processes whose denoiser is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from msgen.models.score.samplers import (
    Step,
    descend,
    dpm_solver_3_step,
    euler_step,
    heun_step,
)
from msgen.models.steps.noise import Even, StepNoise


class Gaussian:
    """Data of mean m and variance s²: ε = σ (x − m)/(s² + σ²), and x(σ) − m ∝ √(s² + σ²)."""

    mean, spread = 0.7, 0.3

    def __init__(self) -> None:
        self.calls = 0

    def velocity(self, x: Tensor, sigma: float, context: Tensor | None) -> Tensor:
        self.calls += 1
        return sigma * (x - self.mean) / (self.spread**2 + sigma**2)

    def exact(self, x: Tensor, start: float, end: float) -> Tensor:
        ratio = (self.spread**2 + end**2) / (self.spread**2 + start**2)
        return self.mean + (x - self.mean) * ratio**0.5


def off(step: Step, steps: int) -> float:
    """Largest error of the way down between two levels, without the last step to 0."""
    field, start, end = Gaussian(), 20.0, 0.02
    x = torch.tensor([-30.0, 4.0, 25.0], dtype=torch.float64)
    levels = np.geomspace(start, end, steps + 1)
    y = x
    for a, b in pairwise(levels):
        y = step(field, y, None, float(a), float(b))
    return float((y - field.exact(x, start, end)).abs().max())


@pytest.mark.parametrize(
    ("step", "order"), [(dpm_solver_3_step, 3), (heun_step, 2), (euler_step, 1)]
)
def test_the_error_falls_by_its_order(step: Step, order: int) -> None:
    errors = np.array([off(step, n) for n in (64, 128, 256)])
    slopes = np.log2(errors[:-1] / errors[1:])
    np.testing.assert_allclose(slopes, order, atol=0.25)


def test_a_twin_with_euler_inside_is_of_lower_order() -> None:
    """Without the bend of its second evaluation the step is no longer of third order."""

    class Straight(Gaussian):
        def velocity(self, x: Tensor, sigma: float, context: Tensor | None) -> Tensor:
            true = super().velocity(x, sigma, context)
            # the second of three calls hands on what the first one did
            if self.calls % 3 == 1:
                self.first = true
            return self.first if self.calls % 3 == 2 else true

    def error(steps: int) -> float:
        field, levels = Straight(), np.geomspace(20.0, 0.02, steps + 1)
        x = torch.tensor([25.0], dtype=torch.float64)
        y = x
        for a, b in pairwise(levels):
            y = dpm_solver_3_step(field, y, None, float(a), float(b))
        return float((y - field.exact(x, 20.0, 0.02)).abs())

    assert np.log2(error(128) / error(256)) < 2.5


def test_few_steps_suffice_for_a_gaussian() -> None:
    """Eight steps from pure noise give the moments; of 24 evaluations Heun's makes less."""
    noise = StepNoise.learnt_by("noise", "log_snr")
    z = torch.as_tensor(np.random.default_rng(4).standard_normal(4000))
    errors = {}
    for name, step, steps in (("dpm", dpm_solver_3_step, 8), ("heun", heun_step, 12)):
        field = Gaussian()
        x = descend(
            step, field, noise.start * z, None, noise.levels(steps), np.random.default_rng(0)
        )
        errors[name] = abs(float(x.std()) / float(z.std()) / field.spread - 1)
        assert field.calls == 25
    assert errors["dpm"] < 0.02
    assert errors["dpm"] < errors["heun"]


def test_levels_and_times_of_the_process() -> None:
    evens: tuple[Even, ...] = ("log_snr", "time")
    for even in evens:
        noise = StepNoise.learnt_by("velocity", even)
        u = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
        sigma = noise.training_levels(u)
        time = noise.time(sigma)
        # σ² = e^{B(t)} − 1, B = 0.1 t + 19.9 t²/2
        torch.testing.assert_close(sigma**2, torch.expm1(0.1 * time + 9.95 * time**2))
        of = torch.log(sigma) if even == "log_snr" else time
        torch.testing.assert_close(torch.diff(of), torch.diff(of)[:1].expand(998))
        assert float(noise.time(torch.tensor(noise.start).double())) == pytest.approx(1)
        levels = noise.levels(5)
        assert (levels[0], levels[-1]) == pytest.approx((noise.sigma_max, noise.sigma_min))
