"""Mean first-passage times and crossings against chains whose times are known."""

from __future__ import annotations

import numpy as np
import pytest
from known_dynamics import (
    LADDER,
    TWO,
    Array,
    ends,
    first_passage_time,
    of_one_cv,
    run_chain,
    stationary,
)

from msgen.orchestrator.estimators.dynamics.passages import crossing, passages
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

SIGMAS = 4.0
AB = ("A", "B")


def finished_only(data: Trajectories, last: int) -> float:
    """The twin: the mean over passages that were seen to their end, unfinished ones dropped."""
    times = []
    for path in data.paths:
        core = ends(of_one_cv(path.T), last)
        since: int | None = None
        for t, c in enumerate(core):
            if c == 0 and since is None:
                since = t
            elif c == 1 and since is not None:
                times.append(t - since)
                since = None
    return float(np.mean(times))


@pytest.mark.parametrize(
    ("transition", "paths", "frames"), [(TWO, 40, 500), (LADDER, 60, 500), (LADDER, 800, 48)]
)
def test_times_both_ways_are_those_of_the_chain(transition: Array, paths: int, frames: int) -> None:
    """The last case has trajectories shorter than the passages, which take 80 and 40 steps."""
    last = len(transition) - 1
    data = of_one_cv(
        run_chain(transition, paths, frames, np.random.default_rng(5)), stride=0.5, unit="ps"
    )
    told = passages(data, ends(data, last), AB)
    exact = (first_passage_time(transition, 0, last), first_passage_time(transition, last, 0))
    for one, steps in zip(told, exact, strict=True):
        assert one.mean_time.value is not None
        assert one.mean_time.stderr is not None
        assert one.mean_time.stderr < 0.12 * one.mean_time.value
        assert abs(one.mean_time.value - 0.5 * steps) < SIGMAS * one.mean_time.stderr
        assert one.finished > 100
    assert (told[0].start, told[0].end, told[1].start) == ("A", "B", "B")
    # the times of the passages that were finished are too short by more than chance
    twin, error = 0.5 * finished_only(data, last), told[0].mean_time.stderr
    assert error is not None
    if frames < 100:
        assert twin < 0.5 * exact[0] - 2 * SIGMAS * error


@pytest.mark.parametrize("left", [1, 3, 7])
def test_walks_that_are_cut_off_count_as_long_as_they_were_seen(left: int) -> None:
    """By hand: three walks from A, one of them cut off after so many steps."""
    path = np.array([[0.0, 0.0, 2.0, 3.0, 0.0, *[2.0] * left]])
    data = of_one_cv(path)
    there, back = passages(data, ends(data, 3), AB)
    # walks from A: 0→0 after 1, 0→3 after 2, and 0→? cut off; all in one interval of age
    # until 20 end: 1 passage in 1 + 2 + `left` steps
    assert there.mean_time.value == pytest.approx(3.0 + left)
    assert there.mean_time.stderr is None
    assert "one trajectory" in there.mean_time.why
    assert (there.finished, there.unfinished) == (1, 1)
    assert back.mean_time.value == pytest.approx(1.0)
    assert (back.finished, back.unfinished) == (1, 0)


def test_weights_do_not_enter_what_starts_do_not_decide() -> None:
    """Starts spread evenly over the states, weighed to equilibrium."""
    rng = np.random.default_rng(3)
    rows = run_chain(LADDER, 800, 60, rng)
    plain = of_one_cv(rows)
    pi = stationary(LADDER)
    weights = tuple(np.full(60, pi[row[0]]) for row in rows)
    data = of_one_cv(rows, weights=weights)
    exact = first_passage_time(LADDER, 0, 3)
    for one in (plain, data):
        time = passages(one, ends(one, 3), AB)[0].mean_time
        assert time.value is not None
        assert time.stderr is not None
        assert abs(time.value - exact) < SIGMAS * time.stderr


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([[1.0, 1.0], [2.0, 1.0]], "never visited"),
        ([[0.0, 1.0], [0.0, 0.0]], "no passage"),
        ([[0.0, 3.0], [0.0, 0.0]], "too few passages for an error: 1"),
    ],
)
def test_where_there_is_no_ground_the_reason_is_told(rows: list[list[float]], why: str) -> None:
    data = of_one_cv(np.array(rows))
    time = passages(data, ends(data, 3), AB)[0].mean_time
    assert time.stderr is None
    assert why in time.why
    assert (time.value is None) is ("too few" not in why)


def test_windows_that_cross_are_counted() -> None:
    rows = np.array([[0, 1, 2, 3, 3, 3, 0], [0, 0, 1, 1, 2, 2, 3], [3, 2, 1, 0, 0, 1, 2]])
    data = of_one_cv(rows)
    told = crossing(data, ends(data, 3), 3)
    # windows 012 330…: only 3 3 0 would cross, and it is not cut there
    assert (told.windows, told.crossed) == (6, 0)
    assert told.share.value == 0.0
    assert told.share.stderr is None
    assert "below 0.5 with 95 %" in told.share.why
    told = crossing(data, ends(data, 3), 7)
    assert (told.windows, told.crossed, told.length) == (3, 3, 6.0)
    assert crossing(data, ends(data, 3), 8).windows == 0


def test_the_share_of_windows_that_cross_is_that_of_the_chain() -> None:
    """From A, B is reached within 20 steps with a chance that powers of the chain tell."""
    rng = np.random.default_rng(11)
    data = of_one_cv(run_chain(TWO, 400, 63, rng))
    told = crossing(data, ends(data, 1), 21)
    pi = stationary(TWO)
    exact = float(pi @ (1.0 - np.diag(TWO) ** 20))
    assert told.share.value is not None
    assert told.share.stderr is not None
    assert told.windows == 1200
    assert abs(told.share.value - exact) < SIGMAS * told.share.stderr
