"""Basins from a density: the seam, shallow ones, unseen bins, names and their order."""

from __future__ import annotations

import numpy as np
import pytest

from msgen.actors.base import decode, encode
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.common.basins import (
    PERSISTENCE,
    basins_at_rest,
    basins_with,
    find_basins,
)

PI = np.pi
ANGLE = Grid.regular(((-PI, PI),), (36,), (True,))
LINE = Grid.regular(((-3.0, 3.0),), (60,), (False,))
TORUS = Grid.regular(((-PI, PI), (-PI, PI)), (36, 36), (True, True))


def on(grid: Grid, f: np.ndarray, total: float = 1e6) -> np.ndarray:
    p = np.exp(-f)
    return p / p.sum() * total


def wells(x: np.ndarray, *places: tuple[float, float, float]) -> np.ndarray:
    """−ln of Gaussian wells (centre, width, depth in kT above the deepest)."""
    parts = [np.exp(-0.5 * ((x - c) / w) ** 2 - d) for c, w, d in places]
    return np.asarray(-np.log(np.sum(parts, axis=0) + 1e-8))


def test_a_basin_across_the_seam_is_one() -> None:
    a = ANGLE.centres[0]
    f = 8.0 * (1.0 - np.cos(a - PI)) / 2.0  # bottom at ±π
    part = find_basins(on(ANGLE, f), ANGLE, ("phi",))
    assert len(part) == 1
    # the same numbers on a line are two wells
    line = Grid(ANGLE.edges, (False,))
    assert len(find_basins(on(line, f), line, ("x",))) == 2


def test_two_basins_on_a_torus_one_of_them_at_the_corner() -> None:
    a, b = np.meshgrid(*TORUS.centres, indexing="ij")
    corner = np.exp(4.0 * (np.cos(a - PI) + np.cos(b - PI) - 2.0))
    middle = np.exp(4.0 * (np.cos(a) + np.cos(b) - 2.0) - 1.0)
    part = find_basins(1e6 * (corner + middle), TORUS, ("phi", "psi"))
    assert len(part) == 2
    corners = np.array([[3.1, 3.1], [-3.1, 3.1], [3.1, -3.1], [-3.1, -3.1]])
    assert part.assign(corners).tolist() == [0] * 4
    assert part.assign(np.zeros((1, 2))).tolist() == [1]
    for c in (0, 1):
        edges = part.edges[c]
        assert (edges[0], edges[-1]) == (-PI, PI)


@pytest.mark.parametrize(("barrier", "found"), [(0.5, 1), (1.5, 1), (2.6, 2), (6.0, 2)])
def test_only_barriers_above_the_persistence_count(barrier: float, found: int) -> None:
    x = LINE.centres[0]
    f = barrier * (1.0 - (x / 1.5) ** 2) ** 2  # two equal wells at ±1.5
    counts = on(LINE, np.minimum(f, 20.0))
    assert len(find_basins(counts, LINE, ("x",), persistence=PERSISTENCE, smooth=0.3)) == found
    assert len(find_basins(counts, LINE, ("x",), persistence=0.1 * barrier, smooth=0.3)) == 2


def test_a_shallow_basin_goes_to_the_one_over_its_lowest_pass() -> None:
    # two deep wells and a dimple between them, nearer (in kT) to the right one
    x = LINE.centres[0]
    f = np.interp(x, [-3, -2, -0.6, 0.0, 0.6, 2, 3], [8, 0, 6, 4, 4.8, 0.5, 8])
    part = find_basins(on(LINE, f), LINE, ("x",), smooth=0.3)
    assert len(part) == 2
    left, dimple, right = part.assign(np.array([[-2.0], [0.0], [2.0]]))
    assert left != right
    assert dimple == right
    # the border is at the pass, to a bin
    xs = np.linspace(-2, 2, 401)[:, None]
    border = xs[np.flatnonzero(np.diff(part.assign(xs)))[0], 0]
    assert abs(border + 0.6) <= 0.11


def test_unseen_bins_go_to_the_nearest_basin() -> None:
    counts = np.zeros(60)
    counts[8:13] = [2, 8, 20, 8, 2]  # about x = −2
    counts[48:53] = [1, 4, 10, 4, 1]  # about x = 2
    part = find_basins(counts, LINE, ("x",), smooth=0.0)
    assert len(part) == 2
    points = np.array([[-2.9], [-1.0], [-0.1], [0.2], [1.0], [2.9]])
    assert part.assign(points).tolist() == [0, 0, 0, 1, 1, 1]
    # and so does what lies beyond the range
    assert part.assign(np.array([[-50.0], [50.0]])).tolist() == [0, 1]


def test_nearest_knows_of_the_seam() -> None:
    counts = np.zeros(36)
    counts[33:36] = [4, 10, 4]  # just below π
    counts[14:17] = [3, 8, 3]  # about −0.4 rad
    part = find_basins(counts, ANGLE, ("phi",), smooth=0.0)
    assert part.assign(np.array([[-3.0], [-2.6]])).tolist() == [0, 0]
    assert part.assign(np.array([[-0.4], [-1.2]])).tolist() == [1, 1]


def test_basins_are_ordered_by_depth_and_named_by_their_bottoms() -> None:
    x = LINE.centres[0]
    f = wells(x, (-2.0, 0.25, 1.0), (0.0, 0.25, 0.0), (2.0, 0.25, 2.0))
    part = find_basins(on(LINE, f), LINE, ("x",), smooth=0.5)
    assert len(part) == 3
    assert part.assign(np.array([[0.0], [-2.0], [2.0]])).tolist() == [0, 1, 2]
    # each name is the centre of a bin, within a bin of the bottom
    values = [float(name.split("=")[1]) for name in part.names]
    assert np.abs(np.array(values) - [0.0, -2.0, 2.0]).max() < 0.11
    assert all(name.startswith("x=") for name in part.names)


def test_angles_are_named_in_degrees() -> None:
    a, b = np.meshgrid(*TORUS.centres, indexing="ij")
    p = np.exp(4.0 * (np.cos(a + 1.4) + np.cos(b - 1.2) - 2.0))
    (name,) = find_basins(1e6 * p, TORUS, ("phi", "psi")).names
    phi, psi = (int(part.split("=")[1]) for part in name.split(","))
    assert abs(phi - np.degrees(-1.4)) <= 10
    assert abs(psi - np.degrees(1.2)) <= 10


def test_the_partition_covers_space_and_survives_a_tree() -> None:
    rng = np.random.default_rng(3)
    counts = rng.poisson(on(TORUS, 3.0 * rng.random(TORUS.shape), 2e4))
    part = find_basins(counts, TORUS, ("phi", "psi"))
    xi = rng.uniform(-PI, PI, (500, 2))
    label = part.assign(xi)
    assert ((label >= 0) & (label < len(part))).all()
    assert set(np.unique(part.labels)) == set(range(len(part)))
    again = decode(Partition, encode(part))
    assert np.array_equal(again.assign(xi), label)


def test_noise_of_few_samples_makes_no_basins() -> None:
    # 1,500 samples of one Gaussian: its ragged edge is no state
    for seed in range(10):
        xi = np.random.default_rng(seed).normal(0.0, 0.7, 1500)
        counts = np.histogram(xi, LINE.edges[0])[0]
        assert len(find_basins(counts, LINE, ("x",), smooth=2.0)) == 1


def at_rest(rng: np.random.Generator, places: list[tuple[float, float, int]]) -> np.ndarray:
    """Ten readings of pushed walkers: half on the way down to (x, y), so many each, then there."""
    goal = np.concatenate([np.tile([x, y], (n, 1)) for x, y, n in places])
    begin = rng.uniform(-PI, PI, goal.shape)
    share = np.minimum(np.arange(1, 11) / 5.0, 1.0)[None, :, None]
    return begin[:, None] * (1 - share) + goal[:, None] * share + rng.normal(
        0.0, 0.2, (len(goal), 10, 2)
    )  # fmt: skip


def test_basins_of_pushed_walkers_are_where_several_come_to_rest() -> None:
    """In every one of ten draws all four, and never the place where a single one is stuck."""
    places = [(-1.2, 2.4, 26), (-1.2, -0.9, 18), (1.0, 0.9, 6), (0.8, -1.9, 13), (2.6, -0.4, 1)]
    for seed in range(10):
        runs = at_rest(np.random.default_rng(seed), places)
        part = basins_at_rest(runs, TORUS, ("phi", "psi"))
        assert len(part) == 4
        found = part.assign(np.array([[x, y] for x, y, _ in places[:4]]))
        assert sorted(found.tolist()) == [0, 1, 2, 3]
        # as before: all readings, widely smoothed, a barrier as high as one of F
        index = TORUS.index(runs.reshape(-1, 2))
        counts = np.bincount(index[index >= 0], minlength=TORUS.size).reshape(TORUS.shape)
        assert len(find_basins(counts, TORUS, ("phi", "psi"), smooth=2.0)) < 4


def test_walkers_all_over_a_plain_are_in_one_basin() -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        runs = rng.uniform(-PI, PI, (64, 10, 2))
        assert len(basins_at_rest(runs, TORUS, ("phi", "psi"))) == 1


def test_few_walkers_or_none_that_come_to_rest_in_range() -> None:
    rng = np.random.default_rng(6)
    few = at_rest(rng, [(-1.2, 2.4, 3), (1.0, -0.9, 2)])
    assert len(basins_at_rest(few, TORUS, ("phi", "psi"))) == 2
    outside = np.full((4, 10, 1), 99.0)
    assert len(basins_at_rest(outside, LINE, ("x",))) == 1
    assert len(basins_at_rest(outside[:0], LINE, ("x",))) == 1


def test_nine_wells_are_told_apart_by_seven_walkers_each() -> None:
    """Ten bins apart, each 1.25 wide; wider kernels and higher passes join them."""
    grid = Grid.regular(((-3.2, 3.2), (-3.2, 3.2)), (32, 32), (False, False))
    places = np.array([[x, y] for x in (-2.0, 0.0, 2.0) for y in (-2.0, 0.0, 2.0)])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        goal = np.repeat(places, 7, axis=0)[:, None]
        runs = goal + rng.normal(0.0, 0.25, (63, 10, 2))
        assert len(basins_at_rest(runs, grid, ("x", "y"))) == 9


def test_a_cv_that_is_not_reported_parts_no_basins() -> None:
    """Two wells along each of two CVs are four basins, and two of the one that is reported."""
    ranges, bins = ((-3.0, 3.0), (-PI, PI)), (60, 36)
    both = Grid.regular(ranges, bins, (False, True))
    first = Grid.regular(ranges, bins, (False, True), (True, False))
    x, y = np.meshgrid(*both.centres, indexing="ij")
    f = wells(x, (-1.5, 0.3, 0.0), (1.5, 0.3, 1.0)) + 8.0 * np.sin(y) ** 2
    counts, names = on(both, f), ("x", "phi")
    assert len(find_basins(counts, both, names)) == 4
    found = find_basins(counts, first, names)
    assert found.names == ("x=-1.55", "x=1.45")
    assert found.assign(np.array([[-1.5, 0.0], [-1.5, 3.0], [1.5, 0.0]])).tolist() == [0, 0, 1]
    # from the surface alone, and with a run that came to rest where nothing was before
    surface = counts.sum(axis=1)
    again = find_basins(surface, first, names)
    assert np.array_equal(again.labels, found.labels)
    run = np.stack([np.full(20, 0.0), np.linspace(-3.0, 3.0, 20)], axis=1)
    assert len(basins_with(surface, run[None], first, names)) == 3
    resting = np.stack([run, run, run]) - [1.5, 0.0]
    assert len(basins_at_rest(np.concatenate([resting, -resting]), first, names)) == 2


def test_a_few_readings_are_no_basin() -> None:
    """Three of one walker on its way, far from all others; seven more and it is one."""
    x = LINE.centres[0]
    counts = np.floor(on(LINE, wells(x, (-1.5, 0.2, 0.0), (0.5, 0.2, 1.0)), 1e4))
    known = find_basins(counts, LINE, ("x",), readings=counts)
    assert len(known) == 2
    counts[-3] += 3
    assert np.array_equal(find_basins(counts, LINE, ("x",), readings=counts).labels, known.labels)
    # the twin: nothing is known of readings
    assert len(find_basins(counts, LINE, ("x",))) == 3
    counts[-3] += 7
    assert len(find_basins(counts, LINE, ("x",), readings=counts)) == 3


def test_of_nothing_but_few_readings_the_deepest_is_the_state() -> None:
    counts = np.zeros(60)
    counts[[5, 30, 55]] = 1.0, 2.0, 1.0
    found = find_basins(counts, LINE, ("x",), readings=counts)
    assert len(found) == 1
    assert set(found.labels.tolist()) == {0}
    alone = np.full((48, 60), False)
    alone[0, 5], alone[1, 30], alone[2, 55] = True, True, True
    assert len(find_basins(counts, LINE, ("x",), seen=alone)) == 1


def test_readings_of_what_is_merged_count_together() -> None:
    """Nine readings about a dip of one: neither half is a basin, both together are."""
    counts = np.zeros(60)
    counts[10:21] = 100.0
    counts[40:45] = 3.0, 1.0, 1.0, 1.0, 3.0
    assert len(find_basins(counts, LINE, ("x",), smooth=0.0, readings=counts)) == 2
    counts[40:45] = 3.0, 0.0, 0.0, 0.0, 3.0  # six, and no way between them
    assert len(find_basins(counts, LINE, ("x",), smooth=0.0, readings=counts)) == 1


def test_what_is_not_reported_is_summed_over() -> None:
    """The heavier well is spread over the other CV, the lighter one stands in one bin of it."""
    grid = Grid.regular(((-3.0, 3.0), (-3.0, 3.0)), (60, 60), (False, False), (True, False))
    counts = np.zeros((60, 60))
    counts[14:17], counts[44:47, 30] = 1.0, 40.0
    names = find_basins(counts, grid, ("x", "y")).names
    assert names == ("x=-1.45", "x=1.55")
