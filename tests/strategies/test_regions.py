"""States found from samples: where CV space is cut, in how many CVs, and what is no state."""

from __future__ import annotations

import numpy as np
import pytest

from msgen.actors.base import decode, encode
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.common.basins import MAX_BASINS
from msgen.orchestrator.strategies.common.regions import LEAST_POINTS, boxes_of, find_regions

PI = np.pi
Array = np.ndarray


def angles(n: int) -> tuple[Grid, tuple[str, ...]]:
    ranges = ((-PI, PI),) * n
    return Grid.regular(ranges, (36,) * n, (True,) * n), tuple(f"phi_{i}" for i in range(n))


def lines(n: int) -> tuple[Grid, tuple[str, ...]]:
    grid = Grid.regular(((-3.0, 3.0),) * n, (60,) * n, (False,) * n)
    return grid, tuple(f"x{i}" for i in range(n))


def wells(rng: np.random.Generator, n: int, cvs: int) -> Array:
    """Independent double wells, the right one the deeper by about one kT."""
    right = rng.random((n, cvs)) < 0.73
    return np.where(right, 1.75, -1.71) + 0.2 * rng.standard_normal((n, cvs))


@pytest.mark.parametrize(("cvs", "parts"), [(1, 1), (2, 2), (3, 3), (6, 3), (12, 3)])
def test_wells_are_parted_along_as_many_cvs_as_there_is_room_for(cvs: int, parts: int) -> None:
    grid, names = lines(cvs)
    x = wells(np.random.default_rng(cvs), 6000, cvs)
    found = find_regions(x, None, grid, names)
    assert len(found) == 2**parts <= MAX_BASINS
    cut = [c for c, e in enumerate(found.edges) if len(e) > 2]
    # every state is one combination of signs along the CVs that are cut
    signs = (x[:, cut] > 0) @ (1 << np.arange(len(cut)))
    pairs = set(zip(signs.tolist(), found.assign(x).tolist(), strict=True))
    assert len(pairs) == len(found)
    assert found.labels.size <= 4**parts
    # the heaviest is the first, and is right of 0 everywhere
    assert np.bincount(found.assign(x)).argmax() == 0
    assert (found.assign(np.full((1, cvs), 1.7)) == 0).all()


def test_a_pass_that_only_one_part_has_is_seen() -> None:
    """ψ has two basins where φ < 0 and is flat elsewhere; a cut of all of it would make four."""
    rng, n = np.random.default_rng(2), 8000
    left = rng.random(n) < 0.8
    phi = np.where(left, rng.vonmises(-1.5, 6, n), rng.vonmises(1.0, 10, n))
    high = rng.random(n) < 0.5
    psi = np.where(left, rng.vonmises(np.where(high, 2.8, -0.3), 8), rng.uniform(-PI, PI, n))
    grid, names = angles(2)
    found = find_regions(np.stack([phi, psi], axis=1), None, grid, names)
    assert len(found) == 3
    assert found.names[2].startswith("phi_0=5")
    on_the_right = np.array([[1.0, 2.8], [1.0, -0.3], [1.0, 1.2]])
    assert len(set(found.assign(on_the_right).tolist())) == 1


def test_a_basin_across_the_seam_is_one_and_its_box_wraps() -> None:
    rng, n = np.random.default_rng(3), 6000
    there = np.concatenate([rng.vonmises(PI, 6, n), rng.vonmises(0.3, 8, n // 2)])
    x = np.stack([there, rng.uniform(-PI, PI, len(there))], axis=1)
    grid, names = angles(2)
    found = find_regions(x, None, grid, names)
    assert len(found) == 2
    box = boxes_of(found, names)[found.names[0]]
    assert set(box) == {"phi_0"}
    assert box["phi_0"][0] > 0 > box["phi_0"][1]
    # the boxes are the states
    again = Partition.from_boxes(boxes_of(found, names), names, np.array([True, True]))
    assert again.names == found.names
    assert np.array_equal(again.assign(x), found.assign(x))
    assert np.array_equal(decode(Partition, encode(found)).assign(x), found.assign(x))


def test_boxes_of_linear_cvs_reach_as_far_as_those_do() -> None:
    grid, names = lines(2)
    x = wells(np.random.default_rng(4), 4000, 2)
    found = find_regions(x, None, grid, names)
    boxes = boxes_of(found, names)
    ends = {end for box in boxes.values() for interval in box.values() for end in interval}
    assert {-np.inf, np.inf} <= ends
    far = np.array([[50.0, 50.0], [-50.0, 50.0]])
    again = Partition.from_boxes(boxes, names, np.zeros(2, dtype=bool))
    assert np.array_equal(again.assign(far), found.assign(far))


def test_weights_decide_and_not_how_often_a_place_was_visited() -> None:
    """Flattened samples of one well weigh back to one state; without weights they are flat too."""
    rng = np.random.default_rng(5)
    grid, names = lines(1)
    x = rng.uniform(-3, 3, (20_000, 1))
    u = x[:, 0] ** 4 - 6 * x[:, 0] ** 2 - 0.5 * x[:, 0]
    assert len(find_regions(x, np.exp(-u), grid, names)) == 2
    assert len(find_regions(x, np.exp(-0.05 * x[:, 0] ** 2), grid, names)) == 1
    assert len(find_regions(x, None, grid, names)) == 1  # the twin without weights


def test_what_few_samples_or_one_run_have_seen_is_no_state() -> None:
    rng = np.random.default_rng(6)
    grid, names = lines(2)
    x = 0.2 * rng.standard_normal((2000, 2)) - 1.7
    stray = 0.05 * rng.standard_normal((LEAST_POINTS - 1, 2)) + 1.7
    both = np.concatenate([x, stray])
    assert len(find_regions(both, None, grid, names)) == 1
    many = np.concatenate([x, 0.1 * rng.standard_normal((100, 2)) + 1.7])
    run = np.concatenate([np.arange(2000) % 20, np.full(100, 20)])
    assert len(find_regions(many, None, grid, names)) == 2
    assert len(find_regions(many, None, grid, names, run=run, least_runs=3)) == 1


def test_shares_of_g_over_all_states_sum_to_one() -> None:
    """In twelve CVs, whose grid would have 60¹² cells."""
    grid, names = lines(12)
    x = wells(np.random.default_rng(7), 3000, 12)
    found = find_regions(x, None, grid, names)
    g = Conditional(np.full(12, 4.0), np.zeros(12, dtype=bool))
    at = x[:20]
    total = sum(found.mass(at, g, np.full(20, k)) for k in range(len(found)))
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


def test_the_shadow_of_a_state_is_what_it_leaves_open() -> None:
    boxes = {"a": {"x": (0.0, 1.0), "y": (-1.0, 2.0)}}
    part = Partition.from_boxes(boxes, ("x", "y", "z"), np.zeros(3, dtype=bool))
    shadow = part.shadow(0, [1, 0])
    at = np.array([[0.0, 0.5], [0.5, 0.0], [1.5, 0.5], [1.5, 1.5]])  # y, x
    assert shadow.assign(at).tolist() == [1, 1, 1, 0]
    assert part.shadow(0, [2]).labels.all()
    assert part.shadow(1, [0]).labels.all()
    assert not part.shadow(1, [0, 1]).labels.all()


def test_nowhere_to_cut_is_one_state() -> None:
    grid, names = lines(3)
    for x in (np.zeros((0, 3)), np.full((5, 3), np.nan), np.zeros((100, 3))):
        found = find_regions(x, None, grid, names)
        assert found.names == ("all",)
        assert boxes_of(found, names) == {}


def test_a_few_heavy_samples_are_no_state() -> None:
    """Their piece rests on as many as weigh in it, not on all that were there."""
    rng = np.random.default_rng(8)
    grid, names = lines(2)
    x = np.concatenate(
        [0.2 * rng.standard_normal((3000, 2)) - 1.7, 0.1 * rng.standard_normal((60, 2)) + 1.7]
    )
    even = np.full(len(x), 1.0)
    assert len(find_regions(x, even, grid, names)) == 2
    heavy = even.copy()
    heavy[3000:] = 1e-6
    heavy[3000:3003] = 30.0
    assert len(find_regions(x, heavy, grid, names)) == 1
