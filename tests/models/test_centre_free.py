"""Densities about the centre are normalised there, and moves by them keep a cluster's density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from built_models import build
from scipy.stats import multivariate_normal

from msgen.actors.configurations.independent_moves import IndependentMoves
from msgen.actors.kernels.delayed_acceptance import DelayedAcceptance
from msgen.models import Broad
from msgen.models.base import Drawn
from msgen.models.centre_free import CentreFree, DefendedCentreFree
from msgen.models.continuous import equivariant_flow
from msgen.systems.base import Array, Walkers
from msgen.systems.coordinates.free_particles import Centred

N, D = 3, 9
SEEN = Centred(N)


def gaussian(width: float, mean: float = 0.0) -> Broad:
    return Broad([False] * D, mean=np.full(D, mean), std=np.full(D, width))


def about_centre(y: Array, width: float) -> Array:
    """ln of the Gaussian of that width in the 6 dimensions about the centre."""
    axes = np.linalg.svd(np.eye(N) - np.full((N, N), 1 / N))[0][:, : N - 1]
    u = np.einsum("nia,ik->nka", y.reshape(-1, N, 3), axes).reshape(len(y), -1)
    known: Array = multivariate_normal(np.zeros(6), width**2 * np.eye(6)).logpdf(u)
    return known


@pytest.fixture(scope="module")
def flow() -> CentreFree:
    """A flow that has learnt little, of data whose centre is wide and off."""
    rng = np.random.default_rng(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equivariant_flow, "UPDATES", 40)
        patch.setattr(equivariant_flow, "MEASURED", 32)
        model = build({"kind": "equivariant_flow", "width": 8}, D, [False] * D)
        y = SEEN.encode(rng.standard_normal((300, D)) ** 3)
        model.fit(SEEN.adrift(y, rng) + 0.7, seed=2)
    return CentreFree(model, N)


@pytest.mark.parametrize("mean", [0.0, 0.4])
def test_of_a_gaussian_it_is_the_gaussian_of_fewer_dimensions(mean: float) -> None:
    q, rng = CentreFree(gaussian(1.3, mean), N), np.random.default_rng(2)
    y, told = q.sample_with_log_prob(50, rng)
    np.testing.assert_allclose(SEEN.encode(y), y, atol=1e-12)
    np.testing.assert_allclose(told, about_centre(y, 1.3), atol=1e-9)
    np.testing.assert_allclose(q.log_prob(y + 5.0), told, atol=1e-9)
    assert q.sample(0, rng).shape == (0, D)
    # of few draws all may be of one part
    for eps in (1e-9, 1.0 - 1e-9):
        y, told = DefendedCentreFree(q, N, 1.3, eps).sample_with_log_prob(2, rng)
        np.testing.assert_allclose(told, about_centre(y, 1.3), atol=1e-6)


def test_a_flow_of_particles_is_normalised_about_its_centre(flow: CentreFree) -> None:
    """The mean of p/q at its draws is 1 for a normalised p; with the centre in q it is not."""
    y, log_q = flow.sample_with_log_prob(1500, np.random.default_rng(3))
    np.testing.assert_allclose(flow.log_prob(y[:20] + 2.0), log_q[:20], atol=1e-6)
    weight = np.exp(about_centre(y, 1.2) - log_q)
    error = weight.std() / np.sqrt(len(weight))
    assert error < 0.1
    assert abs(weight.mean() - 1.0) < 4 * error
    whole = np.exp(about_centre(y, 1.2) - vars(flow)["_model"].log_prob(y))
    assert abs(whole.mean() - 1.0) > 8 * whole.std() / np.sqrt(len(whole))


def test_a_model_whose_centre_is_not_apart_is_refused() -> None:
    wide = np.ones(D)
    wide[::3] = 2.0
    with pytest.raises(ValueError, match="centre"):
        CentreFree(Broad([False] * D, mean=np.zeros(D), std=wide), N)


STIFF = 0.8
"""Of each pair, in kT: about the centre a Gaussian of 6 dimensions with width 1/√(N·STIFF)."""


@dataclass(frozen=True)
class Pairs:
    """Springs between all pairs, which know of no place."""

    stiff: float = STIFF
    quartic: float = 0.0

    def log_density(self, x: Array) -> Array:
        squares = np.sum(SEEN.encode(x) ** 2, axis=1)
        return np.asarray(-0.5 * N * self.stiff * squares - self.quartic * squares**2)

    def log_density_and_gradient(self, x: Array) -> tuple[Array, Array]:
        return self.log_density(x), np.full(x.shape, np.nan)


class Naive(DefendedCentreFree):
    """A wrong twin: densities of free numbers, mixed where the centre is at rest."""

    def __init__(self, inner: float, outer: float) -> None:
        self.parts = gaussian(inner), gaussian(outer)
        super().__init__(CentreFree(self.parts[0], N), N, outer, 0.3)

    def _mixed(self, model: Array, y: Array) -> Array:
        a, b = (part.log_prob(y) for part in self.parts)
        return np.asarray(np.logaddexp(np.log(0.7) + a, np.log(0.3) + b))


def miss(q: Drawn) -> float:
    """Of the mean of Σr² and its square after walks from exact draws, in σ."""
    rng, n = np.random.default_rng(4), 20_000
    exact = 1.0 / np.sqrt(N * STIFF)
    start = SEEN.encode(exact * rng.standard_normal((n, D))) + 3.0
    kernel = DelayedAcceptance(Pairs(0.6, 0.02), IndependentMoves(q, SEEN), 3)
    done = kernel(Pairs(), Walkers(start), rng, n_steps=4)
    assert done.passed > n
    s = np.sum(SEEN.encode(done.walkers.positions) ** 2, axis=1) / exact**2
    off = [abs(v.mean() - m) / (v.std() / np.sqrt(n)) for v, m in ((s, 6.0), (s**2, 48.0))]
    return float(max(off))


def test_moves_keep_the_density_of_a_cluster() -> None:
    right = DefendedCentreFree(CentreFree(gaussian(0.5), N), N, 1.2, 0.3)
    assert miss(right) < 4.5
    assert miss(Naive(0.5, 1.2)) > 8.0
