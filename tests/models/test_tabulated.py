"""A tabulated density: normalised, what it samples is what it evaluates, exact as a proposal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest

from msgen.actors.kernels.independence import Independence
from msgen.models import load
from msgen.models.base import Array, Drawn, GenerativeModel
from msgen.models.defensive_mixture import Broad, Defended
from msgen.models.tabulated import Tabulated
from msgen.systems.base import Walkers

LOWER, UPPER = -3.0, 3.0


def lumpy(eps: float = 0.0, seed: int = 1) -> Tabulated:
    mass = np.random.default_rng(seed).gamma(0.5, size=60)
    mass[20:25] = 0.0
    return Tabulated(LOWER, UPPER, mass, eps)


def test_meets_the_protocol_and_comes_back_from_its_state() -> None:
    table = lumpy(0.1)
    assert isinstance(table, GenerativeModel)
    again = load(table.state())
    y = np.random.default_rng(2).uniform(-3.5, 3.5, (500, 1))
    np.testing.assert_array_equal(again.log_prob(y), table.log_prob(y))
    draws = [m.sample(50, np.random.default_rng(3)) for m in (table, again)]
    np.testing.assert_array_equal(*draws)


@pytest.mark.parametrize("eps", [0.0, 0.2])
def test_what_is_sampled_is_what_is_evaluated(eps: float) -> None:
    table, n = lumpy(eps), 200_000
    fine = np.linspace(LOWER, UPPER, 60_001)
    mid = 0.5 * (fine[1:] + fine[:-1])
    assert np.exp(table.log_prob(mid[:, None])).mean() * 6.0 == pytest.approx(1.0, abs=1e-12)
    y = table.sample(n, np.random.default_rng(4))
    counts, _ = np.histogram(y, bins=table.edges)
    p = table.probabilities
    empty = p < 1e-12
    assert empty.any() == (eps == 0)
    assert not counts[empty].any()
    # χ² of 59 (or 54) degrees: 4 sigma
    chi = ((counts - n * p)[~empty] ** 2 / (n * p[~empty])).sum()
    freedom = (~empty).sum() - 1
    assert abs(chi - freedom) < 4 * np.sqrt(2 * freedom)
    outside = table.log_prob(np.array([[-3.1], [3.1], [np.nan], [np.inf]]))
    assert np.isneginf(outside).all()


def test_defence_reaches_everywhere_and_equals_a_mixture() -> None:
    table, plain = lumpy(0.25), lumpy()
    broad = Broad([False], lower=np.array([LOWER]), upper=np.array([UPPER]))
    y = np.random.default_rng(5).uniform(LOWER, UPPER, (1000, 1))
    mixture = Defended(plain, broad, 0.25)
    np.testing.assert_allclose(table.log_prob(y), mixture.log_prob(y), rtol=1e-9)
    assert np.exp(-table.log_prob(y)).max() <= 6.0 / 0.25 + 1e-9


def test_quantiles_invert_the_distribution_function() -> None:
    table = lumpy(0.1)
    u = np.linspace(0.0, 1.0, 201)
    cdf = np.interp(table.quantile(u), table.edges, np.append(0, np.cumsum(table.probabilities)))
    np.testing.assert_allclose(cdf, u, atol=1e-12)


def test_fit_is_the_weighted_histogram() -> None:
    y = np.array([[-2.9], [-2.9], [0.1], [2.95], [3.0]])
    table = Tabulated(LOWER, UPPER, np.ones(6))
    report = table.fit(y, seed=0, weights=np.array([1.0, 1.0, 4.0, 2.0, 2.0]))
    np.testing.assert_allclose(table.probabilities, [0.2, 0, 0, 0.4, 0, 0.4])
    p = np.array([0.2, 0.2, 0.4, 0.4, 0.4])
    assert report.train_loss == pytest.approx(-np.average(np.log(p), weights=[1, 1, 4, 2, 2]))
    with pytest.raises(ValueError, match="outside of the box"):
        table.fit(np.array([[3.1]]), seed=0)


@dataclass(frozen=True)
class Slanted:
    """q(y|c) ∝ e^{cy} on the box, off by a constant as a bad integration of it would be."""

    off: float = 0.0
    dim: int = 1

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        assert context is not None
        c = context[:, 0]
        return c * y[:, 0] - np.log((np.exp(3 * c) - np.exp(-3 * c)) / c) + self.off


def test_a_model_is_read_at_its_context_and_normalised() -> None:
    y, about = np.linspace(-2.9, 2.9, 40)[:, None], np.array([0.7])
    exact = Slanted().log_prob(y, np.full((40, 1), 0.7))
    for off in (0.0, 0.5):
        table = Tabulated.of(cast(GenerativeModel, Slanted(off)), LOWER, UPPER, 3000, about)
        # half a cell times the slope, 0.001 · 0.7
        np.testing.assert_allclose(table.log_prob(y), exact, atol=8e-4)


@dataclass(frozen=True)
class Tilted:
    """ρ*(y) ∝ e^{y} on the box."""

    def log_density(self, y: Array) -> Array:
        return np.where(np.abs(y[:, 0]) <= UPPER, y[:, 0], -np.inf)

    def log_density_and_gradient(self, y: Array) -> tuple[Array, Array]:
        return self.log_density(y), np.ones_like(y)


@dataclass(frozen=True)
class Twin:
    """Samples one density and evaluates another, the faults that bias a Metropolis test."""

    samples: Tabulated
    evaluates: Tabulated
    off_on_the_right: float = 0.0

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        return self.samples.sample(n, rng)

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        return self.evaluates.log_prob(y) + self.off_on_the_right * (y[:, 0] > 0)


def mean_under(proposal: Drawn) -> tuple[float, float]:
    """Mean of y over 20,000 walkers after 60 moves, and its standard error."""
    rng = np.random.default_rng(6)
    start = Walkers(rng.uniform(LOWER, UPPER, (20_000, 1)))
    y = Independence(proposal)(Tilted(), start, rng, n_steps=60).walkers.positions
    return float(y.mean()), float(y.std() / np.sqrt(len(y)))


def test_moves_are_exact_and_wrong_twins_are_not() -> None:
    # E y for e^y on [−3, 3]
    exact = 3.0 / np.tanh(3.0) - 1.0
    right, wrong = lumpy(0.3), lumpy(0.3, seed=7)
    mean, error = mean_under(right)
    assert abs(mean - exact) < 4 * error
    # another version's density; and tables of two regions, each normalised by itself
    for twin in (Twin(right, wrong), Twin(right, right, off_on_the_right=0.7)):
        mean, error = mean_under(twin)
        assert abs(mean - exact) > 8 * error


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((1.0, 1.0, np.ones(3)), "no box"),
        ((0.0, 1.0, np.zeros(3)), "not all zero"),
        ((0.0, 1.0, np.array([1.0, -1.0])), "non-negative"),
        ((0.0, 1.0, np.ones(3), 1.5), "eps"),
    ],
)
def test_wrong_tables_are_refused(arguments: tuple[float, float, Array], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Tabulated(*arguments)
    with pytest.raises(ValueError, match="another"):
        lumpy().sample(1, np.random.default_rng(1), np.zeros((1, 1)))
