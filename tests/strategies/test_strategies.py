"""The parts of the strategies: replicas to strata, works, what production adds up, seeds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from driving import same, setup_of

from msgen.actors.base import Segment, decode, encode
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.run_directory.tree_file import load_tree, save_tree
from msgen.orchestrator.strategies.common.allocation import allocate, groups
from msgen.orchestrator.strategies.common.inputs import BATCH, Problem
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.common.readings import MOST_RECORDS, RECORDS
from msgen.orchestrator.strategies.common.replica_stretches import ReplicaStretches
from msgen.orchestrator.strategies.common.works import COLUMNS, Works

SIGMAS = 4.5
HALVES = Partition.from_boxes({"left": {"x": (-np.inf, 0.0)}}, ("x",), np.array([False]))


@cache
def double_well() -> Problem:
    strategy, *_ = setup_of("double_well", "replicas=8")
    return vars(strategy)["problem"]


# replicas and strata


def test_replicas_go_by_weight_but_two_to_each() -> None:
    problem = replace(double_well(), replicas=16)
    where = np.array([0, 0, 0, 1, 2, 2])
    stratum, seed = allocate(problem, where, np.array([11.0, 1.0, 4.0]))
    assert np.bincount(stratum).tolist() == [11, 2, 3]
    assert np.array_equal(where[seed], stratum)
    # all walkers of a stratum are used before one is used twice
    for k in range(3):
        times = np.bincount(seed[stratum == k], minlength=6)[where == k]
        assert np.ptp(times) <= 1
    again = allocate(problem, where, np.array([11.0, 1.0, 4.0]))
    assert same(list(again), [stratum, seed])


def test_strata_without_a_walker_get_no_replica() -> None:
    stratum, seed = allocate(double_well(), np.array([2, 2, 0]), np.ones(4))
    assert np.bincount(stratum, minlength=4).tolist() == [4, 0, 4, 0]
    assert set(seed.tolist()) == {0, 1, 2}


def test_more_strata_than_replicas_still_allocate() -> None:
    problem = replace(double_well(), replicas=3)
    stratum, _ = allocate(problem, np.arange(5), np.array([1.0, 9.0, 1.0, 9.0, 9.0]))
    assert len(stratum) == 3
    assert set(stratum.tolist()) == {1, 3, 4}


def test_orders_hold_one_stratum_and_all_replicas_once() -> None:
    stratum = np.array([1, 0, 1] * 60)
    parts = groups(double_well(), stratum)
    assert max(len(p) for p in parts) == BATCH
    assert all(len(np.unique(stratum[p])) == 1 for p in parts)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(180))
    alone = groups(replace(double_well(), batched=False), stratum)
    assert [len(p) for p in alone] == [1] * 180


# works


def works(
    delta: float, s: float, n: int, rng: np.random.Generator, a: int = 0, b: int = 1
) -> Works:
    """Gaussian works of variance s² that obey Crooks' relation with F_b − F_a = delta."""
    table = np.zeros((2 * n, len(COLUMNS)))
    table[:n, 0] = delta + 0.5 * s**2 + s * rng.standard_normal(n)
    table[n:, 0] = -delta + 0.5 * s**2 + s * rng.standard_normal(n)
    table[:n, 1:3], table[n:, 1:3] = (a, b), (b, a)
    table[:, 3] = np.arange(2 * n) % 16 + 16 * np.repeat([0, 1], n)
    table[:, 5] = 50
    return Works(table)


def test_pairs_need_works_both_ways() -> None:
    rng = np.random.default_rng(0)
    table = works(0.0, 1.0, 5, rng, 2, 1).and_(works(0.0, 1.0, 5, rng, 0, 3)).table
    table = table[~((table[:, 1] == 3) & (table[:, 2] == 0))]
    assert Works(table).pairs() == [(1, 2)]
    assert Works.empty().pairs() == []


def test_the_network_solves_for_all_states_and_leaves_out_what_is_not_joined() -> None:
    rng = np.random.default_rng(1)
    all_works = works(1.5, 1.0, 4000, rng, 0, 1).and_(works(-0.7, 1.5, 4000, rng, 1, 2))
    result = all_works.network(4)
    for k, true in ((1, 1.5), (2, 0.8)):
        f, error = result.difference(0, k)
        assert 0.0 < error < 0.05
        assert abs(f - true) < SIGMAS * error
    assert not np.isfinite(result.difference(0, 3)[1])


def test_crossing_is_bennetts_chance_and_nothing_where_f_is_unknown() -> None:
    two = Works(np.array([[2.0, 0, 1, 0, 0, 9], [2.0, 1, 0, 1, 0, 9], [np.inf, 0, 1, 0, 0, 9]]))
    chance = two.crossing(np.array([0.0, 2.0]))
    assert np.allclose(chance, [0.5, 1.0 / (1.0 + np.exp(4.0)), 0.0])
    assert (two.crossing(np.array([0.0, np.nan])) == 0.0).all()


def test_overlap_falls_with_dissipation() -> None:
    rng = np.random.default_rng(2)
    f = np.array([0.0, 1.0])
    seen = [works(1.0, s, 4000, rng).overlaps(f)[0, 1].value for s in (0.1, 2.0, 5.0)]
    assert seen[0] > 0.95
    assert seen[0] > seen[1] > seen[2]
    assert seen[2] < 0.05
    assert works(1.0, 1.0, 50, rng).overlaps(np.array([0.0, np.nan])) == {}


def test_works_come_from_segments_in_their_order() -> None:
    table = works(1.0, 1.0, 3, np.random.default_rng(3)).table
    columns = {name: table[:, i] for i, name in enumerate(COLUMNS)}
    quiet = Segment((0, "sample", 1), samples={"cvs": np.zeros((2, 1))})
    both = Works.of([Segment((0, "sample", 0), samples=columns), quiet])
    assert np.array_equal(both.table, table)
    assert len(Works.of([quiet])) == 0
    assert np.array_equal(decode(Works, encode(both)).table, table)


# production


def readings(x: np.ndarray, replica: int, log_bias: np.ndarray | None = None) -> Segment:
    bias = np.zeros(len(x)) if log_bias is None else log_bias
    samples = {"cvs": x[:, None], "log_bias": bias, "replica": np.full(len(x), float(replica))}
    return Segment((0, "sample", replica), samples=samples)


def test_production_sums_weights_by_replica_bin_and_state() -> None:
    problem = double_well()
    made = Production.start(problem, np.array([0, 1]), 2)
    left = readings(np.array([-1.01, -1.01, -0.51, -7.0]), 0, np.log([1.0, 2.0, 4.0, 1.0]))
    made = made.with_round(problem, HALVES, [left, readings(np.array([1.01, 1.01]), 1)])
    made = made.with_round(problem, HALVES, [left, readings(np.array([1.01, 0.51]), 1)])
    at = problem.grid.index(np.array([[-1.01], [-0.51], [0.51], [1.01]]))
    assert np.allclose(made.bins[:, at], [[3.0, 0.5, 0, 0], [0, 0, 1.0, 3.0]])
    # what lies outside the grid counts for its state and for no bin
    assert made.bins.sum() == pytest.approx(3.5 + 4.0)
    assert np.allclose(made.states, [[5.5, 0.0], [0.0, 4.0]])
    assert made.rounds == 2
    assert made.series.shape == (2, 4, 1)  # as many of each as the shortest has
    assert np.array_equal(made.labels, [[0] * 4, [1] * 4])


def test_a_long_production_is_thinned_evenly(tmp_path: Path) -> None:
    problem = double_well()
    made = Production.start(problem, np.zeros(1, dtype=np.int64), 2)
    for _ in range(3 * MOST_RECORDS // RECORDS):
        made = made.with_round(problem, HALVES, [readings(np.linspace(-1, 1, 3 * RECORDS), 0)])
    assert made.series.shape[1] <= MOST_RECORDS
    assert made.stride in (2, 4)
    assert made.labels.shape == made.series.shape[:2]
    assert made.bins.sum() == 3 * RECORDS * made.rounds  # no weight is lost with them
    save_tree(tmp_path / "p.npz", encode(made))
    back = decode(Production, load_tree(tmp_path / "p.npz"))
    assert same(encode(back), encode(made))
    both = [p.estimate(problem, HALVES, False, {}, {}) for p in (made, back)]
    assert same(both[0].f_kT, both[1].f_kT)
    assert same(both[0].diagnostics, both[1].diagnostics)


def stratified(problem: Problem, seed: int, delta: float) -> Production:
    """Two strata of known shape, joined by works of a known difference F(rest) − F(left)."""
    rng = np.random.default_rng(seed)
    stratum = np.repeat([0, 1], 16)
    made = Production.start(problem, stratum, 2)
    segments = []
    for i, k in enumerate(stratum):
        x = rng.choice([-1.01, -0.51] if k == 0 else [1.01, 0.51], 400, p=[0.8, 0.2])
        segments.append(readings(x, i))
    columns = works(delta, 1.0, 1600, rng).table
    paths = {name: columns[:, i] for i, name in enumerate(COLUMNS)}
    segments[0] = replace(segments[0], samples={**segments[0].samples, **paths})
    return made.with_round(problem, HALVES, segments)


def test_strata_and_works_make_the_answer_known_by_hand() -> None:
    problem, delta = double_well(), 1.7
    estimate = stratified(problem, 4, delta).estimate(problem, HALVES, True, {}, {})
    assert list(estimate.states) == ["left", "rest"]
    rest = estimate.states["rest"]
    assert rest.f_kT is not None
    assert rest.stderr_kT is not None
    # BAR of Gaussian works, σ = 1, 2 × 1,600 of them: about 1.0/√3200
    assert 0.01 < rest.stderr_kT < 0.04
    assert abs(rest.f_kT - delta) < SIGMAS * rest.stderr_kT
    at = problem.grid.index(np.array([[-1.01], [-0.51], [0.51], [1.01]]))
    p = np.array([0.8, 0.2, 0.2 * np.exp(-delta), 0.8 * np.exp(-delta)])
    f, error = estimate.f_kT[at], estimate.stderr_kT[at]
    exact = -np.log(p / p[0])
    assert (np.abs(f - exact) < SIGMAS * np.hypot(error, error[0]) + 1e-12).all()
    assert np.isnan(np.delete(estimate.f_kT, at)).all()
    assert np.nanmin(estimate.f_kT) == 0.0


def test_missing_states_are_never_converged() -> None:
    problem = double_well()
    generous = replace(
        problem.criteria, state_error=9.0, surface_error=None, r_hat=None, ess=None, overlap=0.0
    )
    easy = replace(problem, criteria=generous)
    made = stratified(easy, 5, 0.5)
    joined = made.estimate(easy, HALVES, True, {}, {})
    assert joined.converged
    # each replica stays in its state: 0 would read as something that lacks
    assert "round_trips" not in joined.diagnostics
    lacking = made.estimate(easy, HALVES, True, {}, {}, ["gauche"])
    assert not lacking.converged
    assert any("gauche" in line for line in lacking.unmet)


def test_a_state_never_left_is_never_converged_whatever_the_budget_of_errors() -> None:
    problem = double_well()
    generous = replace(
        problem.criteria,
        state_error=1e9,
        surface_error=None,
        r_hat=None,
        ess=None,
        round_trips=0,
    )
    easy = replace(problem, criteria=generous)
    rng = np.random.default_rng(6)

    def judged(moves: bool) -> tuple[bool, tuple[str, ...]]:
        made = Production.start(easy, np.zeros(4, dtype=np.int64), 2)
        for rnd in range(4):
            # replicas in both wells, so that F has a value and an error; do they ever change?
            sides = [(-1) ** (i + (rnd if moves else 0)) for i in range(4)]
            made = made.with_round(
                easy,
                HALVES,
                [readings(s + 0.1 * rng.standard_normal(50), i) for i, s in enumerate(sides)],
            )
        out = made.estimate(easy, HALVES, False, {}, {})
        assert out.states["rest"].f_kT is not None
        assert (out.diagnostics["round_trips"] > 0) == moves
        return out.converged, out.unmet

    stuck, unmet = judged(moves=False)
    assert not stuck
    assert unmet == ("left: never left", "rest: never left")
    assert judged(moves=True) == (True, ())


def test_few_free_replicas_are_counted_by_stretches_of_time() -> None:
    """Their sums are those of the blocks; many replicas have none."""
    problem, rng = double_well(), np.random.default_rng(8)
    made = Production.start(problem, np.zeros(2, dtype=np.int64), 2)
    for rnd in range(40):
        xs = rng.choice([-1.01, 1.01], (2, 20 + rnd))
        made = made.with_round(problem, HALVES, [readings(x, i) for i, x in enumerate(xs)])
        made = decode(Production, encode(made))
    assert made.apart is not None
    assert 8 <= len(made.apart.sums) < 16
    both = np.hstack([made.bins, made.states])
    assert np.allclose(made.apart.sums.sum(axis=0), both)
    units, number = made.apart.units(made.owner, {0: 1e6})
    sums = made.apart.by_unit(made.owner, number, 1)[0]
    assert np.allclose(sums.sum(axis=0), both.sum(axis=0))
    assert 2 * 5 <= len(sums) == len(units.group) <= 2 * len(made.apart.sums)
    assert np.allclose(units.share.reshape(-1, 2).sum(axis=0), 1.0)
    # nine degrees of freedom and more in place of one: at most 1.11 against 3.45
    told = made.estimate(problem, HALVES, False, {}, {}).states["rest"].stderr_kT
    assert told == pytest.approx(2.0 / np.sqrt(both[:, -2:].sum()), rel=0.5)
    more = made.grown(np.zeros(5, dtype=np.int64))
    assert more.apart is not None
    assert more.apart.sums.shape[1] == 5
    again = more.estimate(problem, HALVES, False, {}, {}).states["rest"].stderr_kT
    assert again == pytest.approx(told)
    assert made.grown(np.zeros(17, dtype=np.int64)).apart is None


def test_few_replicas_of_strata_and_their_works_are_counted_by_stretches_of_time() -> None:
    """Every sample and every work is of one unit of its stratum; the twin is a run without them."""
    problem, rng = double_well(), np.random.default_rng(11)
    stratum = np.array([0, 0, 1, 1, 1])
    made = Production.start(problem, stratum, 2)
    for rnd in range(40):
        segments, n = [], 20 + rnd
        for i, s in enumerate(stratum.tolist()):
            table = works(0.5, 1.0, 3, rng).table[3 * s : 3 * s + 3]
            paths = {name: table[:, c] for c, name in enumerate(COLUMNS)}
            paths["path_replica"] = np.full(3, float(i))
            read = readings(rng.choice([-1.01, -0.51], n) * (1 - 2 * s), i)
            segments.append(replace(read, samples={**read.samples, **paths}))
        made = made.with_round(problem, HALVES, segments)
        made = decode(Production, encode(made))
    assert made.apart is not None
    units, number = made.apart.units(made.owner, {0: 1e6, 1: 1e6})
    assert np.bincount(units.group).min() >= 12
    assert list(np.unique(units.member[units.group == 1])) == [2, 3, 4]
    sums = made.apart.by_unit(made.owner, number, 2)
    assert np.allclose(sums.sum(axis=(0, 1)), np.hstack([made.bins, made.states]).sum(axis=0))
    assert not sums[1][units.group == 0].any()
    unit = made.apart.works(number, made.works.started_by(made.block))
    assert np.array_equal(units.member[unit], made.works["path_replica"])
    # in the order of time
    for i in range(5):
        assert (np.diff(unit[made.works["path_replica"] == i]) >= 0).all()
    told = made.estimate(problem, HALVES, True, {}, {}).states["rest"]
    whole = replace(made, apart=None).estimate(problem, HALVES, True, {}, {}).states["rest"]
    assert told.f_kT == whole.f_kT
    assert told.stderr_kT is not None
    # without the factor of two replicas alone, 3.4
    assert told.stderr_kT == pytest.approx(0.04, rel=0.3)
    older = replace(made, apart=replace(made.apart, paths=None))
    assert older.estimate(problem, HALVES, True, {}, {}).states["rest"] == whole


@pytest.mark.parametrize(
    ("replicas", "bins", "kept"), [(2, 36**3, True), (16, 36**2, True), (16, 36**3, False)]
)
def test_stretches_are_kept_while_a_checkpoint_can_bear_them(
    replicas: int, bins: int, kept: bool
) -> None:
    grown = ReplicaStretches.empty(0, bins + 2).grown(replicas)
    assert (grown is not None) == kept
    assert ReplicaStretches.empty(0, 3).grown(17) is None


def test_a_production_begun_without_stretches_goes_on_without() -> None:
    problem, rng = double_well(), np.random.default_rng(9)
    made = Production.start(problem, np.zeros(2, dtype=np.int64), 2)
    tree = encode(made)
    del tree["apart"]
    made = decode(Production, tree)
    xs = rng.choice([-1.01, 1.01], (2, 50))
    made = made.with_round(problem, HALVES, [readings(x, i) for i, x in enumerate(xs)])
    assert made.apart is None
    assert made.estimate(problem, HALVES, False, {}, {}).states["rest"].stderr_kT is not None
