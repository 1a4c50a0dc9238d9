"""The flattening bias: what it learns from biased histograms, and what it makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from driving import same

from msgen.actors.base import decode, encode
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.steered.flattening import (
    KEEP,
    PLAIN_SHARE,
    Flattener,
    bin_centres,
    make_ladder,
    smear,
)

SIGMAS = 4.5
"""Of a test's own error, for what is random."""
GRID = Grid.regular(((-2.0, 2.0),), (40,), (False,))
X = GRID.centres[0]
F = 6.0 * (X**2 - 1.0) ** 2 / 1.0 + 0.7 * X
P = np.exp(-F) / np.exp(-F).sum()
G = Conditional(1.0 / np.array([0.1]) ** 2, np.array([False]))
WHOLE = Partition.whole(np.array([False]))


def histogram(log_bias: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    q = P * np.exp(log_bias)
    return rng.multinomial(n, q / q.sum()).astype(float)


def test_biased_rounds_give_the_density_they_were_drawn_from() -> None:
    rng, n = np.random.default_rng(1), 200_000
    seen = Flattener.empty(40)
    # none, flat, and tilted far to the right; a constant in the bias must not matter
    biases = [np.zeros(40), np.minimum(F, 8.0) + 5.0, 3.0 * X - 2.0]
    for bias in biases:
        seen = seen.with_round(histogram(bias, n, rng), bias)
    p = seen.populations()
    assert p.sum() == pytest.approx(1.0)
    # the flat round alone gives a relative error of √(bins/n) and the others only add to it
    top = F < 8.0
    error = np.sqrt(top.sum() / n) * np.sqrt(1.0 + 1.0)
    deviation = np.log(p[top] / P[top])
    assert np.abs(deviation).max() < SIGMAS * error
    # forgetting the weights is seen
    plain = np.sum(seen.counts, axis=0)
    wrong = np.abs(np.log((plain[top] + 1.0) / plain.sum() / P[top]))
    assert wrong.max() > 10 * SIGMAS * error


def test_populations_of_expected_counts_are_exact() -> None:
    biases = [np.zeros(40), 0.8 * F, 4.0 * X]
    seen = Flattener.empty(40)
    for n, bias in zip((1e5, 3e4, 7e5), biases, strict=True):
        q = P * np.exp(bias)
        seen = seen.with_round(n * q / q.sum(), bias)
    assert np.allclose(np.log(seen.populations(20_000)), np.log(P), atol=1e-3)


def test_only_the_last_rounds_are_remembered() -> None:
    seen = Flattener.empty(40)
    for k in range(KEEP + 3):
        seen = seen.with_round(np.full(40, float(k)), np.zeros(40))
    assert [c[0] for c in seen.counts] == list(range(3, KEEP + 3))
    assert len(seen.bias) == KEEP
    assert same(encode(decode(Flattener, encode(seen))), encode(seen))


def test_nothing_seen_is_no_density() -> None:
    seen = Flattener.empty(40)
    seen = seen.with_round(histogram(np.zeros(40), 50, np.random.default_rng(0)), np.zeros(40))
    p = seen.populations()
    assert np.isfinite(p).all()
    assert p[0] == 0.0


@pytest.mark.parametrize("periodic", [False, True])
def test_smearing_is_a_sum_over_bins(periodic: bool) -> None:
    grid = Grid.regular(((-np.pi, np.pi), (-2.0, 2.0)), (9, 7), (periodic, False))
    g = Conditional(np.array([3.0, 2.0]), np.array([periodic, False]))
    p = np.random.default_rng(2).random(grid.size)
    points = bin_centres(grid)
    direct = [(p * np.exp(-g.energy(lam[None], points))).sum() for lam in points]
    out = smear(p, grid, g)
    assert out.shape == grid.shape
    assert np.allclose(out.ravel(), direct)


def test_the_plain_share_is_as_promised() -> None:
    ladder = make_ladder(P, 6.0, 0, WHOLE, GRID, G)
    q = P * np.exp(ladder.log_bias(X[:, None]))
    q /= q.sum()
    # P(λ absent | ξ) = h₀/B
    plain = np.exp(ladder.log_h0 - ladder.log_bias(X[:, None]))
    assert q @ plain == pytest.approx(PLAIN_SHARE, abs=1e-9)
    # and drawn, for whoever samples ξ from the biased density
    rng, n = np.random.default_rng(3), 40_000
    _, on = ladder.draw(X[rng.choice(40, n, p=q)][:, None], rng)
    assert abs((~on).mean() - PLAIN_SHARE) < SIGMAS * 0.5 / np.sqrt(n)


@pytest.mark.parametrize("height", [2.0, 5.0, 9.0])
def test_lambda_is_uniform_below_the_height_and_rare_above(height: float) -> None:
    ladder = make_ladder(P, height, 0, WHOLE, GRID, G)
    density = smear(P, GRID, G)
    at = np.exp(ladder.log_h) * density  # of λ, up to a factor
    above = -np.log(density / density.max())
    low, high = above < height, above > height + 2.0
    assert np.ptp(np.log(at[low])) < 1e-9
    if high.any():
        assert at[high].max() < at[low].min() * np.exp(-0.9)
    # what is sampled, λ present or not, is flatter than F and never less than the plain part
    biased = -np.log(P) - ladder.log_bias(X[:, None])
    rim = (F - F.min()) < height
    assert np.ptp(biased[rim]) < np.ptp(F[rim])
    assert (ladder.log_bias(X[:, None]) >= ladder.log_h0).all()


def test_a_ladder_reaches_its_stratum_only() -> None:
    halves = Partition.from_boxes({"left": {"x": (-np.inf, 0.0)}}, ("x",), np.array([False]))
    inside = P * (halves.assign(X[:, None]) == 0)
    ladder = make_ladder(inside / inside.sum(), 6.0, 0, halves, GRID, G)
    reached = X[np.isfinite(ladder.log_h)]
    assert reached.min() == X[0]
    # g is 0.1 wide: a λ further than 2σ beyond the border is no use to a walker left of it
    assert 0.0 < reached.max() <= 0.21
    other = make_ladder(inside[::-1] / inside.sum(), 6.0, 1, halves, GRID, G)
    assert X[np.isfinite(other.log_h)].min() >= -0.21


def test_a_ladder_survives_a_tree() -> None:
    ladder = make_ladder(P, 6.0, 0, WHOLE, GRID, G)
    again = decode(Ladder, encode(ladder))
    assert np.array_equal(again.log_bias(X[:, None]), ladder.log_bias(X[:, None]))
