"""Sampling inside states joined by works between them: one surface whose errors cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from msgen.orchestrator.estimators.errors import inflation
from msgen.orchestrator.estimators.histogram import Grid, block_sums
from msgen.orchestrator.estimators.stratified import Populations, combine
from msgen.orchestrator.estimators.works.network import PairWorks, by_other_blocks, solve_network

GRID = Grid.regular(((-2.0, 4.0),), (6,), (False,))
F = np.array([0.0, 1.0])
MEANS = (0.0, 2.0)
REPLICAS = 12


def campaign(seed: int, shift: float = 0.5, numbers: np.ndarray | None = None) -> Populations:
    """Two normal states of weights e^{−F}; each replica stays in one, samples it, starts paths.

    A replica's samples are shifted as a whole by N(0, shift²), and its works by the same draw: that
    is the correlation a joint error has to see. `numbers` renames the replicas of the works.
    """
    rng = np.random.default_rng(seed)
    sums, works, ids = [], [], []
    for s, mean in enumerate(MEANS):
        block = np.repeat(np.arange(REPLICAS), 40)
        common = rng.normal(0, shift, REPLICAS)[block]
        x = mean + common + rng.normal(0, np.sqrt(1 - shift**2), len(block))
        block = block + s * REPLICAS
        sums.append(block_sums(GRID.index(x[:, None]), GRID.size, block, 2 * REPLICAS))
        sign = 1.0 if s == 0 else -1.0
        own = rng.normal(0, np.sqrt(1 - shift**2), len(block))
        works.append(sign * (F[1] - F[0]) + 0.5 + common + own)
        ids.append(block if numbers is None else numbers[block])
    network = solve_network(2, [PairWorks(0, 1, works[0], works[1], ids[0], ids[1])])
    return combine(np.array(sums), network)


def test_the_joint_surface_covers() -> None:
    """68 and 95 % within 4 binomial σ over 250 campaigns, on single bins and on a difference."""
    mass = np.array([np.diff(norm.cdf(GRID.edges[0] - m)) for m in MEANS])
    p_state = np.exp(-F) / np.exp(-F).sum()
    truth = -np.log(p_state @ (mass / mass.sum(axis=1)[:, None]))
    z: dict[str, list[float]] = {"bin 1": [], "bin 4": [], "difference": []}
    for seed in range(250):
        p = campaign(seed)
        z["bin 1"].append((p.f[1] - truth[1]) / p.stderr[1])
        z["bin 4"].append((p.f[4] - truth[4]) / p.stderr[4])
        value, error = p.difference(1, 4)
        z["difference"].append((value - truth[4] + truth[1]) / error)
    for name, values in z.items():
        for limit, level in ((1.0, 0.683), (1.96, 0.95)):
            seen = np.mean(np.abs(values) < limit)
            assert abs(seen - level) < 4 * np.sqrt(level * (1 - level) / 250), f"{name}: {seen}"


def test_the_error_sees_that_samples_and_works_share_replicas() -> None:
    """Linked errors are those of the spread; with the works' replicas renumbered they are not."""
    turn = (np.arange(2 * REPLICAS) + 5) % REPLICAS + np.repeat([0, REPLICAS], REPLICAS)
    seeds = range(250)
    spread = np.std([campaign(s).f for s in seeds], axis=0)
    ratios = []
    for numbers in (None, turn):
        found = [campaign(s, numbers=numbers) for s in seeds]
        error = np.sqrt(np.mean([(p.stderr / inflation(11)) ** 2 for p in found], axis=0))
        ratios.append((spread / error)[[2, 4, 5]].mean())
    # The spread of three bins from 250 campaigns is known to about 3 %.
    assert abs(ratios[0] - 1) < 0.12
    assert ratios[1] > 1.12
    assert ratios[1] > 1.08 * ratios[0]


def test_states_to_report_may_be_unions_of_strata() -> None:
    rng = np.random.default_rng(4)
    ids = np.repeat(np.arange(10), 30)
    f = np.array([0.0, 1.0, 2.0])
    pairs = [
        PairWorks(
            i,
            j,
            rng.normal(f[j] - f[i] + 0.5, 1, 300),
            rng.normal(f[i] - f[j] + 0.5, 1, 300),
            ids + 10 * i,
            ids + 10 * j,
        )
        for i, j in ((0, 1), (1, 2))
    ]
    network = solve_network(3, pairs)
    # Strata 0 and 1 are the first state to report, 2 the second.
    conditional = np.zeros((3, 30, 2))
    for s, label in enumerate((0, 0, 1)):
        conditional[s, 10 * s : 10 * s + 10, label] = 30.0
    p = combine(conditional, network)
    p_s = np.exp(-network.f)
    value, error = p.difference(0, 1)
    assert value == pytest.approx(-np.log(p_s[2] / (p_s[0] + p_s[1])))
    gradient = np.array([p_s[0], p_s[1], 0.0]) / (p_s[0] + p_s[1]) - np.array([0, 0, 1.0])
    by_hand = np.sqrt(gradient @ network.covariance @ gradient)
    # three states of ten blocks: Welch's degrees of freedom are between 9 and 27
    assert inflation(27) <= error / by_hand <= inflation(9)


def test_what_is_not_joined_is_unknown() -> None:
    conditional = np.zeros((2, 4, 2))
    conditional[0, :2, 0] = conditional[1, 2:, 1] = 5.0
    p = combine(conditional, solve_network(2, []))
    assert p.f[0] == 0.0
    assert np.isnan(p.f[1])
    assert np.isnan(p.stderr[1])
    assert np.isnan(p.difference(0, 1)).all()
    s = p.surface((2,))
    assert s.f[0] == 0.0
    assert np.isnan(s.stderr[1])


@pytest.mark.parametrize(("senders", "known"), [([0], False), ([0, 1], True)])
def test_works_of_one_block_have_no_error(senders: list[int], known: bool) -> None:
    rng = np.random.default_rng(5)
    conditional = np.zeros((2, 8, 2))
    conditional[0, :4, 0] = conditional[1, 4:, 1] = 5.0
    there, back = rng.normal(1.5, 1.0, 40), rng.normal(-0.5, 1.0, 40)
    ids = np.resize(senders, 40), np.resize(np.arange(4, 8), 40)
    p = combine(conditional, solve_network(2, [PairWorks(0, 1, there, back, *ids)]))
    assert np.isfinite(p.f).all()
    assert np.isfinite(p.difference(0, 1)[1]) == known


def test_networks_that_do_not_fit_are_refused() -> None:
    w = np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="block numbers"):
        combine(np.ones((2, 4, 3)), solve_network(2, [PairWorks(0, 1, w, w)]))
    with pytest.raises(ValueError, match="states"):
        combine(np.ones((3, 4, 3)), solve_network(2, []))
    far = solve_network(2, [PairWorks(0, 1, w, w, np.array([0, 9]), np.array([1, 2]))])
    with pytest.raises(ValueError, match="outside"):
        combine(np.ones((2, 4, 3)), far)


def test_errors_by_other_blocks_are_those_of_a_new_solution() -> None:
    """The twin keeps the blocks that the works were solved with."""
    rng = np.random.default_rng(12)

    def pairs(per: int) -> list[PairWorks]:
        block = np.arange(120) // per
        out = []
        for (i, j), (w_f, w_r) in drawn.items():
            out.append(PairWorks(i, j, w_f, w_r, block + 1000 * i, block + 1000 * j))
        return out

    drawn = {
        (i, j): (rng.normal(0.5 + 0.3 * (j - i), 1.0, 120), rng.normal(0.5, 1.0, 120))
        for i, j in ((0, 1), (1, 2), (0, 2))
    }
    whole, right = solve_network(4, pairs(30)), solve_network(4, pairs(10))
    found = by_other_blocks(whole, pairs(10))
    assert np.array_equal(found.f, whole.f)
    for name in ("covariance", "blocks", "influence", "n_clusters", "dof", "dof_from"):
        np.testing.assert_allclose(getattr(found, name), getattr(right, name), atol=1e-9)
    assert found.n_clusters == 12 > whole.n_clusters
    assert not np.allclose(found.covariance, whole.covariance)
    assert not found.connected
