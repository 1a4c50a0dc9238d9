"""Replicas that come and go: who they are, that estimates stay exact, and what a resume follows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from driven_double_well import CASES, driven
from driving import Drive, same
from exact_populations import exact_state_probability
from places import CONFIGS
from toy_campaign import Recorder, ToyStrategy, setup

from msgen.actors.base import Tree, encode
from msgen.actors.orders.sample import SampleRecord
from msgen.orchestrator.base import Estimate, StateEstimate
from msgen.orchestrator.cli import main_run
from msgen.orchestrator.estimators.histogram import log_populations
from msgen.orchestrator.executors.inline import InlineExecutor
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.controller import Controller
from msgen.orchestrator.loop.replica_policy import Elastic
from msgen.orchestrator.run_directory.events import EventLog
from msgen.orchestrator.run_directory.store import Store
from msgen.orchestrator.strategies.common import blocks, inputs
from msgen.orchestrator.strategies.common.blocks import blocks_of
from msgen.orchestrator.strategies.common.replica_pool import SETTLE_ROUNDS, ReplicaPool
from msgen.orchestrator.strategies.steered.cold_start import found_late
from msgen.orchestrator.strategies.steered.phases import begin_produce
from msgen.orchestrator.strategies.steered.state import AdaptState


@pytest.mark.parametrize(
    ("now", "workers", "remaining_s", "wanted"),
    [
        (4, 4, 900.0, 8),  # late, and four workers can do eight
        (4, 4, 300.0, 4),  # in time
        (4, 4, None, 4),  # who knows
        (4, 100, 900.0, 8),  # no more than twice as many at once
        (30, 100, 900.0, 40),  # no more than there may be
        (8, 4, 900.0, 8),  # the workers are busy
        (40, 4, 900.0, 8),  # nodes have left
        (40, 1, 900.0, 4),  # but never fewer than that
    ],
)
def test_replicas_follow_the_workers_while_convergence_is_late(
    now: int, workers: int, remaining_s: float | None, wanted: int
) -> None:
    elastic = Elastic(4, 40, 0.1, within_s=600.0)
    assert elastic.replicas(now, 1.0, workers, remaining_s) == wanted
    if remaining_s is not None and remaining_s > 600.0:
        assert elastic.workers(1.0, remaining_s) == 20
    else:
        assert elastic.workers(1.0, remaining_s) == 0


def test_strata_keep_their_shares_and_who_rested_is_called_back() -> None:
    stratum = np.array([0, 0, 0, 0, 1, 1])
    more = ReplicaPool().resized(stratum, 12, seed=1, rnd=7)
    assert np.bincount(more.stratum).tolist() == [8, 4]
    assert more.pool.resting is not None
    assert not more.pool.resting.any()
    assert more.pool.settling is not None
    assert more.pool.settling.tolist() == [0] * 6 + [SETTLE_ROUNDS] * 6
    assert more.parents[:6].tolist() == list(range(6))
    # each is a copy of one of its own stratum
    assert np.array_equal(stratum[more.parents[6:]], more.stratum[6:])
    fewer = more.pool.resized(more.stratum, 3, seed=1, rnd=7)
    ids = fewer.pool.at_work(12)
    assert np.bincount(fewer.stratum[ids]).tolist() == [2, 1]
    assert len(fewer.stratum) == 12
    again = fewer.pool.resized(fewer.stratum, 12, seed=1, rnd=7)
    assert again.parents.tolist() == list(range(12))  # called back, not copied
    assert len(again.pool.at_work(12)) == 12
    one = more.pool.resized(more.stratum, 1, seed=1, rnd=7)
    assert np.bincount(one.stratum[one.pool.at_work(12)]).tolist() == [1, 1]


def test_a_new_replica_counts_once_it_has_parted_from_the_other() -> None:
    pool = ReplicaPool().resized(np.array([0, 0]), 3, seed=1, rnd=7).pool
    seen = []
    for _ in range(SETTLE_ROUNDS + 1):
        seen.append(pool.counted(3).tolist())
        pool = pool.after_round()
    assert seen == [[True, True, False]] * SETTLE_ROUNDS + [[True, True, True]]


def producing(case: str) -> Drive:
    """A campaign in production, of its own to step."""
    shared = driven(case)
    return replace(shared, state=shared.stored(shared.state), steps=list(shared.steps))


@pytest.mark.parametrize("case", list(CASES))
def test_a_strategy_takes_on_replicas_and_lets_some_rest(case: str) -> None:
    drive = producing(case)
    start = drive.strategy.replicas(drive.state)
    assert start == 8
    young = Drive.of("double_well", *CASES[case])
    resized = young.strategy.resize(young.state, 16)
    assert same(encode(resized), encode(young.state))  # not before production
    drive.state = drive.strategy.resize(drive.state, 14)
    assert drive.strategy.replicas(drive.state) == 14
    for _ in range(SETTLE_ROUNDS):
        ids = np.concatenate([s.samples["replica"] for s in drive.step().segments])
        assert sorted(set(ids.astype(int))) == list(range(14))
    before = drive.state.produced
    drive.step()
    after = drive.state.produced
    # copies are of their ancestors' blocks
    assert len(after.block) == 14
    assert after.block.max() == after.block[:8].max()
    number = np.bincount(after.block)
    gained = (after.bins - before.bins).sum(axis=1) > 0
    assert gained[number > 0].all()
    drive.state = drive.strategy.resize(drive.state, 5)
    before = encode(drive.stored(drive.state))
    resting = np.flatnonzero(before["resting"])
    assert len(resting) == 9
    step = drive.step()
    ids = np.concatenate([s.samples["replica"] for s in step.segments])
    assert len(set(ids)) == 5
    assert not set(ids.astype(int)) & set(resting.tolist())
    after = encode(drive.state)
    for name in before["walkers"]:
        assert same(after["walkers"][name][resting], before["walkers"][name][resting])
    alone = np.setdiff1d(
        drive.state.produced.block[resting], drive.state.produced.block[np.unique(ids).astype(int)]
    )
    assert same(after["produced"]["bins"][alone], before["produced"]["bins"][alone])
    estimate = drive.strategy.estimate(drive.state)
    assert all(v.f_kT is not None for v in estimate.states.values()) or case == "local"


@pytest.mark.parametrize("replicas", [14, 5])
def test_a_chain_that_goes_back_leaves_who_rests(
    replicas: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From production to adaptation and to production again, after more and after fewer replicas.

    In orders of three, so that a group too many is one too many: it was taken for a segment's.
    """
    monkeypatch.setattr(inputs, "BATCH", 3)
    cold = ("strategy.stratify=off", "strategy.explore={pushes: 0}", "model={kind: kde}")
    drive = Drive.of("double_well", "replicas=8", "strategy.local.steps=5", *cold)
    drive.step()

    def produce() -> None:
        # as if every state were known: what is new would send the chain back by itself
        frozen = begin_produce(drive.problem, drive.state)
        frozen = replace(frozen, missing=(), descent=100 + np.arange(len(frozen.stratum)))
        drive.state = drive.stored(frozen)
        assert drive.strategy.replicas(drive.state) == 8
        for _ in range(3):
            ids = np.concatenate([s.samples["replica"] for s in drive.step().segments])
            assert sorted(set(ids.astype(int))) == list(range(8))

    produce()
    for n in (11, replicas):
        drive.state = drive.strategy.resize(drive.state, n)
        drive.step()
    back = found_late(drive.problem, drive.state, drive.state.states, 1)
    assert isinstance(back, AdaptState)
    assert back.descent is not None
    np.testing.assert_array_equal(back.descent, drive.state.descent[drive.state.at_work])
    drive.state = drive.stored(back)
    step = drive.step()
    assert sum(len(s.read(SampleRecord).walkers.positions) for s in step.segments) == replicas
    assert len(drive.state.walkers.positions) == replicas
    produce()
    assert np.ptp(drive.state.produced.bins.sum(axis=0)) > 0
    drive.state = drive.strategy.resize(drive.state, 9)
    drive.step()
    assert len(drive.state.walkers.positions) == 9


SLOW = 20.0
"""Rounds that a slow variable remembers."""


def slow_means(growth: tuple[int, ...], *, own: bool) -> tuple[float, float]:
    """Spread of a mean over 600 campaigns of 8 replicas that grow, and the error that they tell.

    A first-order process of memory `SLOW`; each replica doubles at the rounds of `growth`. The twin
    takes every copy for a block of its `own` once it counts.
    """
    n, rng, decay = 600, np.random.default_rng(11), np.exp(-1.0 / SLOW)
    stratum, pool = np.zeros(8, dtype=np.int64), ReplicaPool()
    x, sums = rng.standard_normal((n, 8)), np.zeros((n, 64, 2))
    block = blocks_of(stratum, np.zeros(0, dtype=np.int64))
    for rnd in range(20):
        if rnd in growth:
            made = pool.resized(stratum, 2 * x.shape[1], seed=1, rnd=rnd)
            stratum, pool, x = made.stratum, made.pool, x[:, made.parents]
            block = blocks_of(stratum, block, None if own else pool.ancestors(len(stratum)))
        x = decay * x + np.sqrt(1.0 - decay**2) * rng.standard_normal(x.shape)
        for i in np.flatnonzero(pool.counted(len(stratum))):
            sums[:, block[i]] += np.stack([x[:, i] > 0.0, x[:, i] <= 0.0], axis=1)
        pool = pool.after_round()
    found = [log_populations(one) for one in sums]
    f = np.array([v[0] for v, _ in found])
    told = np.array([c[0, 0] for _, c in found])
    return float(f.std()), float(np.sqrt(told.mean()))


def test_copies_count_as_their_ancestor_however_slow_things_are() -> None:
    """The error told is the spread: within 12 %, four standard errors of the spread of 600."""
    spread, told = slow_means((3, 6), own=False)
    assert told / spread == pytest.approx(1.0, abs=0.12)


def test_twin_that_counts_copies_as_replicas_of_their_own() -> None:
    spread, told = slow_means((3, 6), own=True)
    assert told < 0.7 * spread


def test_the_free_energy_is_right_while_replicas_come_and_go() -> None:
    """Within 4 reported σ of the integral."""
    drive = producing("strata")
    for n in (14, 6):
        drive.state = drive.strategy.resize(drive.state, n)
        for _ in range(4):
            drive.step()
    rest = drive.strategy.estimate(drive.state).states["rest"]
    p = exact_state_probability(drive.system, drive.cvs, {"x": (-np.inf, 0.0)})
    assert rest.f_kT is not None
    assert rest.stderr_kT is not None
    assert rest.stderr_kT < 0.1
    assert abs(rest.f_kT - np.log(p / (1.0 - p))) < 4.0 * rest.stderr_kT


def test_many_replicas_share_blocks_of_their_stratum(monkeypatch: pytest.MonkeyPatch) -> None:
    """The free energies are the same, the errors those of fewer blocks."""
    alone = producing("strata")
    monkeypatch.setattr(blocks, "MOST_BLOCKS", 3)
    few = blocks_of(np.array([0, 0, 0, 0, 1, 0, 1]), np.zeros(0, dtype=np.int64))
    assert few.tolist() == [0, 1, 2, 0, 3, 1, 4]
    more = blocks_of(np.array([0, 0, 0, 0, 1, 0, 1, 1, 1, 0]), few)
    assert more.tolist() == [*few, 5, 3, 2]
    together = producing("strata")
    # the profile along the paths keeps the blocks that it began with
    together.state = replace(together.state, produced=None, profile=None)
    for step in together.steps[-4:]:
        before = replace(step.before, produced=together.state.produced, profile=None)
        together.state = together.strategy.absorb(before, step.absorbed)
    folded = together.state.produced
    assert folded.bins.shape[0] == 6
    assert len(folded.stratum) == 8
    assert np.allclose(folded.bins.sum(axis=0), alone.state.produced.bins.sum(axis=0))
    a, b = (d.strategy.estimate(d.state).states["rest"] for d in (alone, together))
    assert a.f_kT == pytest.approx(b.f_kT, abs=1e-9)
    assert 0.2 * a.stderr_kT < b.stderr_kT < 5.0 * a.stderr_kT


class Late(ToyStrategy):
    """Never precise enough."""

    def estimate(self, state: Tree) -> Estimate:
        estimate = super().estimate(state)
        states = {"A": StateEstimate(0.0, 1.0)}
        return Estimate(estimate.axes, estimate.f_kT, estimate.stderr_kT, states, {}, False, ("σ",))


class Cluster(InlineExecutor):
    """Says that it has so many workers."""

    def __init__(self, have: int) -> None:
        super().__init__(setup())
        self.have, self.asked = have, list[int]()

    def workers(self) -> int:
        return self.have

    def ask(self, workers: int) -> None:
        self.asked.append(workers)


def run(where: Path, executor: Cluster, rounds: int) -> Recorder:
    recorder = Recorder()
    elastic = Elastic(4, 24, target_kT=0.1)
    Controller(
        Late(), executor, where, recorder, limits=Limits(rounds=rounds), elastic=elastic
    ).run()
    return recorder


def test_the_decision_is_written_before_it_acts_and_a_resume_follows_it(tmp_path: Path) -> None:
    big = Cluster(have=8)
    grown = run(tmp_path / "a", big, 9)
    events = EventLog(tmp_path / "a" / "events.jsonl").read()
    decided = {e["round"]: e["replicas"] for e in events if e["event"] == "resize"}
    assert list(decided.values()) == [8, 16]
    assert big.asked == [15]  # workers for 24 replicas, four of them in five orders
    for rnd, n in decided.items():
        seen = [i for i in grown.infos if i.round == rnd]
        assert [i.replicas for i in seen] == [n]
        at = [e["event"] for e in events if e.get("round") == rnd]
        assert at.index("resize") < at.index("round")
    # all rounds were decided by a process that is gone, and this cluster is small
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "a" / "events.jsonl", tmp_path / "b" / "events.jsonl")
    run(tmp_path / "b", Cluster(have=1), 9)
    run(tmp_path / "c", Cluster(have=1), 9)
    digests = [Store(tmp_path / x / "store.zarr").digest for x in "abc"]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.slow
def test_a_ray_campaign_grows_and_a_resume_in_one_process_draws_the_same(tmp_path: Path) -> None:
    """The cluster decides when; what was decided is all that the samples depend on."""
    sets = ["--set", "replicas={min: 4, max: 16}", "--set", "converge.state_error=0.0001 kT",
            "--set", "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 4}",
            "--set", "strategy.local.steps=5", "--set", "output.tensorboard=false",
            "--set", "budget.rounds=30"]  # fmt: skip
    campaign, where = str(CONFIGS / "double_well.yaml"), tmp_path / "ray"
    on_ray = [*sets, "--set", "executor=ray", "--output-dir", str(where)]
    assert main_run([campaign, *on_ray]) == 3
    run = where / "double-well"
    grown = [e for e in EventLog(run / "events.jsonl").read() if e["event"] == "resize"]
    assert [e["replicas"] for e in grown] == [8, 16]
    store = Store(run / "store.zarr")
    assert set(store.read("sample/replica").astype(int).ravel()) == set(range(16))
    again = tmp_path / "again" / "double-well"
    again.mkdir(parents=True)
    shutil.copy(run / "events.jsonl", again / "events.jsonl")
    alone = [*sets, "--executor", "inline", "--output-dir", str(tmp_path / "again")]
    assert main_run([campaign, *alone]) == 3
    assert Store(again / "store.zarr").digest == store.digest
