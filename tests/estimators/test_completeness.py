"""What probes that find nothing say, and what is called known and unknown."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.convergence.completeness import Completeness, Missed
from msgen.orchestrator.estimators.completeness.features import Features
from msgen.orchestrator.estimators.completeness.region import (
    MOST,
    Region,
    alike,
    place,
    thinned,
)
from msgen.orchestrator.estimators.completeness.unseen import Unseen

Array = NDArray[np.float64]

PLANE = Features(("x", "y"), np.zeros(2, dtype=bool), 1)


def cloud(rng: np.random.Generator, centre: Array, n: int, wide: float = 0.3) -> Array:
    return centre + wide * rng.standard_normal((n, len(centre)))


# how much is unseen


def test_without_a_find_the_bound_is_that_of_the_number() -> None:
    assert Unseen(59).bound == pytest.approx(1.0 - 0.05 ** (1 / 59))
    assert Unseen(59).bound < 0.05 < Unseen(58).bound
    assert Unseen(0).bound == Unseen(1, 1, 1).bound == 1.0
    assert Unseen(0).needed(0.05) == 59
    assert Unseen.of(100, [3]).bound > Unseen(100).bound
    assert Unseen.of(100, [1, 1, 4]) == Unseen(100, 3, 2, 0)
    assert Unseen.of(100, [1, 1, 4]).share == 0.02
    assert Unseen.of(100, [1, 2]).needed(0.05) > 100


@pytest.mark.parametrize(
    "masses", [[0.01] * 10, [0.002] * 100, [0.03] * 20, [0.02] * 40, [0.3, 0.1, 0.03, 0.01, 0.01]]
)
def test_the_bound_holds_what_is_unseen(masses: list[float]) -> None:
    """In 95 % of 2000 campaigns of 100 probes; Good and Turing's estimate, its twin, does not."""
    rng, n, repeats = np.random.default_rng(3), 100, 2000
    mass = np.array([1.0 - sum(masses), *masses])  # the first is known
    counts = rng.multinomial(n, mass, size=repeats)[:, 1:]
    unseen = ((counts == 0) * mass[1:]).sum(axis=1)
    told = [Unseen.of(n, row[row > 0].tolist()) for row in counts]
    held = np.mean([u <= t.bound + 1e-12 for u, t in zip(unseen, told, strict=True)])
    assert held > 0.95 - 3 * np.sqrt(0.05 * 0.95 / repeats)
    # the twin
    assert np.mean([u <= t.share for u, t in zip(unseen, told, strict=True)]) < 0.9


# what is known


def test_a_run_where_samples_are_is_known_and_one_elsewhere_is_not() -> None:
    rng = np.random.default_rng(5)
    wells = [np.array([-1.0, 0.0]), np.array([1.0, 0.0])]
    rows = np.concatenate([cloud(rng, w, 600) for w in wells]).astype(np.float32)
    region = Region.of(PLANE, rows)
    assert region is not None
    at = [*wells, np.array([0.9, 2.5]), np.array([3.5, 0.0])]
    runs = np.stack([cloud(rng, centre, 12) for centre in at]).astype(np.float32)
    looks = region.outside(runs)
    assert [look is not None for look in looks] == [False, False, True, True]
    assert place(PLANE, runs[2], looks[2].features if looks[2] else ()).startswith("x = ")
    assert "y = 2." in place(PLANE, runs[2], (1,))
    # one that is outside at first and comes in is none: it has relaxed late
    late = runs[2:3].copy()
    late[:, 6:] = runs[0, 6:]
    assert region.outside(late) == (None,)


def test_few_of_a_thousand_that_are_known_are_called_unknown() -> None:
    rng = np.random.default_rng(6)
    rows = np.concatenate([cloud(rng, np.array([x, 0.0]), 500) for x in (-1.0, 1.0)])
    region = Region.of(PLANE, rows.astype(np.float32))
    assert region is not None
    side = rng.choice([-1.0, 1.0], size=1000)
    runs = np.stack([cloud(rng, np.array([s, 0.0]), 12) for s in side]).astype(np.float32)
    assert sum(look is not None for look in region.outside(runs)) == 0


def test_a_new_combination_of_what_is_known_is_no_new_basin() -> None:
    """Of twelve two-state parts, hardly any combination of all comes twice."""
    rng, parts = np.random.default_rng(7), 12
    names = tuple(f"x{k}" for k in range(parts))
    features = Features(names, np.zeros(parts, dtype=bool), 1)
    # each twice, so that those that are known have others near
    sides = np.repeat(rng.choice([-1.0, 1.0], size=(300, parts)), 2, axis=0)
    rows = (sides + 0.05 * rng.standard_normal(sides.shape)).astype(np.float32)
    new = rng.choice([-1.0, 1.0], size=(30, 1, parts))
    new = new[[not (sides == n).all(axis=1).any() for n in new[:, 0]]]
    runs = (new + 0.05 * rng.standard_normal((len(new), 12, parts))).astype(np.float32)
    region = Region.of(features, rows)
    assert region is not None
    assert set(region.outside(runs)) == {None}
    # the twin looks at all at once, as the CVs are
    joint = Features(names, np.zeros(parts, dtype=bool), parts)
    together = Region.of(joint, rows)
    assert together is not None
    assert None not in together.outside(runs)


def test_angles_know_no_seam() -> None:
    features = Features(("phi",), np.ones(1, dtype=bool), 1)
    rng = np.random.default_rng(8)
    rows = features.flat(np.pi + 0.1 * rng.standard_normal((300, 1)))
    region = Region.of(features, rows)
    assert region is not None
    runs = np.stack([features.flat(c + 0.1 * rng.standard_normal((12, 1))) for c in (-np.pi, 0.0)])
    assert [look is None for look in region.outside(runs)] == [True, False]
    assert place(features, runs[1], ()).endswith(" deg")


def test_what_is_seldom_visited_stays_known() -> None:
    rng = np.random.default_rng(9)
    often = cloud(rng, np.zeros(2), 40_000)
    seldom = cloud(rng, np.array([4.0, 4.0]), 20)
    kept = thinned(np.concatenate([often, seldom]).astype(np.float32))
    assert len(kept) <= MOST
    assert (kept[:, 0] > 2).sum() > 10
    # every k-th instead, its twin, keeps one or none
    every = np.concatenate([often, seldom])[:: -(-40_020 // MOST)]
    assert (every[:, 0] > 2).sum() <= 1


def test_runs_in_one_place_are_alike() -> None:
    rng = np.random.default_rng(10)
    a, b = (cloud(rng, np.array([1.0, 2.0]), 12).astype(np.float32) for _ in range(2))
    assert alike(a, b)
    assert not alike(a, (b + np.array([0.0, 4.0])).astype(np.float32))


# the criterion


def test_a_basin_that_is_missed_is_told_and_a_bound_only_where_it_is_asked_for() -> None:
    found = Completeness(Unseen(20, 1, 1), [Missed("x = 0.4, y = 1.2", 1)])
    (said,) = found.unmet(Criteria())
    assert said == (
        "1 of 20 probes ended in a basin that production never visits, near x = 0.4, y = 1.2"
    )
    none = Completeness(Unseen(20))
    assert none.unmet(Criteria()) == []
    assert "catch less than 14 % of them (95 %)" in none.in_words()
    (asked,) = none.unmet(Criteria(unseen=0.05))
    assert asked.startswith(
        "basins that nobody has seen may catch up to 14 % of probes (20 probes)"
    )
    assert Completeness(Unseen(59)).unmet(Criteria(unseen=0.05)) == []
    assert found.unmet(Criteria(unseen=None)) == []
    assert found.diagnostics(Criteria(unseen=None)) == {}
