"""The tuner of the paths: what a setting costs, and when it gives way to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from driving import same, setup_of

from msgen.actors.base import decode, encode
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.run_directory.tree_file import load_tree, save_tree
from msgen.orchestrator.strategies.common.exploration import push_restraint
from msgen.orchestrator.strategies.flow_mcmc.strategy import FlowMcmc
from msgen.orchestrator.strategies.steered.path_settings import FACTORS
from msgen.orchestrator.strategies.steered.path_trials import FEWEST, PathRound
from msgen.orchestrator.strategies.steered.pattern_search import PASSES, PatternSearch
from msgen.orchestrator.strategies.steered.strategy import Steered
from msgen.orchestrator.strategies.steered.switching import path_step, tuner_of
from msgen.orchestrator.strategies.steered.switching_tuner import PATIENCE, PathTuner
from msgen.orchestrator.strategies.steered.tuning_price import TuningPrice

FIRST = Schedule(
    g=Conditional(np.array([9.0]), np.array([False])),
    dt=0.1,
    steps_per_unit=16.0,
    scale=np.array([1.0]),
    friction=0.5,
)
SMALL = "system={kind: dimer, particles: 20, box: 6.7, timestep: 0.01 ps, platform: Reference}"
ALL = ("steps", "kappa", "smooth", "friction", "dt")


def paths(
    *settings: tuple[float, float], n: int = 40, spread: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each candidate (evaluations, mean acceptance): these, and its number, of n paths."""
    number = np.repeat(np.arange(len(settings)), n)
    steps = np.repeat([s for s, _ in settings], n).astype(float)
    mean = np.repeat([a for _, a in settings], n)
    rng = np.random.default_rng(3)
    sign = np.concatenate([rng.permutation(np.resize([1.0, -1.0], n)) for _ in settings])
    return number, steps, np.clip(mean * (1.0 + spread * sign), 0.0, 1.0)


def bridges(
    *settings: tuple[float, float], n: int = 400
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of paths between two states, whose chances are such that ⟨a²⟩ = ⟨a⟩/2."""
    number, steps, mean = paths(*settings, n=n)
    rank = (np.tile(np.arange(n), len(settings)) * 0.618034) % 1.0
    return number, steps, np.where(rank < 2.0 * mean, 0.5, 0.0)


def absorbed(
    tuner: PathTuner,
    number: np.ndarray,
    evaluations: np.ndarray,
    chance: np.ndarray,
    work: np.ndarray | None = None,
    replicas: int = 20,
    price: TuningPrice | None = None,
) -> PathTuner:
    """After a round whose paths came from the replicas in turn."""
    replica = np.arange(len(number)) % replicas
    return tuner.absorb(PathRound(number, evaluations, chance, replica, work), replicas, price)


def test_a_crossing_costs_its_evaluations_over_the_chance() -> None:
    tuner = PathTuner.begin(FIRST, ("steps",))
    after = absorbed(tuner, *paths((100, 0.5), (60, 0.25), (200, 0.6)))
    assert after.cost == pytest.approx(200.0)
    assert after.best == FIRST
    assert after.turn == 1


@pytest.mark.parametrize(("a", "cost"), [(0.1, 800.0), (0.25, 200.0), (0.499, 100 * 0.05)])
def test_a_bridge_costs_what_its_error_does(a: float, cost: float) -> None:
    # Bennett: variance (1/a − 2)/n from n paths; bounded below, as a = 1/2 would cost nothing
    tuner = PathTuner.begin(FIRST, ("steps",), bridging=True)
    after = absorbed(tuner, *bridges((100, a), (1e6, a), (1e6, a)))
    assert after.cost == pytest.approx(cost, rel=0.03)


def test_the_criteria_part_ways_where_crossings_are_common() -> None:
    seen = bridges((100, 0.30), (80, 0.28), (200, 0.45))
    chain = absorbed(PathTuner.begin(FIRST, ("steps",)), *seen)
    bridge = absorbed(PathTuner.begin(FIRST, ("steps",), bridging=True), *seen)
    assert chain.best.steps_per_unit < FIRST.steps_per_unit  # 333, 286, 444
    assert bridge.best.steps_per_unit > FIRST.steps_per_unit  # 133, 126, 44


def test_broken_paths_cost_and_cross_nothing() -> None:
    number, cost, chance = paths((100, 0.4), (90, 0.6), (400, 0.4), n=40)
    whole = absorbed(PathTuner.begin(FIRST, ("steps",)), number, cost, chance)
    assert whole.best.steps_per_unit < FIRST.steps_per_unit
    chance[40:80:2] = 0.0  # every other path of the cheaper one: 300 a crossing, against 250
    assert absorbed(PathTuner.begin(FIRST, ("steps",)), number, cost, chance).best == FIRST


def test_a_longer_path_must_be_better_beyond_the_noise_and_a_shorter_one_not_be_worse() -> None:
    tuner = PathTuner.begin(FIRST, ("steps",))
    longer = ((100, 0.40), (50, 0.1), (110, 0.50))  # by 12 %
    settled = tuner
    for _ in range(PATIENCE):
        settled = absorbed(settled, *paths(*longer, spread=1.0))  # known to 16 %, then to 8 %
    assert settled.best == FIRST
    taken = absorbed(tuner, *paths(*longer, spread=0.1)).best
    assert taken.steps_per_unit == pytest.approx(2.0 * FIRST.steps_per_unit)
    same = ((100, 0.40), (50, 0.21), (200, 0.40))
    for _ in range(PATIENCE):
        tuner = absorbed(tuner, *paths(*same, spread=1.0))
    assert tuner.best.steps_per_unit == pytest.approx(FIRST.steps_per_unit / 2.0)


def test_what_cannot_be_told_yet_is_waited_for() -> None:
    tuner = PathTuner.begin(FIRST, ("steps",))
    vague = paths((100, 0.4), (50, 0.16), (200, 0.88), n=10, spread=1.0)  # 32 % each
    once = absorbed(tuner, *vague)
    assert (once.best, once.held, once.search.settled) == (FIRST, 1, ())
    assert once.candidates == tuner.candidates
    # the same again and again, until there is no more patience
    later = once
    for _ in range(PATIENCE - 1):
        later = absorbed(later, *vague)
    assert (later.best, later.held, later.search.settled) == (FIRST, 0, (1,))
    # or enough to tell
    clear = absorbed(once, *paths((100, 0.4), (40, 0.4), (200, 0.4), n=400))
    assert clear.best.steps_per_unit < FIRST.steps_per_unit


def test_few_paths_decide_nothing() -> None:
    number, steps, chance = paths((100, 0.2), (10, 0.9), (100, 0.2), n=FEWEST)
    keep = np.ones(len(number), dtype=bool)
    keep[FEWEST] = False  # the better one has sent one path too few
    tuner = PathTuner.begin(FIRST, ("steps",))
    assert absorbed(tuner, number[keep], steps[keep], chance[keep]).best == FIRST
    assert absorbed(tuner, number, steps, chance).best != FIRST


def test_where_nothing_crosses_paths_grow() -> None:
    none = paths((100, 0.0), (50, 0.0), (200, 0.0))
    tuner = PathTuner.begin(FIRST, ALL, turns=20)
    longer = absorbed(tuner, *none)
    assert longer.best.steps_per_unit == pytest.approx(64.0)
    # as many relaxations on the way
    assert longer.best.friction == pytest.approx(FIRST.friction / 4.0)
    assert np.isnan(longer.cost)
    only = absorbed(absorbed(PathTuner.begin(FIRST, ("steps",)), *none), *none)
    assert only.best == replace(FIRST, steps_per_unit=256.0)
    assert not only.done
    stuck = absorbed(PathTuner.begin(FIRST, ("friction",)), *none)
    assert stuck.best == FIRST
    assert stuck.turn == 1


def test_and_follow_what_costs_less_work() -> None:
    number, cost, chance = paths((100, 0.0), (141, 0.0), (71, 0.0))
    tuner = PathTuner.begin(FIRST, ("dt", "friction"), turns=20)
    work = np.array([300.0, 100.0, np.inf])[number]  # the longer time step breaks
    finer = absorbed(tuner, number, cost, chance, work)
    assert finer.best.dt == pytest.approx(FIRST.dt / FACTORS["dt"])
    assert finer.search.heading == -1
    # a work of 300 kT in every way says nothing of the friction
    other = absorbed(
        replace(tuner, search=replace(tuner.search, at=1)),
        number,
        cost,
        chance,
        np.full(len(number), 300.0),
    )
    assert other.best == FIRST
    assert other.search.at == 0


def test_a_shorter_step_has_to_be_worth_its_evaluations() -> None:
    number, cost, chance = paths((100, 0.0), (141, 0.0), (71, 0.0))
    tuner = PathTuner.begin(FIRST, ("dt", "friction"), turns=20)
    # a tenth less work for two fifths more evaluations, and a tenth more for a third less
    after = absorbed(tuner, number, cost, chance, np.array([30.0, 27.0, 33.0])[number])
    assert after.best.dt == pytest.approx(FIRST.dt * FACTORS["dt"])


def test_what_crosses_now_and_then_is_not_lengthened() -> None:
    """One path in twenty: forty of each candidate cannot tell them apart, more can."""
    now_and_then = np.where(np.arange(120) % 20 == 0, 1.0, 0.0)
    number, cost, _ = paths((100, 0.0), (50, 0.0), (200, 0.0))
    tuner = PathTuner.begin(FIRST, ("steps",), turns=16)
    after = absorbed(tuner, number, cost, now_and_then)
    assert (after.best, after.held, after.candidates) == (FIRST, 1, tuner.candidates)
    for _ in range(2 * PATIENCE - 1):
        after = absorbed(after, number, cost, now_and_then)
    # as many crossings for half the evaluations
    assert after.best.steps_per_unit < FIRST.steps_per_unit


def test_where_paths_break_their_step_is_shorter_and_they_are_no_longer() -> None:
    """Every work is infinite, whatever the candidate; twin: as bad works of whole paths."""
    number, cost, chance = paths((100, 0.0), (50, 0.0), (200, 0.0))
    tuner, work = PathTuner.begin(FIRST, ALL, turns=20), np.full(len(number), np.inf)
    replica = np.arange(len(number)) % 20
    broken = tuner.absorb(PathRound(number, cost, chance, replica, work, broken=0.9), 20)
    assert broken.best == replace(FIRST, dt=FIRST.dt / 2.0, steps_per_unit=32.0)
    whole = tuner.absorb(PathRound(number, cost, chance, replica, work, broken=0.1), 20)
    assert whole.best.dt == FIRST.dt
    fixed = PathTuner.begin(FIRST, ("steps",), turns=20)
    longer = fixed.absorb(PathRound(number, cost, chance, replica, work, broken=0.9), 20)
    assert longer.best.dt == FIRST.dt


def test_where_nobody_tried_nothing_is_learnt() -> None:
    number, cost, chance = paths((100, 0.0), (50, 0.0), (200, 0.0))
    tuner = PathTuner.begin(FIRST, ALL, turns=20)
    same_as = absorbed(tuner, number, cost, chance, np.full(len(number), np.nan))
    assert same_as.best == FIRST
    assert same_as.turn == 0


def test_one_lucky_path_decides_nothing() -> None:
    lucky = np.zeros(120)
    lucky[50] = 1.0  # the only crossing of all, by a candidate half as long
    number, cost, _ = paths((100, 0.0), (50, 0.0), (200, 0.0))
    after = absorbed(PathTuner.begin(FIRST, ("steps",)), number, cost, lucky)
    assert after.best.steps_per_unit > FIRST.steps_per_unit


def test_a_candidate_that_crosses_wins_over_a_setting_that_never_does() -> None:
    after = absorbed(PathTuner.begin(FIRST, ("steps",)), *paths((100, 0.0), (50, 0.0), (200, 1e-3)))
    assert after.best.steps_per_unit == pytest.approx(32.0)


@pytest.mark.parametrize("lucky", [2, 0])
def test_luck_does_not_beat_what_had_none_yet(lucky: int) -> None:
    """Two or none of twenty cross by the present setting, five by one that costs twice as much."""
    number, cost, _ = paths((100, 0.0), (50, 0.0), (200, 0.0), n=20)
    hits = np.zeros(60)
    hits[[*range(lucky), *range(40, 45)]] = 1.0
    tuner = PathTuner.begin(FIRST, ("steps",))
    after = absorbed(tuner, number, cost, hits)
    assert (after.best, after.held) == (FIRST, 1)
    # what it was: now every candidate crosses one time in ten
    for _ in range(PATIENCE - 1):
        hits = np.where(np.arange(60) % 10 == 0, 1.0, 0.0)
        after = absorbed(after, number, cost, hits)
    assert after.best.steps_per_unit <= FIRST.steps_per_unit


def test_an_axis_is_followed_while_it_pays() -> None:
    tuner = PathTuner.begin(FIRST, ("steps", "friction"))
    better = absorbed(tuner, *paths((100, 0.1), (50, 0.01), (200, 0.4)))
    tried = [s.steps_per_unit for s in better.candidates]
    assert tried == pytest.approx([32.0, 64.0, 128.0])
    further = absorbed(better, *paths((200, 0.1), (400, 0.3), (800, 0.9)))
    assert further.best.steps_per_unit == pytest.approx(128.0)
    # now it does not pay any more: the next axis
    rest = absorbed(further, *paths((800, 0.9), (1600, 0.95), (3200, 1.0)))
    assert rest.search.settled == (1, 0)
    assert {s.steps_per_unit for s in rest.candidates} == {128.0}
    # as many relaxations on a path as before, and fewer and more of them
    assert [s.friction for s in rest.candidates] == pytest.approx([0.0625, 0.0078125, 0.5])


def test_the_second_pass_is_finer_and_the_search_ends_when_all_is_at_rest() -> None:
    flat = paths((100, 0.3), (100, 0.3), (100, 0.3))
    tuner = PathTuner.begin(FIRST, ("steps", "dt", "smooth"), turns=99)
    widths = []
    while not tuner.done:
        first, low, high = tuner.candidates
        assert first == FIRST
        widths.append(high.steps_per_unit / low.steps_per_unit)
        tuner = absorbed(tuner, *flat)
    assert widths == pytest.approx([4.0, 0.25, 1.0, 2.0, 0.5, 1.0])
    assert tuner.search.settled == (PASSES,) * 3
    assert tuner.best == FIRST


def test_what_moves_late_sends_the_others_round_again() -> None:
    search = PatternSearch(FIRST, ("steps", "dt"), settled=(2, 1), at=1)
    tuner = PathTuner(search, turns=99)
    moved = absorbed(tuner, *paths((100, 0.1), (100, 0.1), (100, 0.2)))
    rest = absorbed(moved, *paths((100, 0.2), (100, 0.2), (100, 0.2)))
    assert rest.search.settled == (1, 2)
    assert not rest.done
    hardly = absorbed(tuner, *paths((100, 0.2), (100, 0.2), (100, 0.21)))
    assert absorbed(hardly, *paths((100, 0.2), (100, 0.2), (100, 0.2))).done


def test_when_done_only_the_best_is_left() -> None:
    tuner = replace(PathTuner.begin(FIRST, ("steps",), turns=6), turn=6)
    assert tuner.done
    assert tuner.candidates == (FIRST,)
    assert absorbed(tuner, *paths((100, 0.1), (1, 1.0))) is tuner
    nothing_free = PathTuner.begin(FIRST, ())
    assert nothing_free.done
    assert nothing_free.candidates == (FIRST,)
    assert not tuner.again().done
    assert tuner.again().best == tuner.best


@pytest.mark.parametrize("start", [4.0, 40.0, 400.0])
@pytest.mark.parametrize("friction", [1e-4, 1.0, 1e4])
def test_the_search_finds_a_known_optimum_from_far_off(start: float, friction: float) -> None:
    # a = s²/(s+40)² · 1/(1 + ln²(γs/40)/4): s/a is least at s = 40, γ = 1, where it is 160
    rng = np.random.default_rng(5)
    first = replace(FIRST, steps_per_unit=start, friction=friction)
    tuner = PathTuner.begin(first, ("steps", "friction"), turns=40)

    def chance(s: Schedule) -> float:
        a = (s.steps_per_unit / (s.steps_per_unit + 40.0)) ** 2
        relaxations = s.friction * s.steps_per_unit / 40.0
        return float(a / (1.0 + np.log(relaxations) ** 2 / 4.0))

    while not tuner.done:
        tried = tuner.candidates
        number = np.repeat(np.arange(len(tried)), 2000)
        steps = np.array([t.steps_per_unit for t in tried])[number]
        hit = rng.random(len(number)) < np.array([chance(t) for t in tried])[number]
        tuner = absorbed(tuner, number, steps, hit.astype(float))
    assert tuner.best.steps_per_unit / chance(tuner.best) < 1.3 * 160.0
    assert tuner.turn <= 32


def test_a_tuner_survives_the_disk(tmp_path: Path) -> None:
    tuner = replace(PathTuner.begin(FIRST, ALL, turns=9, bridging=True), turn=3)
    vague = paths((100, 0.4), (85, 0.4), (200, 0.4), n=10, spread=1.0)
    for seen in (None, paths((100, 0.2), (90, 0.2), (10, 0.3)), vague):
        now = tuner if seen is None else absorbed(tuner, *seen)
        save_tree(tmp_path / "t.npz", encode(now))
        back = decode(PathTuner, load_tree(tmp_path / "t.npz"))
        assert same(encode(back), encode(now))
        tried = zip(back.candidates, now.candidates, strict=True)
        assert all(same(encode(a), encode(b)) for a, b in tried)
        assert back.bridging == now.bridging
        assert same(back.cost, now.cost)
        again = paths((100, 0.3), (90, 0.2), (10, 0.1))
        assert same(encode(absorbed(back, *again)), encode(absorbed(now, *again)))


@pytest.mark.parametrize(("scheme", "searched"), [("moving", True), ("extended", False)])
def test_the_time_step_of_a_molecule_is_searched_where_nothing_pulls(
    scheme: str, searched: bool
) -> None:
    path = f"strategy.path={{scheme: {scheme}, steps: 100}}"
    strategy = setup_of("papers/steered_dimer", SMALL, path)[0]
    assert isinstance(strategy, Steered)
    tuner = tuner_of(strategy.problem, strategy.start())
    assert ("dt" in tuner.search.axes) is searched
    # from that of the local moves
    assert tuner.best.dt == pytest.approx(0.01)


def test_pushes_of_a_molecule_take_the_step_of_its_local_moves() -> None:
    """Which knows of its bonds; the restraint alone would allow three times as much."""
    strategy = setup_of("papers/steered_polymer_flow", "system.solvent=54", "system.box=5.1")[0]
    assert isinstance(strategy, FlowMcmc)
    assert path_step(strategy.problem, strategy.start().moves) == pytest.approx(0.005)
    push = push_restraint(strategy.problem).kappa
    assert strategy.problem.stable_step(push, None) > 0.01
