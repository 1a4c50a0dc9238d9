"""Errors from few units: they cover, at fixed length, at a stop, and where units differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from coverage_cases.base import band, share
from scipy.stats import norm, t

from msgen.orchestrator.estimators.errors import inflation, inflations
from msgen.orchestrator.estimators.units import ENOUGH, LEAST_EFFECTIVE, Units, stretches

Array = np.ndarray
REPEATS = 300


def influences(x: Array, lengths: Array) -> Array:
    """Of sums x (R, S) over so many readings each, on their mean; unit = member + R · stretch."""
    mean = x.sum() / (len(x) * lengths.sum())
    return np.asarray((x - mean * lengths).T.reshape(-1, 1) / (len(x) * lengths.sum()))


def cut(members: int, readings: int) -> tuple[Units, Array]:
    """Units as the package makes them of white noise, and the ends of their stretches."""
    pieces = np.diff(np.linspace(0, readings, min(readings, 16) + 1).astype(np.int64))
    stretch, shares = stretches(members, float(members * readings), pieces)
    ends = np.cumsum(np.bincount(stretch, pieces)).astype(np.int64)
    return Units.stretched(members, shares, float(members * readings)), ends


def uncut(members: int, readings: int) -> tuple[Units, Array]:
    """The twin: members are whole."""
    return Units.whole(np.zeros(members, dtype=np.int64)), np.array([readings])


def stopped(members: int, units_of: Callable[[int, int], tuple[Units, Array]], seed: int) -> Array:
    """z of means of white noise that go on until their error is what is asked for.

    Rounds lengthen as those of campaigns; the error asked for is that of 60 readings of a member.
    """
    rng, z = np.random.default_rng(seed), []
    asked = 1.0 / np.sqrt(members * 60.0)
    for _ in range(REPEATS):
        sums, n, rounds = np.zeros((members, 1)), 0, 0
        while True:
            more = 6 + rounds
            fresh = rng.standard_normal((members, more)).cumsum(axis=1) + sums[:, -1:]
            sums, n, rounds = np.concatenate([sums, fresh], axis=1), n + more, rounds + 1
            units, ends = units_of(members, n)
            x = np.diff(sums[:, np.concatenate([[0], ends])], axis=1)
            lengths = np.diff(np.concatenate([[0], ends]))
            error = float(units.standard_error(influences(x, lengths))[0])
            if error <= asked:
                break
        z.append(sums[:, -1].sum() / (members * n) / error)
    return np.array(z)


def covers(z: Array, units: int) -> bool:
    """Both levels of the coverage benchmark."""
    return all(
        low <= share(z, limit) <= high
        for level, limit in ((0.6827, 1.0), (0.95, 1.959964))
        for low, high in [band(units, level, len(z))]
    )


@pytest.mark.parametrize("members", [2, 4])
def test_stopping_does_not_choose_errors_that_are_too_small(members: int) -> None:
    assert covers(stopped(members, cut, 11), members)
    assert not covers(stopped(members, uncut, 11), members)


@pytest.mark.parametrize(("members", "number"), [(2, 1), (2, 16), (4, 1), (4, 8), (16, 1)])
def test_at_fixed_length_errors_cover(members: int, number: int) -> None:
    rng, lengths = np.random.default_rng(members), np.full(number, 50)
    x = rng.standard_normal((1000, members, number)) * np.sqrt(50)
    units = Units.stretched(members, lengths / lengths.sum(), 1e6)
    mean = x.sum(axis=(1, 2)) / (members * lengths.sum())
    rows = np.stack([influences(one, lengths)[:, 0] for one in x], axis=1)
    # one by one: the chance that members differ is shared among what is asked together
    z = mean / np.array([units.standard_error(rows[:, i : i + 1])[0] for i in range(1000)])
    assert covers(z, members)
    assert not covers(2.0 * z, members)


def test_members_that_differ_are_not_cut() -> None:
    """What no stretch shows: each member has an offset of its own, six times its stretches' error.

    The twin takes the stretches alone for what there is.
    """
    rng, lengths = np.random.default_rng(3), np.full(8, 50)
    units, z, twin = Units.stretched(4, lengths / lengths.sum(), 1e6), [], []
    for _ in range(REPEATS):
        offset = 6.0 * rng.standard_normal((4, 1)) / np.sqrt(400.0)
        x = 50 * offset + np.sqrt(50) * rng.standard_normal((4, 8))
        z.append(x.sum() / 1600 / units.standard_error(influences(x, lengths))[0])
        twin.append(x.sum() / 1600 * np.sqrt(1600))
    assert covers(np.array(z), 3)
    assert not covers(np.array(twin), 3)


def test_neighbours_of_short_stretches_correlate() -> None:
    """AR(1), stretches of two effective samples: the error is that of the spread."""
    rng, memory, n, s = np.random.default_rng(4), 0.9, 38, 8
    g = (1 + memory) / (1 - memory)
    noise = np.sqrt(1 - memory**2) * rng.standard_normal((1000, 4, n * s))
    x = np.empty_like(noise)
    x[..., 0] = rng.standard_normal((1000, 4))
    for i in range(1, n * s):
        x[..., i] = memory * x[..., i - 1] + noise[..., i]
    sums, lengths = x.reshape(1000, 4, s, n).sum(axis=3), np.full(s, n)
    spread = float(np.std(x.mean(axis=(1, 2))))
    told = {
        effective: np.sqrt(
            np.mean(
                [
                    Units.stretched(4, lengths / (n * s), effective).standard_error(
                        influences(one, lengths)
                    )
                    ** 2
                    for one in sums
                ]
            )
        )
        / inflation(31)
        for effective in (4 * n * s / g, 1e9)
    }
    right, twin = (v / spread for v in told.values())
    # the spread of 1,000 is known to 2.2 %; members that differ by chance add a little
    assert right == pytest.approx(1.0, abs=0.09)
    assert twin < 0.93 * right


def test_a_group_of_two_that_adds_little_costs_little() -> None:
    group = np.array([0] * 40 + [1] * 2)
    x = np.concatenate([np.tile([1.0, -1.0], 20), [0.1, -0.1]])
    error = float(Units.whole(group).standard_error(x))
    alone = np.sqrt(40 / 39 * 40.0 + 2 * 0.02)
    assert alone < error < 1.02 * alone * inflation(39)
    # and one that adds most is all that counts
    x[-2:] *= 1e4
    most = float(Units.whole(group).standard_error(x))
    assert most == pytest.approx(np.sqrt(2 * 2e6) * inflation(1), rel=0.01)


def test_single_members_and_what_is_in_no_group_say_nothing() -> None:
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.5, 0.0]])
    assert np.isnan(Units.whole(np.array([0, 0, 1])).standard_error(x)).all()
    error = Units.whole(np.array([0, 0, -1])).standard_error(x)
    assert error[0] == pytest.approx(2.0 * inflation(1))
    assert error[1] == 0.0


def test_stretches_are_long_enough_and_of_about_equal_time() -> None:
    readings = np.array([80] * 8 + [10, 20, 30, 40])
    stretch, shares = stretches(4, 1e6, readings)
    assert len(shares) == ENOUGH // 4
    assert shares.sum() == pytest.approx(1.0)
    assert shares.max() < 2.1 * shares.min()
    assert (np.diff(stretch) >= 0).all()
    _, shares = stretches(4, 3.5 * 4 * LEAST_EFFECTIVE, readings)
    assert len(shares) == 3
    for effective in (10.0, float("nan"), 0.0):
        assert len(stretches(4, effective, readings)[1]) == 1
    assert len(stretches(64, 1e6, readings)[1]) == 1


def test_inflations_are_those_of_students_t() -> None:
    dof = np.array([[1.0, 3.7], [0.5, np.inf]])
    by_hand = [np.sqrt(t.ppf(norm.cdf(1.0), d) * t.ppf(norm.cdf(1.96), d) / 1.96) for d in dof[0]]
    assert inflations(dof)[0] == pytest.approx(by_hand, rel=1e-4)
    assert np.isnan(inflations(dof)[1, 0])
    assert inflations(dof)[1, 1] == 1.0
