"""Interpolants, couplings, and the bijection between two sample sets."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import permutations

import numpy as np
import pytest
import torch

from msgen.models.continuous.interpolants import (
    Interpolant,
    independent,
    optimal_transport,
    squares,
)
from msgen.models.continuous.transport import Transport
from msgen.models.score.probability_flow import ProbabilityFlow
from msgen.models.training.settings import Training

QUICK = Training(learning_rate=5e-3, batch=256, ema=0.98, epochs=20)
Array = np.ndarray


@pytest.mark.parametrize("kind", ["linear", "trigonometric"])
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("angles", [[], [0, 2]])
def test_paths_join_their_ends_and_know_their_slope(
    kind: str, noise: float, angles: list[int]
) -> None:
    rng = np.random.default_rng(0)
    x0, x1, zeta = (torch.as_tensor(rng.uniform(-3, 3, (50, 3))) for _ in range(3))
    columns = torch.tensor(angles, dtype=torch.long)

    def at(t: float) -> tuple[torch.Tensor, torch.Tensor]:
        time = torch.full((50, 1), t, dtype=torch.float64)
        return Interpolant(kind, noise).between(x0, x1, time, columns, zeta)

    np.testing.assert_allclose(at(0.0)[0], x0, atol=1e-12)
    off = (at(1.0)[0] - x1).numpy()
    off[:, angles] = np.mod(off[:, angles] + np.pi, 2 * np.pi) - np.pi
    np.testing.assert_allclose(off, 0, atol=1e-12)
    slope = (at(0.3 + 1e-6)[0] - at(0.3 - 1e-6)[0]) / 2e-6
    np.testing.assert_allclose(at(0.3)[1], slope, atol=1e-7)
    # angles take the shorter arc
    if not noise:
        way = (at(1.0)[0] - x0)[:, angles].numpy()
        assert np.abs(way).max(initial=0.0) <= np.pi + 1e-12


def test_optimal_transport_is_the_cheapest_permutation() -> None:
    """Of five rows, against all 120; an angle counts by its shorter arc."""
    rng = np.random.default_rng(1)
    x0, x1 = rng.uniform(-3, 3, (5, 2)), rng.uniform(-3, 3, (5, 2))
    angles = np.array([1])
    cost = squares(x0, x1, angles)
    arc = np.abs(np.mod(x0[:, None, 1] - x1[:, 1] + np.pi, 2 * np.pi) - np.pi)
    np.testing.assert_allclose(cost, (x0[:, None, 0] - x1[:, 0]) ** 2 + arc**2)
    least = min(sum(cost[p[i], i] for i in range(5)) for p in permutations(range(5)))
    paired = optimal_transport(angles)(x0, x1, rng)
    assert {tuple(row) for row in paired} == {tuple(row) for row in x0}
    assert np.trace(squares(paired, x1, angles)) == pytest.approx(least)
    assert np.trace(squares(independent(x0, x1, rng), x1, angles)) > least


def ends(n: int, seed: int) -> tuple[Array, Array]:
    """One mode (1, 0) ± (0.3, 1), and two of 0.4 and 0.6."""
    rng = np.random.default_rng(seed)
    left = rng.random((n, 1)) < 0.4
    first = [1.0, 0.0] + rng.normal(size=(n, 2)) * [0.3, 1.0]
    return first, np.where(left, -1.2, 1.0) * [1, 0.5] + 0.3 * rng.normal(size=(n, 2))


def log_ends(x: Array, y: Array) -> tuple[Array, Array]:
    first = -0.5 * (((x - [1, 0]) / [0.3, 1]) ** 2).sum(axis=1) - np.log(0.3 * 2 * np.pi)
    parts = [
        np.log(share) - 0.5 * (((y - np.array(mean)) / 0.3) ** 2).sum(axis=1)
        for share, mean in ((0.4, (-1.2, -0.6)), (0.6, (1.0, 0.5)))
    ]
    return first, np.logaddexp(*parts) - np.log(0.09 * 2 * np.pi)


@cache
def carried() -> Transport:
    out = Transport.between((False, False), layers=3, width=48, training=QUICK)
    out.fit(*ends(3000, 0), seed=1)
    return out


def work(out: Transport, n: int) -> tuple[Array, Array]:
    x = ends(n, 5)[0]
    y, log_det = out.forward(x)
    first, second = log_ends(x, y)
    return y, second + log_det - first


def test_there_and_back_to_rounding() -> None:
    x = ends(500, 3)[0]
    y, log_det = carried().forward(x)
    back, other = carried().inverse(y)
    np.testing.assert_allclose(back, x, rtol=0, atol=1e-10)
    np.testing.assert_allclose(log_det, -other, atol=1e-5)


def test_log_determinant_against_differences() -> None:
    x, step = ends(20, 4)[0], 1e-5
    columns = [
        (carried().forward(x + step * e)[0] - carried().forward(x - step * e)[0]) / (2 * step)
        for e in np.eye(2)
    ]
    expected = np.linalg.slogdet(np.stack(columns, axis=-1))[1]
    np.testing.assert_allclose(carried().forward(x)[1], expected, atol=1e-6)


def test_targeted_perturbation_is_exact_for_any_fit() -> None:
    """⟨e^{−w}⟩ = 1 to 4 standard errors, and weights narrow enough to say something."""
    y, log_w = work(carried(), 4000)
    w = np.exp(log_w)
    assert abs(w.mean() - 1) < 4 * w.std() / np.sqrt(len(w))
    assert w.std() / np.sqrt(len(w)) < 0.02
    assert np.mean(y[:, 0] > 0) == pytest.approx(0.6, abs=0.06)


def test_without_its_log_determinant_it_would_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrong twin: the map without the Jacobian of the flow fails the same test."""
    exact = ProbabilityFlow.push_with_log_det

    def without(
        flow: ProbabilityFlow, z: torch.Tensor, context: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        y, log_det = exact(flow, z, context)
        return y, 0 * log_det

    monkeypatch.setattr(ProbabilityFlow, "push_with_log_det", without)
    w = np.exp(work(carried(), 4000)[1])
    assert abs(w.mean() - 1) > 8 * w.std() / np.sqrt(len(w))


def test_state_is_the_same_bit_for_bit_and_goes_on() -> None:
    out, again = carried(), Transport.from_state(carried().state())
    x = ends(100, 6)[0]
    for a, b in zip(out.forward(x), again.forward(x), strict=True):
        assert np.array_equal(a, b)
    third = Transport.from_state(carried().state())
    for other in (again, third):
        other.fit(*ends(300, 7), seed=3, fresh=True)
    assert np.array_equal(again.forward(x)[0], third.forward(x)[0])
    assert not np.array_equal(again.forward(x)[0], out.forward(x)[0])


def test_angles_and_weights() -> None:
    """On the circle both ends are met, and weights of either end move its mean."""
    rng = np.random.default_rng(0)
    first = np.mod(3.0 + 0.3 * rng.normal(size=(2000, 1)) + np.pi, 2 * np.pi) - np.pi
    left = rng.random((2000, 1)) < 0.5
    second = np.where(left, -2.5, -1.0) + 0.2 * rng.normal(size=(2000, 1))
    longer = replace(QUICK, epochs=80)
    out = Transport.between((True,), layers=3, width=32, training=longer)
    out.fit(first, second, seed=0, weights1=np.where(left[:, 0], 3.0, 1.0))
    y, _ = out.forward(first)
    assert (np.abs(y) <= np.pi).all()
    assert np.mean(y < -1.75) == pytest.approx(0.75, abs=0.08)
    back, _ = out.inverse(y)
    np.testing.assert_allclose(np.cos(back - first), 1, atol=1e-10)
    with pytest.raises(ValueError, match="at least 10"):
        out.fit(first[:5], second, seed=0)
