"""Hidden slowness: what replicas never forget is found and named, and good replicas are let be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata

from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.convergence.hidden import HiddenSlowness
from msgen.orchestrator.estimators.diagnostics import split_r_hat
from msgen.orchestrator.estimators.hidden.findings import (
    CHANCE,
    DirectedWorks,
    Findings,
    StateSeries,
    look,
)
from msgen.orchestrator.estimators.hidden.slow_directions import direction_name, slow_directions
from msgen.orchestrator.estimators.hidden.units import BLOCKS, FEWEST_UNITS, Units
from msgen.orchestrator.estimators.hidden.variance_components import between_groups, components

Array = np.ndarray
ASKED = Criteria()


def chains(rng: np.random.Generator, replicas: int, t: int, columns: int, memory: float) -> Array:
    """AR(1) series of unit variance that begin in equilibrium, shape (replicas, t, columns)."""
    noise = rng.standard_normal((replicas, t, columns))
    out = np.empty_like(noise)
    out[:, 0] = noise[:, 0]
    for i in range(1, t):
        out[:, i] = memory * out[:, i - 1] + np.sqrt(1 - memory**2) * noise[:, i]
    return out


def seen(series: Array, names: str, descent: Array | None = None) -> Findings:
    """Of one state called left."""
    plain = np.zeros(series.shape[2], dtype=bool)
    return look(names.split(), plain, [StateSeries("left", list(series), descent)])


def unmet(found: Findings, asked: Criteria = ASKED) -> list[str]:
    return HiddenSlowness(found).unmet(asked)


def test_share_of_the_variance_is_estimated_and_its_bounds_hold() -> None:
    """σ_b² = 1 beside σ_w² = 3, 400 times at once as columns: share 1/4."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((24, 1, 400)) + np.sqrt(3.0) * rng.standard_normal((24, 64, 400))
    units = Units.cut(list(x))
    assert units is not None
    found = components(units.block_means(), units.variance_within())
    # 400 columns of relative error √(2/23) each: five of their standard errors
    assert found.between.mean() == pytest.approx(1.0, abs=5 * 0.31 / 20)
    # one-sided 95 %: 4 binomial σ of 400 are 4.4 %
    assert np.mean(found.lower <= 0.25) == pytest.approx(0.95, abs=0.044)
    assert np.mean(found.upper >= 0.25) == pytest.approx(0.95, abs=0.044)


@pytest.mark.parametrize("freedom", [2, 100])
def test_p_of_replicas_that_agree_is_small_no_more_often_than_it_says(freedom: int) -> None:
    """Whatever the tail: Student's t of 2 degrees of freedom has no variance."""
    rng = np.random.default_rng(2)
    units = Units.cut(list(rng.standard_t(freedom, size=(16, 64, 1000))))
    assert units is not None
    p = components(units.block_means(), units.variance_within()).p
    for level in (0.05, 0.002):
        # two tests that mostly agree share the level: between half of it and all of it
        width = 4 * np.sqrt(level / len(p))
        assert 0.5 * level - width <= np.mean(p < level) <= level + width


def test_a_well_that_replicas_never_leave_is_told_in_words() -> None:
    rng = np.random.default_rng(3)
    y = np.where(np.arange(16) < 5, 1.0, -1.0)[:, None] + 0.15 * rng.standard_normal((16, 64))
    x = chains(rng, 16, 64, 1, 0.5)[..., 0]
    said = unmet(seen(np.stack([y, x], axis=2), "y energy"))
    assert said[0].startswith("y: replicas of state left disagree, 0.9")
    assert said[0].endswith(" of the variance lies between them")
    # the CV alone, which is what was looked at before, agrees everywhere
    assert split_r_hat(list(x)) < 1.1
    assert not unmet(seen(x[..., None], "x"))


def test_few_replicas_in_another_well_are_enough() -> None:
    """Also where one comes back in the end; ranks alone, which would not do, are the twin."""
    rng = np.random.default_rng(4)
    y = np.where(np.arange(32) < 2, 1.0, -1.0)[:, None] + 0.15 * rng.standard_normal((32, 40))
    y[1, 30:] -= 2.0
    found = seen(y[..., None], "y")
    assert unmet(found)[0].startswith("y: replicas of state left disagree")
    assert found.watched[0].p < 1e-9
    units = Units.cut(list(y[..., None]))
    assert units is not None
    ranks = rankdata(units.block_means()).reshape(-1, BLOCKS, 1)
    assert components(ranks, np.ones(1)).p[0] > 1e-4


@pytest.mark.parametrize(
    ("replicas", "t", "memory"), [(16, 128, 0.5), (32, 64, 0.3), (4, 400, 0.5)]
)
def test_replicas_that_mix_are_doubted_once_in_twenty(replicas: int, t: int, memory: float) -> None:
    """Two states, six scalars each, beside directions and descents."""
    names, plain, repeats = [f"x{i}" for i in range(6)], np.zeros(6, dtype=bool), 60
    descent = np.arange(replicas) // 2
    doubted = 0
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        series = (chains(rng, replicas, t, 6, memory) for _ in range(2))
        states = [StateSeries(s, list(x), descent) for s, x in zip("ab", series, strict=True)]
        doubted += bool(unmet(look(names, plain, states)))
    # four binomial σ above one in twenty
    assert doubted / repeats <= CHANCE + 4 * np.sqrt(CHANCE * (1 - CHANCE) / repeats)


def test_without_correction_for_their_number_good_replicas_are_doubted() -> None:
    """The twin of the family: each test held to 5 % by itself."""
    alone = 0
    for seed in range(30):
        x = chains(np.random.default_rng(seed), 16, 64, 20, 0.0)
        found = seen(x, " ".join(f"x{i}" for i in range(20)))
        alone += any(f.p < CHANCE for f in found.watched)
        assert not unmet(found)
    # a family held to 5 % would have 1.5 of 30
    assert alone >= 5


def test_too_few_readings_are_no_agreement() -> None:
    rng = np.random.default_rng(5)
    assert unmet(seen(rng.standard_normal((8, 4, 1)), "y")) == [
        "state left: too few readings to see whether replicas differ"
    ]
    slow = chains(rng, 8, 32, 1, 0.9)
    said = unmet(seen(slow, "y"))
    assert said
    assert "not known yet" in said[0] or "disagree" in said[0]
    # as many again and again: known
    assert not unmet(seen(chains(rng, 8, 3200, 1, 0.9), "y"))


def test_room_for_a_difference_is_held_against_what_is_asked() -> None:
    found = seen(chains(np.random.default_rng(6), 8, 60, 1, 0.3), "y")
    upper = max(f.upper for f in found.watched)
    assert not unmet(found, replace(ASKED, hidden=min(0.99, 1.01 * upper)))
    said = unmet(found, replace(ASKED, hidden=0.99 * upper))
    assert said[0].startswith("y: not known yet whether replicas of state left differ, up to ")


def test_nothing_is_looked_at_where_nothing_is_asked() -> None:
    y = np.sign(np.arange(16) - 5.5)[:, None, None] + np.zeros((1, 64, 1))
    assert not unmet(seen(y, "y"), replace(ASKED, hidden=None))
    assert unmet(seen(y, "y"))[0].endswith("1.00 of the variance lies between them")


def test_an_angle_counts_through_cos_and_sin() -> None:
    """±3.1 is one place; a quarter turn away is another, and the seam is none."""
    rng = np.random.default_rng(7)
    angle = np.pi + 0.1 * rng.standard_normal((16, 64, 1))
    angle = (angle + np.pi) % (2 * np.pi) - np.pi
    turning = np.array([True])

    def of(values: Array) -> list[str]:
        return unmet(look(("psi",), turning, [StateSeries("left", list(values), None)]))

    assert not of(angle)
    turned = angle.copy()
    turned[:3] -= np.pi / 2
    assert of(turned)[0].startswith("psi: replicas of state left disagree")
    # as a plain number the seam alone would make a difference
    assert np.ptp(angle.mean(axis=(1, 2))) > 0.5


def test_replicas_of_one_start_that_differ_from_those_of_another() -> None:
    """Groups of 8 that are 0.7 σ apart, each replica's own mean uncertain by 0.5 σ."""
    rng = np.random.default_rng(8)
    descent = np.repeat(np.arange(4), 8)
    away = np.array([0.0, 0.7, -0.7, 0.7])[descent]
    x = rng.standard_normal((32, 64, 1)) + away[:, None, None]
    groups = [f for f in seen(x, "y", descent).watched if f.among == "descents"]
    assert groups[0].sure
    assert groups[0].share > 0.2
    mixed = [f for f in seen(x, "y", rng.permutation(descent)).watched if f.among == "descents"]
    assert not mixed[0].sure
    # replicas that have a start each are compared one by one already
    assert not [f for f in seen(x, "y", np.arange(32)).watched if f.among == "descents"]


def test_between_groups_has_the_variance_that_is_put_in() -> None:
    rng = np.random.default_rng(9)
    group = np.repeat(np.arange(10), 6)
    means = rng.standard_normal((10, 500))[group] + 0.5 * rng.standard_normal((60, 500))
    found = between_groups(means, group, np.ones(500))
    # √(2/9) a column
    assert found.between.mean() == pytest.approx(1.0, abs=5 * 0.49 / np.sqrt(500))
    with pytest.raises(ValueError, match="nothing to be compared"):
        between_groups(means, np.arange(60), np.ones(500))


def test_a_slow_direction_that_no_column_shows_is_found() -> None:
    """Two columns of great common noise whose difference replicas never forget."""
    rng = np.random.default_rng(10)
    common, small = 3.0 * rng.standard_normal((16, 120)), np.sign(np.arange(16) - 7.5)[:, None]
    a = common + 0.4 * small + 0.1 * rng.standard_normal((16, 120))
    b = common - 0.4 * small + 0.1 * rng.standard_normal((16, 120))
    found = seen(np.stack([a, b], axis=2), "a b")
    slow = [f for f in found.watched if f.what.startswith("slow direction")]
    assert slow[0].sure
    assert slow[0].share > 0.9
    assert slow[0].what in ("slow direction 0.72 a − 0.70 b", "slow direction 0.72 b − 0.70 a")
    # either column by itself is noise: 0.4² beside 3²
    assert max(f.share for f in found.watched if f.what in ("a", "b")) < 0.2


def test_slowest_direction_of_two_independent_columns_is_the_slower() -> None:
    rng = np.random.default_rng(11)
    x = np.stack([chains(rng, 8, 500, 1, m)[..., 0] for m in (0.95, 0.2)], axis=2)
    mixed = x @ np.array([[1.0, 0.6], [-0.8, 1.0]])
    units = Units.cut(list(mixed))
    assert units is not None
    v = slow_directions(units, 1)[:, 0]
    back = np.array([[1.0, 0.6], [-0.8, 1.0]]) @ v
    assert abs(back[1] / back[0]) < 0.1
    assert direction_name(np.array([2.0, 0.1]), np.array([1.0, 1.0]), ("a", "b")).endswith("1.00 a")


def works_of(rng: np.random.Generator, shift: Array) -> DirectedWorks:
    """40 paths from each replica; `shift` moves its works, kT."""
    replica = np.repeat(np.arange(len(shift)), 40)
    w = 2.0 + 1.5 * rng.standard_normal(len(replica)) + shift[replica]
    return DirectedWorks("left", "rest", 1.0 / (1.0 + np.exp(w)), replica, None)


def test_works_that_differ_between_replicas_are_told_in_kT() -> None:
    rng = np.random.default_rng(12)
    apart = look((), np.zeros(0, dtype=bool), (), [works_of(rng, np.repeat([0.0, 2.0], 8))])
    said = unmet(apart)
    assert said[0].startswith("works from left to rest: replicas disagree by ")
    assert 0.4 < apart.works[0].spread < 2.0
    alike = look((), np.zeros(0, dtype=bool), (), [works_of(rng, np.zeros(16))])
    assert not unmet(alike)
    # what is smaller than the error asked for hides nothing of that size
    assert not unmet(apart, replace(ASKED, state_error=3.0))


def test_units_are_cut_alike_from_few_and_from_many_replicas() -> None:
    many = Units.cut([np.zeros((n, 1)) for n in (30, 30, 30, 30, 30, 30, 30, 30, 2, 61)])
    assert many is not None
    assert many.replica.tolist() == [*range(8), 9, 9]
    one = Units.cut([np.zeros((80, 1))])
    assert one is not None
    assert len(one) == FEWEST_UNITS
    assert Units.cut([np.zeros((8 * FEWEST_UNITS - 1, 1))]) is None
    assert one.block_means().shape == (FEWEST_UNITS, BLOCKS, 1)
    assert Units.cut([]) is None
