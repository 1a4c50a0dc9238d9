"""Samplers and RePaint on trajectories of a Gaussian process, whose score is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from gaussian_paths import GaussianPaths

from msgen.models.base import Array
from msgen.models.score import inpainting
from msgen.models.score.discrete import STEPS, DiscreteNoise
from msgen.models.score.inpainting import RESAMPLED, inpaint
from msgen.models.score.keyed_noise import DrawKey, RowStreams
from msgen.models.score.noise import Noise
from msgen.models.score.samplers import Step, descend, euler_step, heun_step

EDM = Noise("edm", 1e-4, 160.0, 160.0)
LENGTH = 16


@pytest.mark.parametrize(("step", "order"), [(euler_step, 1), (heun_step, 2)])
def test_order_of_convergence(step: Step, order: int) -> None:
    """The error against the exact flow falls by 2^order where the steps are doubled."""
    paths = GaussianPaths(LENGTH)
    x = EDM.start * torch.as_tensor(np.random.default_rng(1).standard_normal((20, LENGTH, 1)))
    exact = paths.flown(x, EDM.start)

    def error(steps: int) -> float:
        made = descend(step, paths, x, None, EDM.levels(steps), np.random.default_rng(0))
        return float((made - exact).abs().max())

    errors = [error(steps) for steps in (100, 200, 400)]
    slopes = [np.log2(a / b) for a, b in pairwise(errors)]
    assert slopes[-1] == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("kind", ["edm", "linear", "scaled_linear", "cosine"])
@pytest.mark.parametrize(("step", "steps", "off"), [(euler_step, 50, 0.2), (heun_step, 30, 0.04)])
def test_covariance_of_what_is_generated(kind: str, step: Step, steps: int, off: float) -> None:
    """The linear map that a sampler is here gives it without sampling error: R Rᵀ against C.

    Started from noise alone; of Euler's 50 steps nothing better than `off` can be had.
    """
    paths = GaussianPaths(LENGTH)
    noise = EDM if kind == "edm" else DiscreteNoise.scheduled(kind, 160.0)
    rows = noise.start * torch.eye(LENGTH, dtype=torch.float64)[..., None]
    made = descend(step, paths, rows, None, noise.levels(steps), np.random.default_rng(0))
    covariance = made[..., 0].T @ made[..., 0]
    assert np.abs(covariance.numpy() - paths.covariance).max() < off
    # from a lower level without the data's own spread it would not do
    low = descend(step, paths, rows / 100, None, noise.levels(steps, 0.5), np.random.default_rng(0))
    assert np.abs((low[..., 0].T @ low[..., 0]).numpy() - paths.covariance).max() > off


@pytest.mark.parametrize("kind", ["linear", "scaled_linear", "cosine"])
def test_schedules(kind: str) -> None:
    noise = DiscreteNoise.scheduled(kind, 160.0)
    assert len(noise.sigmas) == STEPS
    assert bool((np.diff(noise.sigmas) > 0).all())
    assert noise.start <= 160 < noise.sigmas[-1] * (1.1 if kind == "linear" else 10)
    u = (torch.arange(STEPS, dtype=torch.float64) + 0.5) / STEPS
    torch.testing.assert_close(noise.training_levels(u), torch.as_tensor(noise.sigmas))
    place = noise.place(torch.as_tensor(noise.sigmas))
    torch.testing.assert_close(place, torch.arange(STEPS, dtype=torch.float64))
    levels = noise.levels(50)
    assert (levels[0], levels[-1]) == (noise.start, noise.sigma_min)
    assert bool(np.isin(levels, noise.sigmas).all())
    assert noise.levels(50, 0.55)[0] == noise.at(0.55) < noise.start


def test_published_schedules() -> None:
    """ᾱ at half time: e^{−∫β} of the linear one, cos² of the cosine one."""
    half = 1 / (1 + DiscreteNoise.scheduled("linear", 200.0).sigmas[499] ** 2)
    assert half == pytest.approx(np.exp(-(500 * 1e-4 + 0.5 * 500 * 0.0199 * 0.5)), rel=0.02)
    half = 1 / (1 + DiscreteNoise.scheduled("cosine", 200.0).sigmas[499] ** 2)
    angle = (np.array([0.5, 0.0]) + 0.008) / 1.008 * np.pi / 2
    assert half == pytest.approx(np.divide(*np.cos(angle) ** 2), rel=1e-9)


def test_levels_of_a_part_of_the_way() -> None:
    levels = EDM.levels(20, 0.55)
    assert levels[0] == pytest.approx(EDM.at(0.55))
    assert EDM.levels(20)[9] == pytest.approx(EDM.at(0.55))
    place = EDM.place(torch.tensor([1e-4, 160.0], dtype=torch.float64))
    torch.testing.assert_close(place, torch.tensor([0.0, 1000.0], dtype=torch.float64))


ENDS = {0: 1.5, LENGTH - 1: -1.0}
N = 600


def bridge(normals: object = None, repeats: int = 50) -> Array:
    """Free frames between two given ends, shape (N, LENGTH − 2)."""
    paths, rng = GaussianPaths(LENGTH), np.random.default_rng(7)
    noise = Noise("edm", 0.005, 80.0, 80.0)
    given = torch.zeros(N, LENGTH, 1, dtype=torch.float64)
    fixed = torch.zeros(N, LENGTH, 1, dtype=torch.bool)
    for frame, value in ENDS.items():
        given[:, frame], fixed[:, frame] = value, True
    x = 80.0 * torch.as_tensor(rng.standard_normal((N, LENGTH, 1)))
    made = inpaint(
        heun_step,
        paths,
        x,
        None,
        noise.levels(24),
        rng,
        given=given,
        fixed=fixed,
        jump=1,
        repeats=repeats,
    )
    assert bool((made[fixed] == given[fixed]).all())
    again = sum(RESAMPLED[0] <= level <= RESAMPLED[1] for level in noise.levels(24)[:-1])
    assert paths.calls == 2 * (24 + again * (repeats - 1)) + 1
    return made[:, 1:-1, 0].numpy()


def off(made: Array) -> tuple[float, float]:
    """Largest errors of the mean, in standard deviations, and of variances, relative."""
    _, mean, covariance = GaussianPaths(LENGTH).between(ENDS)
    spread = np.sqrt(np.diag(covariance))
    ratio = made.var(axis=0, ddof=1) / spread**2
    return (
        float(np.abs((made.mean(axis=0) - mean) / spread).max()),
        float(np.abs(ratio - 1).max()),
    )


def test_repaint_on_a_gaussian_bridge() -> None:
    """Near the exact conditional mean and variance, beyond what sampling does (0.1 and 0.15).

    RePaint is not exact: its own bias falls as the repeats grow. Without repeats it fails.
    """
    mean, variance = off(bridge())
    assert mean < 0.2
    assert variance < 0.25
    mean, variance = off(bridge(repeats=1))
    assert mean > 1.0
    assert variance > 0.4


def test_repaint_with_one_noise_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twin: what is fixed and the ways back share one noise, as the published algorithm has it."""
    drawn = torch.as_tensor(np.random.default_rng(8).standard_normal((N, LENGTH, 1)))
    monkeypatch.setattr(inpainting, "normal", lambda x, normals: drawn)
    assert off(bridge())[1] > 10


def test_rows_have_streams_of_their_own() -> None:
    keys = [DrawKey(5, r, s, a) for r in range(2) for s in range(2) for a in range(2)]
    together = RowStreams(keys)
    first, second = together.standard_normal((8, 3)), together.standard_normal((8, 3))
    alone = RowStreams(keys[5:6])
    assert np.array_equal(alone.standard_normal((1, 3))[0], first[5])
    assert np.array_equal(alone.standard_normal((1, 3))[0], second[5])
    assert len(np.unique(first)) == first.size
    with pytest.raises(ValueError, match="3 rows"):
        together.standard_normal((3, 3))
