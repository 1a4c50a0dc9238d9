"""The tuner of the paths: what a setting costs, and when it gives way to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from driving import same

from msgen.actors.conditional import Conditional
from msgen.actors.engine import Schedule
from msgen.orchestrator.strategies.tuner import FEWEST, PathTuner
from msgen.orchestrator.tree import load_tree, save_tree

FIRST = Schedule(
    g=Conditional(np.array([9.0]), np.array([False])),
    dt=0.1,
    steps_per_unit=16.0,
    scale=np.array([1.0]),
    friction=0.5,
)
ALL = ("steps", "kappa", "smooth", "friction", "dt")


def paths(
    *settings: tuple[float, float], n: int = 40, spread: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each candidate (steps, mean acceptance): number, steps and acceptance of n paths."""
    number = np.repeat(np.arange(len(settings)), n)
    steps = np.repeat([s for s, _ in settings], n).astype(float)
    mean = np.repeat([a for _, a in settings], n)
    sign = np.tile([1.0, -1.0], len(number) // 2)
    return number, steps, np.clip(mean * (1.0 + spread * sign), 0.0, 1.0)


def test_a_crossing_costs_its_steps_over_the_chance() -> None:
    tuner = PathTuner(FIRST, ("steps",))
    after = tuner.absorb(*paths((100, 0.5), (60, 0.25), (200, 0.6)))
    assert after.cost == pytest.approx(200.0)
    assert after.best == FIRST
    assert after.turn == 1


@pytest.mark.parametrize(("a", "cost"), [(0.1, 800.0), (0.25, 200.0), (0.499, 100 * 0.05)])
def test_a_bridge_costs_what_its_error_does(a: float, cost: float) -> None:
    # Bennett: variance (1/a − 2)/n from n paths; bounded below, as a = 1/2 would cost nothing
    tuner = PathTuner(FIRST, ("steps",), bridging=True)
    assert tuner.absorb(*paths((100, a), (1e6, a), (1e6, a))).cost == pytest.approx(cost)


def test_the_criteria_part_ways_where_crossings_are_common() -> None:
    seen = paths((100, 0.30), (80, 0.28), (200, 0.45))
    chain = PathTuner(FIRST, ("steps",)).absorb(*seen)
    bridge = PathTuner(FIRST, ("steps",), bridging=True).absorb(*seen)
    assert chain.best.steps_per_unit < FIRST.steps_per_unit  # 333, 286, 444
    assert bridge.best.steps_per_unit > FIRST.steps_per_unit  # 133, 126, 44


def test_only_what_is_better_beyond_the_noise_is_taken() -> None:
    tuner = PathTuner(FIRST, ("steps",))
    seen = ((100, 0.40), (90, 0.40), (200, 0.40))  # the second is cheaper by 10 %
    assert tuner.absorb(*paths(*seen, spread=1.0)).best == FIRST  # known to 16 % each
    taken = tuner.absorb(*paths(*seen, spread=0.1)).best
    assert taken.steps_per_unit == pytest.approx(FIRST.steps_per_unit / 2.0)


def test_few_paths_decide_nothing() -> None:
    tuner = PathTuner(FIRST, ("steps",))
    number, steps, chance = paths((100, 0.2), (10, 0.9), (100, 0.2), n=FEWEST)
    keep = np.ones(len(number), dtype=bool)
    keep[FEWEST] = False  # the better one has sent one path too few
    assert tuner.absorb(number[keep], steps[keep], chance[keep]).best == FIRST
    assert tuner.absorb(number, steps, chance).best != FIRST


def test_where_nothing_crosses_paths_grow_or_their_step_shrinks() -> None:
    none = paths((100, 0.0), (50, 0.0), (200, 0.0))
    tuner = PathTuner(FIRST, ALL, turns=20)
    longer = tuner.absorb(*none)
    assert longer.best == replace(FIRST, steps_per_unit=32.0)
    finer = longer.absorb(*none)
    assert finer.best.dt == pytest.approx(FIRST.dt / 2)
    # the same way in the same time
    assert finer.best.steps_per_unit * finer.best.dt == pytest.approx(32.0 * FIRST.dt)
    assert np.isnan(finer.cost)
    only = PathTuner(FIRST, ("steps", "friction")).absorb(*none).absorb(*none)
    assert only.best == replace(FIRST, steps_per_unit=64.0)
    stuck = PathTuner(FIRST, ("friction",)).absorb(*none)
    assert stuck.best == FIRST
    assert stuck.turn == 1


def test_a_candidate_that_crosses_wins_over_a_setting_that_never_does() -> None:
    after = PathTuner(FIRST, ("steps",)).absorb(*paths((100, 0.0), (50, 0.0), (200, 1e-3)))
    assert after.best.steps_per_unit == pytest.approx(32.0)


def test_each_turn_varies_one_axis_and_the_last_sweep_is_finer() -> None:
    tuner = PathTuner(FIRST, ALL, turns=10)
    changes = {
        "steps": lambda s: s.steps_per_unit,
        "kappa": lambda s: float(s.g.kappa[0]),
        "smooth": lambda s: s.smooth,
        "friction": lambda s: s.friction,
        "dt": lambda s: s.dt,
    }
    first, again = {}, {}
    for turn in range(10):
        now = replace(tuner, turn=turn)
        same_as, lower, upper = now.candidates
        assert same_as == FIRST
        axis = ALL[turn % 5]
        read = changes[axis]
        assert read(lower) <= read(FIRST) <= read(upper)
        assert read(lower) < read(upper)
        for other, value in changes.items():
            # a time step is varied at constant duration, so steps go with it
            if other not in (axis, "steps" if axis == "dt" else axis):
                assert value(lower) == value(upper) == value(FIRST)
        (first if turn < 5 else again)[axis] = read(upper) / read(FIRST)
    assert first["steps"] == pytest.approx(2.0)
    assert again["steps"] == pytest.approx(np.sqrt(2.0))
    assert first["kappa"] == pytest.approx(4.0)
    assert again["kappa"] == pytest.approx(2.0)
    assert first["dt"] == pytest.approx(2.0)


def test_when_done_only_the_best_is_left() -> None:
    tuner = PathTuner(FIRST, ("steps",), turn=6, turns=6)
    assert tuner.done
    assert tuner.candidates == (FIRST,)
    assert tuner.absorb(*paths((100, 0.1), (1, 1.0))) is tuner
    nothing_free = PathTuner(FIRST, ())
    assert nothing_free.done
    assert nothing_free.candidates == (FIRST,)


def test_the_search_finds_a_known_optimum() -> None:
    # a(steps) = (s/(s+40))²: steps/a has its minimum at s = 40
    rng = np.random.default_rng(5)
    tuner = PathTuner(replace(FIRST, steps_per_unit=640.0), ("steps",), turns=8)
    while not tuner.done:
        tried = tuner.candidates
        number = np.repeat(np.arange(len(tried)), 400)
        steps = np.array([t.steps_per_unit for t in tried])[number]
        chance = (steps / (steps + 40.0)) ** 2
        tuner = tuner.absorb(number, steps, (rng.random(len(number)) < chance).astype(float))
    assert 20.0 <= tuner.best.steps_per_unit <= 80.0
    assert tuner.cost == pytest.approx(160.0, rel=0.25)  # within ±2x of the best: ≤ 180


def test_a_tuner_survives_the_disk(tmp_path: Path) -> None:
    tuner = PathTuner(FIRST, ALL, turn=3, turns=9, bridging=True)
    for now in (tuner, tuner.absorb(*paths((100, 0.2), (90, 0.2), (10, 0.3)))):
        save_tree(tmp_path / "t.npz", now.tree())
        back = PathTuner.from_tree(load_tree(tmp_path / "t.npz"))
        assert same(back.tree(), now.tree())
        tried = zip(back.candidates, now.candidates, strict=True)
        assert all(same(a.tree(), b.tree()) for a, b in tried)
        assert back.bridging == now.bridging
        assert same(back.cost, now.cost)
