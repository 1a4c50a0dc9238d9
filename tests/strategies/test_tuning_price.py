"""What tuning may cost: noise lengthens no path, what pays is found, and the rest is not tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.strategies.steered import switching_tuner
from msgen.orchestrator.strategies.steered.path_trials import (
    PathRound,
    PathTrials,
    evaluations_per_crossing,
)
from msgen.orchestrator.strategies.steered.switching_tuner import PathTuner
from msgen.orchestrator.strategies.steered.tuning_price import Spent, TuningPrice

FIRST = Schedule(
    g=Conditional(np.array([9.0]), np.array([False])),
    dt=0.1,
    steps_per_unit=300.0,
    scale=np.array([1.0]),
)
REPLICAS, SEEDS = 16, 24
Chances = Callable[[np.random.Generator, float, int], np.ndarray]


def bridges(halfway: float) -> Chances:
    """Chances of n paths of some length between two states whose works are Gaussian.

    Paths of `halfway` steps lose 1 kT, and of n of them 1/n of it: their number and the error of
    each make up for one another, n·(1/a − 2) is the same for all that are long enough.
    """

    def chances(rng: np.random.Generator, length: float, n: int) -> np.ndarray:
        lost = halfway / length
        return 1.0 / (1.0 + np.exp(lost + np.sqrt(2.0 * lost) * rng.normal(size=n)))

    return chances


def hits(chance: Callable[[float], float]) -> Chances:
    """Crossings of a chain, of which there are all or nothing."""
    return lambda rng, length, n: (rng.random(n) < chance(length)).astype(float)


def a_round(tuner: PathTuner, rng: np.random.Generator, chances: Chances, n: int) -> PathRound:
    """The paths of a round, n of each candidate."""
    tried = [s.steps_per_unit for s in tuner.candidates]
    number = np.repeat(np.arange(len(tried)), n)
    chance = np.concatenate([chances(rng, length, n) for length in tried])
    replica = np.arange(len(number)) % REPLICAS
    return PathRound(number.astype(float), np.array(tried)[number], chance, replica.astype(float))


def price(
    spent: Spent, state_error: float, share: float = 1.0, overlap: float = 0.0
) -> TuningPrice:
    """Of a campaign of two states: 16 walkers, 500 evaluations of local sampling a stretch."""
    return TuningPrice(
        share=share, spent=spent, local=64e3, paths=64.0, beside=1000.0, fewest=320.0,
        of_error=2.0 / state_error**2, overlap=overlap,
    )  # fmt: skip


def lengths_found(
    chances: Chances, bridging: bool, n: int = 21, error: float = 0.02, alone: bool = False
) -> np.ndarray:
    """Steps a unit that the search ends with, of each of many seeds; a round costs nothing.

    `alone`: nothing is sampled but paths.
    """
    free = replace(price(Spent(), error), local=0.0, paths=0.0)
    if alone:
        free = replace(free, beside=0.0, fewest=0.0)
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        tuner = PathTuner.begin(FIRST, ("steps",), turns=16, bridging=bridging)
        while not tuner.done:
            tuner = tuner.absorb(a_round(tuner, rng, chances, n), REPLICAS, free)
        found.append(tuner.best.steps_per_unit)
    return np.array(found)


TIES = {"chain": (hits(lambda n: n / 2400.0), False), "bridge": (bridges(300.0), True)}
"""Crossings cost the same whatever the length; and 300 steps are best for an error of 0.1 kT."""


@pytest.mark.parametrize("case", TIES)
def test_noise_makes_no_path_twice_as_long(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison errs at 2 σ in one of forty, and a search has a few; twin: whatever is best."""
    chances, bridging = TIES[case]
    alone = not bridging
    longer = lengths_found(chances, bridging, error=0.1, alone=alone) > 1.9 * FIRST.steps_per_unit
    assert longer.sum() <= 3
    monkeypatch.setattr(switching_tuner, "SURE", 0.0)
    twin = lengths_found(chances, bridging, error=0.1, alone=alone) > 1.9 * FIRST.steps_per_unit
    assert twin.sum() >= 5


def test_what_is_sampled_beside_each_path_belongs_to_its_price() -> None:
    """Of such a chain 300 steps or 1200 cross at one cost, and 1000 evaluations go with each."""
    chances, _ = TIES["chain"]
    with_it = lengths_found(chances, bridging=False, n=128, error=0.1)
    assert np.mean(with_it >= 1.9 * FIRST.steps_per_unit) > 0.85
    # the twin: by what paths cost alone
    without = lengths_found(chances, bridging=False, n=128, error=0.1, alone=True)
    assert np.mean(without >= 1.9 * FIRST.steps_per_unit) < 0.3


def test_seeds_agree_and_the_error_of_a_difference_is_not_that_of_a_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within a factor of two, 21 paths of a length a round; twin: 1/a − 2 as sure as a is."""

    def of_chance(trials: PathTrials, *_: object) -> tuple[np.ndarray, np.ndarray]:
        all_ = trials.total
        a = (all_.crossings / all_.paths)[:, 0]
        worth = 1.0 / (trials.lengths * np.maximum(1.0 / a - 2.0, 0.05))
        unit = np.maximum(worth, worth[0])
        return (worth - worth[0]) / unit, np.hypot(trials.spread[0], trials.spread)

    def scatter() -> float:
        found = lengths_found(bridges(300.0), bridging=True, error=0.1)
        low, high = np.percentile(found, [5, 95])
        return float(high / low)

    assert scatter() < 2.1
    monkeypatch.setattr(PathTrials, "compared", of_chance)
    assert scatter() > 3.0


FAR = {"chain": (hits(lambda n: 0.6 / (1.0 + (1200.0 / n) ** 3)), False),
       "bridge": (bridges(3000.0), True)}  # fmt: skip
"""300 steps cross once in a hundred times, or lose 10 kT."""


@pytest.mark.parametrize("case", FAR)
def test_a_longer_path_that_is_better_is_found(case: str) -> None:
    """Of the chain 1500 steps are best, at a third of the cost, of the bridge 2000."""
    found = lengths_found(*FAR[case], n=128, error=0.1)
    assert np.mean(found >= 3.0 * FIRST.steps_per_unit) > 0.85
    low, high = np.percentile(found[found > FIRST.steps_per_unit], [5, 95])
    assert high <= 2.1 * low


def test_paths_of_one_replica_are_no_more_than_it() -> None:
    """Ten times the same paths tell as much as once; twin: errors as of independent paths."""
    rng = np.random.default_rng(5)
    tuner = PathTuner.begin(FIRST, ("steps",))
    once = a_round(tuner, rng, hits(lambda n: 0.3), 64)
    ten = PathRound(*(np.tile(column, 10) for column in (
        once.schedule, once.evaluations, once.chance, once.replica)))  # fmt: skip
    trials = [PathTrials.of_round(3, REPLICAS, paths) for paths in (once, ten)]
    noise = [t.compared(False, evaluations_per_crossing)[1][1] for t in trials]
    assert noise[1] == pytest.approx(noise[0], rel=0.01)
    alone = [t.spread[1] for t in trials]
    assert alone[1] < 0.4 * alone[0]


@pytest.mark.parametrize("replicas", [1, 3])
def test_paths_of_a_few_replicas_have_an_error_all_the_same(replicas: int) -> None:
    rng = np.random.default_rng(6)
    draws = []
    for _ in range(200):
        number = np.repeat(np.arange(2.0), 80)
        paths = PathRound(
            number, np.ones(160), (rng.random(160) < 0.3) * 1.0, np.arange(160.0) % replicas
        )
        trials = PathTrials.of_round(2, replicas, paths)
        draws.append([column[1] for column in trials.compared(False, evaluations_per_crossing)])
    saved, noise = np.array(draws).T
    # the spread of 200 draws is known to 5 %; errors of 7 degrees of freedom are inflated by 1.16
    assert 1.0 < np.sqrt(np.mean(noise**2)) / saved.std() < 1.5


# the price


def test_production_is_as_long_as_its_error_asks_for_and_not_shorter_than_the_shortest() -> None:
    # 300 evaluations a path and 1/a − 2 = 4 leave σ² = 8/m
    at = price(Spent(), 0.05).production(np.array(300.0), np.array(4.0))
    assert float(at) == pytest.approx((8.0 / 0.05**2 + 320.0) * 1300.0)


def campaign(
    seed: int, state_error: float, share: float, chances: Chances, overlap: float = 0.0
) -> tuple[PathTuner, TuningPrice]:
    """An adaptation stepped without sampling: its end, and the price after its last round."""
    rng = np.random.default_rng(seed)
    spent = Spent().with_round(300_000, adapting=False)
    for _ in range(5):
        spent = spent.with_round(64_000, adapting=True)
    tuner = PathTuner.begin(FIRST, ("steps", "smooth", "friction"), turns=99, bridging=True)
    while True:
        tried = len(tuner.candidates)
        paths = a_round(tuner, rng, chances, 64 // tried)
        spent = spent.with_round(64_000 + int(paths.evaluations.sum()), adapting=True)
        now = price(spent, state_error, share, overlap)
        tuner = tuner.absorb(paths, REPLICAS, now)
        if tuner.done:
            return tuner, now


def test_hardly_a_search_ends_where_works_overlap_less_than_is_asked_for() -> None:
    """Few paths will do for so large an error; those of 300 steps overlap by 0.015."""
    chances, rng = bridges(4000.0), np.random.default_rng(7)

    def too_short(asked: float) -> float:
        ends = (campaign(seed, 0.5, 0.15, chances, asked)[0].best for seed in range(40))
        overlaps = [2.0 * chances(rng, s.steps_per_unit, 10_000).mean() for s in ends]
        return float(np.mean(np.array(overlaps) < 0.03))

    assert too_short(0.03) <= 0.1
    # the twin: what more paths save is too little
    assert too_short(0.0) >= 0.2


def test_a_search_goes_on_where_the_overlap_is_only_by_luck_as_asked() -> None:
    """Two lengths of the same mean chance, 0.03 of each path, and 0.24 of one in eight."""
    rng = np.random.default_rng(8)
    asking = replace(price(Spent(), 0.5), overlap=0.03)
    tuner = PathTuner.begin(FIRST, ("steps",), bridging=True)
    number, steps = np.repeat(np.arange(3.0), 64), np.full(192, 300.0)
    pays = []
    for chance in (np.full(192, 0.03), np.where(rng.permutation(192) % 8 == 0, 0.24, 0.0)):
        paths = PathRound(number, steps, chance, np.arange(192.0) % REPLICAS)
        trials = PathTrials.of_round(3, REPLICAS, paths)
        assert trials.chance == pytest.approx(0.03, rel=0.6)
        per_crossing = trials.per_crossing(bridging=True)[:1]
        production = float(asking.production(trials.lengths[:1], per_crossing)[0])
        # a round that costs a little more than may be saved of that
        spared = production - asking.in_any_case
        dear = replace(asking, local=1.1 * switching_tuner.HOPE * spared, paths=0.0)
        pays.append(tuner._pays(tuner.candidates, trials, 0, dear))
    assert pays == [False, True]


def test_the_overlap_may_be_less_by_its_error() -> None:
    asking = replace(price(Spent(), 0.5), overlap=0.03)
    length, per_crossing = np.array(300.0), np.array([48.0, 18.0])  # overlaps of 0.04 and 0.1
    cost = asking.production(length, per_crossing) / price(Spent(), 0.5).production(
        length, per_crossing
    )
    assert cost == pytest.approx([1.5**2, 1.0])
    vague = asking.production(length, per_crossing, 0.5) / asking.production(length, per_crossing)
    assert vague == pytest.approx([4.0, 1.2**2])
    # where hardly anything crossed the error is none, and the price still a number
    unknown = asking.production(length, per_crossing, np.inf)
    assert unknown == pytest.approx(asking.production(length, per_crossing, 0.5))


def beyond(state_error: float, share: float) -> np.ndarray:
    """What adaptations spent against what 15 % of their campaigns are, of ten seeds.

    The first round of paths, before which nothing is known, is forgiven.
    """
    rng, chances, out = np.random.default_rng(0), bridges(1000.0), []
    for seed in range(10):
        tuner, last = campaign(seed, state_error, share, chances)
        length = tuner.best.steps_per_unit
        a = chances(rng, length, 100_000).mean()
        production = float(last.production(np.array(length), np.array(1.0 / a - 2.0)))
        whole = last.spent.campaign + production
        first = 6 * 64e3 + 64 * 700.0
        out.append(last.spent.adaptation / max(first, 0.15 * whole))
    return np.array(out)


@pytest.mark.parametrize("state_error", [0.3, 0.1, 0.03, 0.01])
def test_adaptation_stays_within_its_share(state_error: float) -> None:
    """What was expected when the last round was allowed is known to half; twin: all is allowed."""
    assert beyond(state_error, share=0.15).max() < 1.5
    if state_error == 0.03:
        assert beyond(state_error, share=1.0).max() > 1.5


def test_what_cannot_save_its_price_is_not_tried() -> None:
    """A loose error is met by the paths there are anyway, and one round of trials shows it."""
    rounds = [[campaign(seed, error, 1.0, bridges(300.0))[0].turn for seed in range(10)]
              for error in (1.0, 0.03)]  # fmt: skip
    assert max(rounds[0]) <= 3
    assert min(rounds[1]) >= 5
