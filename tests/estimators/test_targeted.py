"""TFEP, its two-sided form and DeepBAR on harmonic states with exact maps; their errors cover.

State A: ρ* = e^{−x²/2} in d dimensions. State B: ρ* = e^{−(x−5)²/(2 s²)}, so ∆F = −d ln s. The map
x → 5 + c x is exact for c = s and leaves works of some width otherwise.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from msgen.orchestrator.estimators.targeted import deep_bar, tfep, two_sided
from msgen.orchestrator.estimators.works.bar import bar

Array = np.ndarray
D, S, C = 2, 2.0, 1.8
TRUTH = -D * np.log(S)


def sample(rng: np.random.Generator, chains: int, length: int, rho: float) -> tuple[Array, Array]:
    """Standard normal AR(1) chains, shape (n, D), and the chain of each sample."""
    z = np.empty((length, chains, D))
    z[0] = rng.standard_normal((chains, D))
    for t in range(1, length):
        z[t] = rho * z[t - 1] + np.sqrt(1 - rho**2) * rng.standard_normal((chains, D))
    return z.reshape(-1, D), np.tile(np.arange(chains), length)


def forward_works(x: Array) -> Array:
    """u_B(M x) − u_A(x) − ln|det| at samples of A."""
    return ((C * x) ** 2).sum(1) / (2 * S**2) - (x**2).sum(1) / 2 - D * np.log(C)


def reverse_works(z: Array) -> Array:
    """u_A(M⁻¹ y) − u_B(y) + ln|det| at y = 5 + S z."""
    return ((S * z / C) ** 2).sum(1) / 2 - (z**2).sum(1) / 2 + D * np.log(C)


def covers(z: Array, label: str) -> None:
    """|z| < 1 and < 1.96 as often as normal, within 4 binomial σ."""
    for limit in (1.0, 1.96):
        p = 2 * norm.cdf(limit) - 1
        seen = np.mean(np.abs(z) < limit)
        assert abs(seen - p) < 4 * np.sqrt(p * (1 - p) / len(z)), f"{label}: {seen} for {p:.3f}"


def test_one_and_two_sides_cover_for_independent_samples() -> None:
    rng, one, two = np.random.default_rng(1), [], []
    for _ in range(300):
        w_f = forward_works(rng.standard_normal((300, D)))
        w_r = reverse_works(rng.standard_normal((300, D)))
        single, both = tfep(w_f), two_sided(w_f, w_r)
        one.append((single.value - TRUTH) / single.stderr)
        two.append((both.value - TRUTH) / both.stderr)
    covers(np.array(one), "tfep")
    covers(np.array(two), "two-sided")


def test_correlated_samples_cover_and_not_where_correlation_is_ignored() -> None:
    rng, right, naive, one = np.random.default_rng(2), [], [], []
    for _ in range(250):
        x, a = sample(rng, 32, 60, 0.95)
        y, b = sample(rng, 24, 60, 0.9)
        w_f, w_r = forward_works(x), reverse_works(y)
        result, single = two_sided(w_f, w_r, a, 100 + b), tfep(w_f, a)
        right.append((result.value - TRUTH) / result.stderr)
        one.append((single.value - TRUTH) / single.stderr)
        naive.append((result.value - TRUTH) / two_sided(w_f, w_r).stderr)
    covers(np.array(right), "two-sided")
    covers(np.array(one), "tfep")
    with pytest.raises(AssertionError):
        covers(np.array(naive), "correlation ignored")


def test_without_the_jacobian_it_is_wrong() -> None:
    rng = np.random.default_rng(3)
    w_f = forward_works(rng.standard_normal((4000, D)))
    w_r = reverse_works(rng.standard_normal((4000, D)))
    right = two_sided(w_f, w_r)
    jacobian = D * np.log(C)
    wrong = two_sided(w_f + jacobian, w_r - jacobian)
    assert abs(right.value - TRUTH) < 4 * right.stderr
    assert abs(wrong.value - TRUTH) > 20 * wrong.stderr
    assert abs(tfep(w_f + jacobian).value - TRUTH) > 20 * tfep(w_f).stderr


def test_a_map_that_misses_a_part_of_the_end_is_corrected_by_what_it_covers() -> None:
    """B is cut at its mean, A 0.5 above its own, and the map leaves out what is next to the cut."""
    rng, right, wrong = np.random.default_rng(10), [], []
    truth = -np.log(S) - np.log(norm.cdf(0.0) / norm.cdf(0.5))
    for _ in range(300):
        x = rng.standard_normal(1200)
        x = x[x < 0.5][:500]
        y = rng.standard_normal(1500)
        y = y[y < 0.0][:400]  # samples of B are 5 + S y
        # the map is 5 + C (x − 0.7): its image of A ends below the mean of B
        work = (C * (x - 0.7) / S) ** 2 / 2 - x**2 / 2 - np.log(C)
        work = np.where(C * (x - 0.7) < 0.0, work, np.inf)
        covered = S * y / C + 0.7 < 0.5
        found = tfep(work, None, covered)
        right.append((found.value - truth) / found.stderr)
        wrong.append((tfep(work).value - truth) / tfep(work).stderr)
    covers(np.array(right), "covered")
    assert np.mean(wrong) > 1.0


def test_an_exact_map_leaves_nothing_to_chance() -> None:
    x = np.random.default_rng(4).standard_normal((50, D))
    exact = ((S * x) ** 2).sum(1) / (2 * S**2) - (x**2).sum(1) / 2 - D * np.log(S)
    assert tfep(exact).value == pytest.approx(TRUTH, abs=1e-12)
    result = two_sided(exact, -exact)
    assert result.value == pytest.approx(TRUTH, abs=1e-12)
    assert result.stderr < 1e-12
    assert result.overlap == pytest.approx(1.0)


def test_independent_works_give_bars_own_answer() -> None:
    rng = np.random.default_rng(5)
    w_f = forward_works(rng.standard_normal((200, D)))
    w_r = reverse_works(rng.standard_normal((700, D)))
    ours, theirs = two_sided(w_f, w_r), bar(w_f, w_r)
    assert ours.value == pytest.approx(theirs.delta_f, abs=1e-10)
    assert ours.stderr == pytest.approx(theirs.stderr, rel=0.01)
    assert ours.overlap == pytest.approx(theirs.overlap, rel=1e-9)


def log_weights(x: Array, log_z: float, scale: float) -> Array:
    """ln ρ* − ln q, ρ* = e^{log_z} N(0, 1), q = N(0, scale²)."""
    return log_z + norm.logpdf(x).sum(1) - norm.logpdf(x, scale=scale).sum(1)


@pytest.mark.parametrize("scale", [0.8, 1.4])
def test_deep_bar_covers_with_a_correlated_target(scale: float) -> None:
    rng, right, naive = np.random.default_rng(6), [], []
    for _ in range(250):
        drawn = scale * rng.standard_normal((1000, D))
        x, unit = sample(rng, 10, 100, 0.97)
        model, target = (log_weights(v, -3.0, scale) for v in (drawn, x))
        result = deep_bar(model, target, None, unit)
        right.append((result.value + 3.0) / result.stderr)
        naive.append((result.value + 3.0) / deep_bar(model, target).stderr)
    covers(np.array(right), "deep bar")
    with pytest.raises(AssertionError):
        covers(np.array(naive), "correlation ignored")


def test_effective_numbers_beat_actual_ones_where_the_target_is_slow() -> None:
    """Mean squared error with Bennett's constant of the effective numbers, and of the actual."""
    rng, ours, theirs = np.random.default_rng(7), [], []
    for _ in range(200):
        drawn = 1.5 * rng.standard_normal((1000, D))
        x, unit = sample(rng, 12, 100, 0.995)
        model, target = (log_weights(v, 0.0, 1.5) for v in (drawn, x))
        ours.append(deep_bar(model, target, None, unit).value)
        theirs.append(-bar(-model, target).delta_f)
    assert np.mean(np.square(ours)) < 0.8 * np.mean(np.square(theirs))


def test_influences_add_up_to_the_error() -> None:
    """Units shared by both directions count once, with all they did."""
    rng = np.random.default_rng(8)
    x, unit = sample(rng, 30, 20, 0.9)
    w_f = forward_works(x)
    shared = two_sided(w_f, reverse_works(x), unit, unit)
    apart = two_sided(w_f, reverse_works(x), unit, 100 + unit)
    assert len(shared.units) == 30
    assert len(apart.units) == 60
    assert shared.stderr == pytest.approx(np.sqrt(np.sum(shared.influence**2)), rel=0.1)
    # forward works fall with |x|, reverse ones rise: either lowers the difference, so errors add
    assert shared.stderr > 1.2 * apart.stderr
    mixed = two_sided(w_f, reverse_works(x), unit, None)
    assert len(mixed.units) == 630
    assert len(np.unique(mixed.units)) == 630


def test_the_influence_is_the_derivative() -> None:
    """Works of one unit counted a little more often move ∆F by what its influence says."""
    rng = np.random.default_rng(9)
    w_f = forward_works(rng.standard_normal((400, D)))
    w_r = reverse_works(rng.standard_normal((400, D)))
    unit = np.arange(400) // 10
    result = two_sided(w_f, w_r, unit, 1000 + unit)
    for g in (3, 17):
        without = two_sided(w_f[unit != g], w_r, unit[unit != g], 1000 + unit)
        assert without.value - result.value == pytest.approx(-result.influence[g], rel=0.15)


def test_what_cannot_be_known_is_said() -> None:
    inf, one = np.full(3, np.inf), np.zeros(3)
    assert "finite" in tfep(inf).reason
    assert "infinite" in two_sided(inf, one).reason
    assert "no works" in two_sided(one[:0], one).reason
    few = two_sided(one, one, np.zeros(3, dtype=np.int64), np.arange(3))
    assert "two units" in few.reason
    assert np.isnan(few.stderr)
    assert few.value == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="NaN"):
        tfep(np.array([np.nan]))
