"""The probability-flow map: its density is exact at any number of steps and nears the ODE's.

The velocity is that of a known mixture, so nothing here is fitted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from msgen.models.score.noise import Noise
from msgen.models.score.probability_flow import ProbabilityFlow
from msgen.models.score.samplers import descend, heun_step, reverse_sde

NOISE = Noise.of("edm")


class Mixture:
    """Σ_k w_k N(m_k, v_k I) in d dimensions, its noised score in closed form."""

    def __init__(self, means: list[list[float]], stds: list[float], weights: list[float]) -> None:
        self.means = torch.tensor(means, dtype=torch.float64)
        self.var = torch.tensor(stds, dtype=torch.float64) ** 2
        self.weights = torch.tensor(weights, dtype=torch.float64)

    def log_prob(self, x: Tensor, sigma: float = 0.0) -> Tensor:
        total = self.var + sigma**2
        square = ((x[:, None, :] - self.means) ** 2).sum(dim=-1)
        d = x.shape[1]
        parts = torch.log(self.weights) - 0.5 * square / total
        return torch.logsumexp(parts - 0.5 * d * torch.log(2 * torch.pi * total), dim=-1)

    def velocity(self, x: Tensor, sigma: float, context: Tensor | None) -> Tensor:
        value = x.detach().requires_grad_(True)
        with torch.enable_grad():
            (score,) = torch.autograd.grad(self.log_prob(value, sigma).sum(), value)
        return -sigma * score

    def velocity_and_jacobian(
        self, x: Tensor, sigma: float, context: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        def one(row: Tensor) -> Tensor:
            return self.log_prob(row[None], sigma)[0]

        hessian = torch.func.vmap(torch.func.hessian(one))(x)
        return self.velocity(x, sigma, context), -sigma * hessian


WELLS = Mixture([[-1.14], [0.76]], [0.3, 0.2], [0.4, 0.6])
PLANE = Mixture([[-0.9, 0.5], [0.9, -0.3]], [0.3, 0.4], [0.4, 0.6])


def log_prob(field: Mixture, y: Tensor, steps: int) -> Tensor:
    z, log_det = ProbabilityFlow(field, NOISE.levels(steps)).pull(y, None)
    return start_density(z) - log_det


def start_density(z: Tensor) -> Tensor:
    spread = np.sqrt(1 + NOISE.start**2)
    d = z.shape[1]
    return -0.5 * ((z / spread) ** 2).sum(dim=-1) - d * np.log(spread * np.sqrt(2 * np.pi))


@pytest.mark.parametrize("steps", [8, 16])
def test_coarse_steps_still_have_a_normalised_density(steps: int) -> None:
    """∫ q = 1 in the plane to 1e-3 at any number of steps, though q is not the ODE's density."""
    axis = (torch.arange(60, dtype=torch.float64) + 0.5) / 60 * 6 - 3
    points = torch.cartesian_prod(axis, axis)
    area = float(axis[1] - axis[0]) ** 2
    q = torch.exp(log_prob(PLANE, points, steps))
    assert float(q.sum()) * area == pytest.approx(1, abs=1e-3)


def test_the_trace_integrated_at_coarse_steps_would_not_be_normalised() -> None:
    """The wrong twin: the ODE solved backwards, −∫ tr ∂v by the same Runge–Kutta weights."""
    axis = (torch.arange(60, dtype=torch.float64) + 0.5) / 60 * 6 - 3
    x = torch.cartesian_prod(axis, axis)
    log_det = torch.zeros(len(x), dtype=torch.float64)
    levels = NOISE.levels(8)
    for low, high in zip(levels[:0:-1], levels[-2::-1], strict=True):
        h, slope, moved, trace = high - low, torch.zeros_like(x), 0.0, 0.0
        for reach, weight in ((0.0, 1 / 6), (0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6)):
            slope, jacobian = PLANE.velocity_and_jacobian(
                x + reach * h * slope, low + reach * h, None
            )
            moved = moved + weight * slope
            trace = trace + weight * jacobian.diagonal(dim1=1, dim2=2).sum(dim=-1)
        x, log_det = x + h * moved, log_det + h * trace
    total = float(torch.exp(start_density(x) + log_det).sum()) * float(axis[1] - axis[0]) ** 2
    assert abs(total - 1) > 5e-3


def test_jacobian_in_eight_dimensions() -> None:
    """ln q of samples against autograd's full Jacobian of the map that made them."""
    rng = np.random.default_rng(0)
    field = Mixture(rng.normal(0, 0.6, (3, 8)).tolist(), [0.3, 0.4, 0.5], [0.3, 0.3, 0.4])
    z = torch.as_tensor(NOISE.start * rng.standard_normal((6, 8)))
    flow = ProbabilityFlow(field, NOISE.levels(12))
    y = flow.push(z, None)
    # columns of the Jacobian by central differences
    step, columns = 1e-4, []
    for j in range(8):
        shift = torch.zeros(8, dtype=torch.float64)
        shift[j] = step
        columns.append((flow.push(z + shift, None) - flow.push(z - shift, None)) / (2 * step))
    brute = start_density(z) - torch.linalg.slogdet(torch.stack(columns, dim=-1)).logabsdet
    back, _ = flow.pull(y, None)
    assert float((back - z).abs().max()) < 1e-5
    np.testing.assert_allclose(log_prob(field, y, 12), brute, atol=1e-4)
    # the twin: the density of another number of steps is another density
    assert float((log_prob(field, y, 24) - brute).abs().max()) > 1e-3


def test_density_converges_to_the_mixture() -> None:
    """Against the exact ln p, noised by σ_min: L1 falls by 10 from 8 to 16 steps, and is small."""
    y = torch.linspace(-2.5, 2.5, 201, dtype=torch.float64)[:, None]
    exact = torch.exp(WELLS.log_prob(y, NOISE.sigma_min))
    off = [
        float((torch.exp(log_prob(WELLS, y, n)) - exact).abs().sum()) * 5 / 200 for n in (8, 16, 64)
    ]
    assert off[1] < off[0] / 8
    assert off[1] < 0.003
    # what is left is the Gaussian at the end of the noise
    assert off[2] < 2e-4


def test_a_rows_density_does_not_depend_on_the_other_rows() -> None:
    rng = np.random.default_rng(1)
    y = torch.as_tensor(rng.normal(0, 1.2, (40, 2)))
    together = log_prob(PLANE, y, 16)
    alone = torch.cat([log_prob(PLANE, row[None], 16) for row in y[:3]])
    beside = log_prob(PLANE, torch.cat((y[:8], 1e3 * y[8:])), 16)[:8]
    np.testing.assert_allclose(together[:3], alone, rtol=0, atol=1e-10)
    np.testing.assert_allclose(together[:8], beside, rtol=0, atol=1e-10)


def test_an_adaptive_solver_would_make_rows_depend_on_one_another() -> None:
    """The wrong twin: steps chosen for the whole batch move a row's end by far more."""
    rng = np.random.default_rng(1)
    y = rng.normal(0, 1.2, (40, 2))

    def end(rows: np.ndarray) -> np.ndarray:
        def slope(t: float, x: np.ndarray) -> np.ndarray:
            v = PLANE.velocity(torch.as_tensor(x.reshape(-1, 2)), float(np.exp(t)), None)
            return np.exp(t) * v.numpy().ravel()

        span = (np.log(NOISE.sigma_min), np.log(NOISE.start))
        return solve_ivp(slope, span, rows.ravel(), rtol=1e-3).y[:, -1].reshape(-1, 2)[:8]

    assert np.abs(end(y) - end(y[:8])).max() > 1e-6


def test_high_barriers_and_far_points_can_be_inverted() -> None:
    """Wells of a fiftieth of their distance: 1,250 kT between them, and points far outside."""
    narrow = Mixture([[-1.0], [1.0]], [0.02, 0.02], [0.5, 0.5])
    flow = ProbabilityFlow(narrow, NOISE.levels(16))
    z = torch.as_tensor(NOISE.start * np.random.default_rng(2).standard_normal((400, 1)))
    back, log_det = flow.pull(flow.push(z, None), None)
    assert float((back - z).abs().max()) < 1e-3
    assert bool(torch.isfinite(log_det).all())
    far, _ = flow.pull(torch.tensor([[-50.0], [0.0], [1e3]], dtype=torch.float64), None)
    assert bool(torch.isfinite(far).all())


@pytest.mark.parametrize("kind", ["edm", "vp", "ve"])
def test_the_reverse_sde_ends_in_the_mixture(kind: str) -> None:
    """Weights and widths of the wells from 4,000 paths, to 4 standard errors and 3 % of bias."""
    rng, noise = np.random.default_rng(3), Noise.of(kind)
    scale, sigma, _, _ = noise.scale_and_level(float(noise.times(1)[0]))
    x = torch.as_tensor(scale * np.hypot(1, sigma) * rng.standard_normal((4000, 1)))
    y = reverse_sde(WELLS, x, None, noise, 256, rng).numpy()[:, 0]
    right = y > 0
    assert abs(right.mean() - 0.6) < 4 * np.sqrt(0.24 / len(y)) + 0.01
    for part, centre, width in ((y[right], 0.76, 0.2), (y[~right], -1.14, 0.3)):
        n = len(part)
        assert abs(part.mean() - centre) < 4 * width / np.sqrt(n) + 0.01
        assert abs(part.std() / width - 1) < 4 / np.sqrt(2 * n) + 0.03


def test_the_sde_without_its_noise_would_collapse() -> None:
    """The wrong twin: twice the score and no noise ends in peaks, not in wells."""

    class Silent(np.random.Generator):
        def standard_normal(self, *args: Any, **kwargs: Any) -> Any:
            return 0.0 * super().standard_normal(*args, **kwargs)

    x = torch.as_tensor(20 * np.random.default_rng(4).standard_normal((2000, 1)))
    y = reverse_sde(WELLS, x, None, NOISE, 256, Silent(np.random.PCG64(0))).numpy()[:, 0]
    assert y[y > 0].std() < 0.1


@pytest.mark.parametrize("churn", [0.0, 40.0])
def test_heun_ends_in_the_mixture(churn: float) -> None:
    rng = np.random.default_rng(5)
    x = torch.as_tensor(NOISE.start * rng.standard_normal((4000, 1)))
    y = descend(heun_step, WELLS, x, None, NOISE.levels(48), rng, churn).numpy()[:, 0]
    right = y > 0
    assert abs(right.mean() - 0.6) < 4 * np.sqrt(0.24 / len(y)) + 0.01
    assert abs(y[right].std() / 0.2 - 1) < 4 / np.sqrt(2 * right.sum()) + 0.03
    # churn makes the end depend on more than the start
    again = descend(heun_step, WELLS, x, None, NOISE.levels(48), rng, churn).numpy()[:, 0]
    assert np.array_equal(y, again) == (churn == 0)
