"""BAR, the pair network and MBAR against known answers; what they report as error must cover.

Works are Gaussian with Crooks' symmetry: w_F ~ N(ΔF + σ²/2, σ²), w_R ~ N(−ΔF + σ²/2, σ²). Infinite
works are made by cutting: a path that fails has no reverse, whatever its direction.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from msgen.orchestrator.estimators.diagnostics import work_overlap
from msgen.orchestrator.estimators.errors import inflation, interval, jackknife
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.estimators.targeted import two_sided
from msgen.orchestrator.estimators.windows.mbar import solve_mbar, surface_from_windows
from msgen.orchestrator.estimators.works.bar import bar
from msgen.orchestrator.estimators.works.network import PairWorks, solve_network

Array = np.ndarray


def works(rng: np.random.Generator, df: float, sigma: float, n_f: int, n_r: int) -> tuple:
    return (
        rng.normal(df + sigma**2 / 2, sigma, n_f),
        rng.normal(-df + sigma**2 / 2, sigma, n_r),
    )


def failing(rng: np.random.Generator, w: Array, p: float) -> Array:
    """The same works with a fraction p of paths that have no reverse."""
    return np.where(rng.random(len(w)) < p, np.inf, w)


def covers(z: Array, label: str) -> None:
    """|z| < 1 and < 1.96 as often as normal, within 4 binomial σ."""
    for limit in (1.0, 1.96):
        p = 2 * norm.cdf(limit) - 1
        seen = np.mean(np.abs(z) < limit)
        assert abs(seen - p) < 4 * np.sqrt(p * (1 - p) / len(z)), f"{label}: {seen} for {p:.3f}"


def test_bar_agrees_with_pymbar() -> None:
    from pymbar.other_estimators import bar as reference

    rng = np.random.default_rng(1)
    for n_f, n_r, sigma in ((400, 400, 1.0), (100, 700, 2.0), (500, 50, 0.5)):
        w_f, w_r = works(rng, 3.0, sigma, n_f, n_r)
        ours = bar(w_f, w_r)
        theirs = reference(w_f, w_r, uncertainty_method="BAR", relative_tolerance=1e-13)
        assert ours.delta_f == pytest.approx(theirs["Delta_f"], abs=1e-8)
        assert ours.stderr == pytest.approx(theirs["dDelta_f"], rel=1e-6)


@pytest.mark.parametrize("fail", [0.0, 0.3])
def test_bar_covers_with_and_without_failed_paths(fail: float) -> None:
    """Failing is independent of the work and as likely in both directions: Crooks still holds."""
    rng, z = np.random.default_rng(2), []
    for _ in range(400):
        w_f, w_r = works(rng, 3.0, 1.5, 150, 80)
        result = bar(failing(rng, w_f, fail), failing(rng, w_r, fail))
        z.append((result.delta_f - 3.0) / result.stderr)
    covers(np.array(z), "bar")


def test_dropping_infinite_works_instead_of_counting_them_is_wrong() -> None:
    """State A is twice as large as B, and half of it leads nowhere: ΔF = ln 2."""
    rng = np.random.default_rng(3)
    w_f, w_r = works(rng, 0.0, 1.0, 4000, 4000)
    w_f = failing(rng, w_f, 0.5)
    right = bar(w_f, w_r)
    wrong = bar(w_f[np.isfinite(w_f)], w_r)
    truth = np.log(2.0)
    assert abs(right.delta_f - truth) < 4.5 * right.stderr
    assert abs(wrong.delta_f - truth) > 8 * wrong.stderr


def correlated(rng: np.random.Generator, df: float, blocks: int, per: int) -> tuple:
    """Works that share half of their variance within a block; marginally Gaussian with σ = 1."""
    out = []
    for sign in (1.0, -1.0):
        shared = np.repeat(rng.normal(0, np.sqrt(0.5), blocks), per)
        own = rng.normal(0, np.sqrt(0.5), blocks * per)
        out.append(sign * df + 0.5 + shared + own)
    ids = np.repeat(np.arange(blocks), per)
    return out[0], out[1], ids


def test_blocks_make_correlated_works_cover_where_independence_does_not() -> None:
    rng, z, naive = np.random.default_rng(4), [], []
    for _ in range(300):
        w_f, w_r, ids = correlated(rng, 1.0, 40, 10)
        with_blocks = bar(w_f, w_r, forward_blocks=ids, reverse_blocks=ids + 1000)
        assert with_blocks.n_clusters == 40
        z.append((with_blocks.delta_f - 1.0) / with_blocks.stderr)
        naive.append((with_blocks.delta_f - 1.0) / bar(w_f, w_r).stderr)
    covers(np.array(z), "blocks")
    with pytest.raises(AssertionError):
        covers(np.array(naive), "naive")


def test_bar_says_why_it_cannot() -> None:
    inf = np.array([np.inf, np.inf])
    one = np.array([1.0, 2.0])
    for forward, reverse, reason in (
        (one, [], "no works"),
        ([], [], "no works"),
        (inf, one, "infinite"),
        (one, inf, "infinite"),
    ):
        result = bar(np.array(forward), np.array(reverse))
        assert np.isnan(result.delta_f)
        assert np.isnan(result.stderr)
        assert reason in result.reason
    single = bar(one, one, forward_blocks=np.zeros(2, int), reverse_blocks=np.arange(2))
    assert np.isfinite(single.delta_f)
    assert np.isnan(single.stderr)
    assert "blocks" in single.reason
    for bad in (np.nan, -np.inf):
        with pytest.raises(ValueError, match="NaN or −inf"):
            bar(np.array([bad]), one)
    with pytest.raises(ValueError, match="both directions"):
        bar(one, one, forward_blocks=np.arange(2))


def test_far_works_are_solved() -> None:
    result = bar(np.array([900.0, 905.0]), np.array([-880.0, -870.0]))
    assert -0.1 < result.delta_f - 890 < 15
    assert result.overlap < 1e-3 or result.overlap > 0.99


@pytest.mark.filterwarnings("error")
def test_works_that_never_meet_tell_nothing() -> None:
    """Paths too short by far: 1,700 kT are lost there and back."""
    forward, reverse = np.array([900.0, 905.0]), np.array([800.0, 790.0])
    for one in (bar(forward, reverse), bar(forward, reverse, forward_blocks=np.arange(2),
                                           reverse_blocks=np.arange(2) + 2)):  # fmt: skip
        assert np.isnan([one.delta_f, one.stderr]).all()
        assert "do not meet" in one.reason
    both = two_sided(forward, reverse)
    assert np.isnan([both.value, both.stderr]).all()
    assert "do not meet" in both.reason
    joined = solve_network(2, [PairWorks(0, 1, forward, reverse, np.arange(2), np.arange(2) + 2)])
    assert joined.component.tolist() == [0, 1]
    assert "do not meet" in joined.unused[0][2]
    # where they meet at last there is an answer again
    assert np.isfinite(bar(forward - 890.0, reverse - 790.0).stderr)


def test_overlap_is_one_for_reversible_work_and_falls_to_zero() -> None:
    rng, seen = np.random.default_rng(5), []
    for sigma in (0.01, 1.0, 3.0, 6.0, 12.0):
        w_f, w_r = works(rng, 2.0, sigma, 4000, 1000)
        result = bar(w_f, w_r)
        assert work_overlap(w_f, w_r, result.delta_f) == pytest.approx(result.overlap)
        x = np.linspace(-80, 200, 200_001)
        p = norm.pdf(x, 2 + sigma**2 / 2, sigma)
        q = norm.pdf(x, 2 - sigma**2 / 2, sigma)
        both = np.where(p + q > 0, 2 * p * q / np.where(p + q > 0, p + q, 1.0), 0.0)
        exact = both.sum() * (x[1] - x[0]) if sigma > 0.1 else 1.0
        assert abs(result.overlap - exact) < 0.03
        seen.append(result.overlap)
    assert np.all(np.diff(seen) < 0)
    assert work_overlap(np.array([]), np.array([1.0]), 0.0) == 0.0
    assert work_overlap(np.array([np.inf]), np.array([1.0]), np.nan) == 0.0


TRUE_F = np.array([0.0, 2.0, -1.0, 4.0])
EDGES = ((0, 1, 1.0), (1, 2, 1.5), (2, 3, 2.0), (0, 3, 2.5), (0, 2, 1.0))


def network(rng: np.random.Generator, blocked: bool) -> list[PairWorks]:
    pairs = []
    replica = {s: rng.normal(0, 0.4, (40,)) for s in range(4)}
    for i, j, sigma in EDGES:
        df = TRUE_F[j] - TRUE_F[i]
        if not blocked:
            w_f, w_r = works(rng, df, sigma, 80, 120)
            pairs.append(PairWorks(i, j, failing(rng, w_f, 0.1), failing(rng, w_r, 0.1)))
            continue
        # Every replica of a state sends paths along all its pairs and shifts all their works.
        own = np.sqrt(sigma**2 - 0.16)
        ids = np.repeat(np.arange(40), 3)
        w_f = df + sigma**2 / 2 + replica[i][ids] + rng.normal(0, own, 120)
        w_r = -df + sigma**2 / 2 + replica[j][ids] + rng.normal(0, own, 120)
        pairs.append(PairWorks(i, j, w_f, w_r, ids + 100 * i, ids + 100 * j))
    return pairs


@pytest.mark.parametrize("blocked", [False, True])
def test_network_covers(blocked: bool) -> None:
    rng = np.random.default_rng(6)
    z: dict[tuple[int, int], list[float]] = {(0, 1): [], (0, 3): [], (1, 3): []}
    for _ in range(250):
        result = solve_network(4, network(rng, blocked))
        assert result.connected
        for (i, j), values in z.items():
            value, error = result.difference(i, j)
            values.append((value - (TRUE_F[j] - TRUE_F[i])) / error)
    for pair, values in z.items():
        covers(np.array(values), str(pair))


def test_network_errors_without_the_shared_blocks_do_not_cover() -> None:
    rng, z = np.random.default_rng(6), []
    for _ in range(250):
        pairs = [PairWorks(p.i, p.j, p.forward, p.reverse) for p in network(rng, True)]
        value, error = solve_network(4, pairs).difference(0, 1)
        z.append((value - 2.0) / error)
    with pytest.raises(AssertionError):
        covers(np.array(z), "ignored")


def test_network_covers_with_eight_replicas_a_state() -> None:
    """Few blocks: the errors cover once inflated."""
    rng, z = np.random.default_rng(13), []
    ids = np.repeat(np.arange(8), 25)
    for _ in range(500):
        shift = rng.normal(0, 0.6, (3, 8))[:, ids]
        w = rng.normal(0.5, 0.8, (4, 200))
        pairs = [
            PairWorks(0, 1, w[0] + shift[0] + 1, w[1] + shift[1] - 1, ids, ids + 8),
            PairWorks(1, 2, w[2] + shift[1] - 2, w[3] + shift[2] + 2, ids + 8, ids + 16),
        ]
        result = solve_network(3, pairs)
        assert result.n_clusters == 8
        value, error = result.difference(0, 2)
        z.append((value + 1.0) / error)
    covers(np.array(z) / inflation(7), "inflated")


def test_network_of_one_pair_is_bar() -> None:
    rng = np.random.default_rng(7)
    for blocked in (False, True):
        w_f, w_r = works(rng, -7.0, 2.0, 90, 200)
        w_f = failing(rng, w_f, 0.2)
        ids = (np.arange(90) // 9, 100 + np.arange(200) // 10) if blocked else (None, None)
        single = bar(w_f, w_r, forward_blocks=ids[0], reverse_blocks=ids[1])
        pair = PairWorks(1, 0, w_f, w_r, *ids)
        value, error = solve_network(2, [pair]).difference(1, 0)
        assert value == pytest.approx(single.delta_f, abs=1e-8)
        assert error == pytest.approx(single.stderr, rel=1e-8)


def test_network_uses_all_pairs() -> None:
    """The joint error is below the direct pair's, and a reversed pair says the same."""
    rng = np.random.default_rng(8)
    pairs = network(rng, False)
    joint = solve_network(4, pairs)
    direct = bar(pairs[3].forward, pairs[3].reverse)
    assert joint.difference(0, 3)[1] < 0.8 * direct.stderr
    turned = [PairWorks(p.j, p.i, p.reverse, p.forward) for p in pairs]
    assert np.allclose(solve_network(4, turned).f, joint.f, atol=1e-9)
    assert joint.difference(3, 0)[0] == pytest.approx(-joint.difference(0, 3)[0])


def test_network_says_what_is_not_joined() -> None:
    rng = np.random.default_rng(9)
    a, b = works(rng, 1.0, 1.0, 50, 50)
    dead = np.full(50, np.inf)
    result = solve_network(
        6,
        [
            PairWorks(0, 2, a, b),
            PairWorks(1, 3, a, b),
            PairWorks(2, 3, a, dead),
            PairWorks(4, 0, a, np.array([])),
            PairWorks(5, 0, np.array([]), np.array([])),
        ],
    )
    assert not result.connected
    assert list(result.component) == [0, 1, 0, 1, 2, 3]
    assert np.isnan(result.difference(0, 1)).all()
    assert result.difference(1, 3) == pytest.approx(result.difference(0, 2))
    assert {u[:2] for u in result.unused} == {(2, 3), (4, 0), (5, 0)}
    # One-way pairs around a circle do join: that is all that a finite maximum needs.
    ring = [PairWorks(i, (i + 1) % 3, a, dead) for i in range(3)]
    assert solve_network(3, ring).connected
    assert np.isfinite(solve_network(3, ring).f).all()
    for bad in (PairWorks(0, 0, a, b), PairWorks(0, 9, a, b)):
        with pytest.raises(ValueError, match="not a pair"):
            solve_network(3, [bad])


def test_far_states_are_solved() -> None:
    rng = np.random.default_rng(10)
    f = np.array([0.0, 300.0, -500.0])
    pairs = [
        PairWorks(i, j, *works(rng, f[j] - f[i], 3.0, 60, 60)) for i, j in ((0, 1), (1, 2), (2, 0))
    ]
    result = solve_network(3, pairs)
    assert np.abs(result.f - f).max() < 4.5 * np.sqrt(np.diag(result.covariance)).max()


def test_jackknife_of_a_ratio_covers_with_eight_replicas() -> None:
    """Sums over eight replicas, exponential; ln of the ratio of means is 0."""
    rng, z, levels = np.random.default_rng(11), [], []
    for _ in range(1000):
        replicas = rng.exponential(1.0, (8, 20, 2)).sum(axis=1)
        j = jackknife(lambda s: np.log(np.sum(s, axis=0)[0] / np.sum(s, axis=0)[1]), replicas)
        assert j.dof == 7
        z.append(float(j.value / j.stderr))
        lo, hi = interval(j.value, j.stderr, j.dof, 0.95)
        levels.append(bool(lo < 0 < hi))
    raw = np.abs(np.array(z))
    assert abs(np.mean(levels) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 1000)
    covers(raw / inflation(7), "inflated")
    with pytest.raises(AssertionError):
        covers(raw, "raw")


def test_jackknife_is_exact_for_the_mean_and_needs_two() -> None:
    x = np.random.default_rng(12).normal(size=9)
    j = jackknife(lambda s: np.mean(s), list(x))
    assert j.stderr == pytest.approx(x.std(ddof=1) / 3)
    assert j.bias == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="at least two"):
        jackknife(lambda s: np.mean(s), [1.0])
    assert np.isnan(inflation(0))
    assert inflation(7) == pytest.approx(1.14, abs=0.01)
    assert inflation(10_000) == pytest.approx(1.0, abs=1e-3)


K, CENTRES = 16.0, np.linspace(-1.5, 1.5, 13)


def windows(seed: int, n: int) -> tuple[Array, Array, Array, Array]:
    """Exact draws of U = x²/2 (kT) with springs K(x − c)²/2: Gaussians."""
    rng = np.random.default_rng(seed)
    x = rng.normal(K * CENTRES / (1 + K), 1 / np.sqrt(1 + K), (n, len(CENTRES))).T
    u_kn = 0.5 * K * (x.ravel()[None, :] - CENTRES[:, None]) ** 2
    return x.ravel(), u_kn, np.full(len(CENTRES), n), np.tile(np.arange(n) % 10, len(CENTRES))


def test_mbar_finds_the_windows_free_energies_and_the_unbiased_surface() -> None:
    grid = Grid.regular(((-1.6, 1.6),), (16,), (False,))
    truth = norm.cdf(grid.edges[0][1:]) - norm.cdf(grid.edges[0][:-1])
    truth = -np.log(truth / truth.sum())
    z = []
    for seed in range(6):
        x, u_kn, n_k, blocks = windows(seed, 200)
        m = solve_mbar(u_kn, n_k)
        exact = 0.5 * K / (1 + K) * CENTRES**2
        assert np.abs(m.f - (exact - exact[0])).max() < 0.5
        assert np.exp(m.log_weights).sum() == pytest.approx(1.0)
        assert 0.01 < m.connectivity < 1
        s = surface_from_windows(grid, x[:, None], u_kn, n_k, blocks, 10)
        assert np.nanmin(s.f) == 0.0
        z.append((s.f + s.offset - truth) / s.stderr)
    assert np.abs(z).max() < 5.5
    assert 0.7 < np.sqrt(np.mean(np.square(z))) < 1.3


def test_mbar_refuses_what_does_not_fit() -> None:
    _, u_kn, n_k, _ = windows(0, 10)
    with pytest.raises(ValueError, match="does not fit"):
        solve_mbar(u_kn, n_k + 1)
    with pytest.raises(ValueError, match="finite"):
        solve_mbar(u_kn * np.inf, n_k)
