"""Surfaces of fewer axes than were sampled: summed over the others, with the error of the sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.estimators.stratified import combine
from msgen.orchestrator.estimators.works.network import solve_network

THREE = Grid.regular(
    ((0.0, 3.0), (-1.0, 1.0), (0.0, 4.0)), (3, 2, 4), (False,) * 3, (True, False, True)
)


def test_a_bin_is_a_part_of_the_bin_with_the_same_reported_cvs() -> None:
    parts = THREE.surface_bins.reshape(THREE.shape)
    assert THREE.surface.shape == (3, 4)
    for i, _, k in np.ndindex(*THREE.shape):
        assert (parts[i, :, k] == 4 * i + k).all()


def test_what_lies_beyond_a_cv_that_is_not_reported_counts_and_beyond_another_does_not() -> None:
    xi = np.array([[0.5, 7.0, 0.5], [0.5, -7.0, 0.5], [0.5, 0.1, 9.0]])
    assert THREE.index(xi).tolist() == [4, 0, -1]
    told = Grid(THREE.edges, THREE.periodic)
    assert told.index(xi).tolist() == [-1, -1, -1]  # the twin loses two of the three


def test_all_axes_are_reported_unless_it_is_said() -> None:
    plain = Grid(THREE.edges, THREE.periodic)
    assert plain.surface == plain
    assert plain.surface_bins.tolist() == list(range(plain.size))
    with pytest.raises(ValueError, match="2 reported flags"):
        Grid(THREE.edges, THREE.periodic, (True, False))


def test_merged_populations_are_those_of_the_merged_counts() -> None:
    """F and errors, to rounding; a twin that adds the parts' errors up is off by half."""
    rng = np.random.default_rng(5)
    sums = rng.gamma(2.0, size=(1, 9, THREE.size))
    sums[0, :, 3] = 0.0  # never visited, a part of a bin that was
    network = solve_network(1, [])
    parts, n = THREE.surface_bins, THREE.surface.size
    together = np.zeros((1, 9, n))
    np.add.at(together[0].T, parts, sums[0].T)
    merged, direct = combine(sums, network).merged(parts, n), combine(together, network)
    np.testing.assert_allclose(merged.f, direct.f, rtol=1e-12)
    np.testing.assert_allclose(merged.stderr, direct.stderr, rtol=1e-9)
    alone = combine(sums, network).stderr
    added = np.sqrt(np.bincount(parts, np.nan_to_num(alone) ** 2, minlength=n))
    assert np.abs(added / direct.stderr - 1.0).max() > 0.5


def test_what_is_known_of_whole_replicas_is_merged_too() -> None:
    rng = np.random.default_rng(6)
    fine, coarse = (rng.gamma(2.0, size=(1, n, THREE.size)) for n in (8, 4))
    network, parts, n = solve_network(1, []), THREE.surface_bins, THREE.surface.size
    cut = replace(combine(fine, network), whole=combine(coarse, network))
    merged = cut.merged(parts, n)
    together = np.zeros((1, 4, n))
    np.add.at(together[0].T, parts, coarse[0].T)
    assert merged.whole is not None
    np.testing.assert_allclose(merged.whole.stderr, combine(together, network).stderr, rtol=1e-9)


def test_what_was_never_visited_stays_unknown() -> None:
    sums = np.ones((1, 4, THREE.size))
    lost = THREE.surface_bins == 7
    sums[0][:, lost] = 0.0
    merged = combine(sums, solve_network(1, [])).merged(THREE.surface_bins, 12)
    assert np.isnan(merged.f).tolist() == [k == 7 for k in range(12)]
    assert np.isnan(merged.stderr).tolist() == [k == 7 for k in range(12)]
