"""Where umbrella windows stand, who their neighbours are, and who shares an order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from msgen.actors.base import decode, encode
from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.umbrella.windows import Windows, colours, pieces, place, tour

PI = np.pi
ONE = Grid.regular(((-PI, PI),), (36,), (True,))
TWO = Grid.regular(((-PI, PI), (0.0, 2.0)), (36, 20), (True, False))


def edges(windows: Windows) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in windows.neighbours()}


def test_auto_covers_the_range_evenly() -> None:
    windows = place("auto", "auto", ("phi",), ONE)
    assert len(windows) == 12
    step = 2 * PI / 12
    np.testing.assert_allclose(windows.centres[:, 0], -PI + step * (np.arange(12) + 0.5))
    np.testing.assert_allclose(1 / np.sqrt(windows.kappa), np.full((12, 1), 0.5 * step))
    # a ring: the last and the first are neighbours
    assert edges(windows) == {(i, i + 1) for i in range(11)} | {(0, 11)}


def test_a_grid_has_its_axes_as_neighbours_and_no_diagonals() -> None:
    windows = place({"phi": 4, "z": 3}, {"phi": 0.5, "z": 0.2}, ("phi", "z"), TWO)
    assert len(windows) == 12
    along_z = {(3 * i + j, 3 * i + j + 1) for i in range(4) for j in range(2)}
    along_phi = {(3 * i + j, 3 * i + j + 3) for i in range(3) for j in range(3)}
    ring = {(j, 9 + j) for j in range(3)}
    assert edges(windows) == along_z | along_phi | ring


def test_a_window_put_between_two_takes_their_place() -> None:
    windows = place({"z": [0.2, 0.6, 1.4]}, "auto", ("z",), Grid.regular(((0, 2),), (9,), (False,)))
    assert edges(windows) == {(0, 1), (1, 2)}
    grown = windows.between([(1, 2)])
    assert edges(grown) == {(0, 1), (1, 3), (2, 3)}


def test_a_cv_without_windows_is_not_biased() -> None:
    windows = place({"z": 3}, "auto", ("phi", "z"), TWO)
    assert (windows.kappa[:, 0] == 0.0).all()
    assert windows.biased.tolist() == [1]
    xi = np.array([[-2.0, 0.3], [2.5, 0.3]])
    energy = windows.energies(xi)
    assert energy.shape == (3, 2)
    np.testing.assert_array_equal(energy[:, 0], energy[:, 1])
    assert windows.label(0) == "z = 0.333"


def test_energy_is_the_restraint_the_engines_apply() -> None:
    windows = place("auto", "auto", ("phi", "z"), TWO)
    xi = np.array([[3.0, 0.5]])
    np.testing.assert_allclose(
        windows.energies(xi)[:, 0], windows.widest.energy(windows.centres, xi)
    )


@pytest.mark.parametrize("n", [2, 5, 12])
def test_pairs_of_one_colour_share_no_window(n: int) -> None:
    windows = place({"phi": n, "z": 4}, "auto", ("phi", "z"), TWO)
    pairs = windows.neighbours()
    colour = colours(pairs)
    for c in np.unique(colour):
        used = pairs[colour == c].reshape(-1)
        assert len(np.unique(used)) == len(used)
    assert colour.max() <= 5


def test_the_tour_visits_parents_first_and_every_window_once() -> None:
    windows = place({"phi": 6, "z": 5}, "auto", ("phi", "z"), TWO)
    route = tour(windows, np.array([0.1, 1.0]))
    seen: set[int] = set()
    for k, parent in route:
        assert (parent == -1 and not seen) or (
            parent in seen and (min(k, parent), max(k, parent)) in edges(windows)
        )
        seen.add(k)
    assert seen == set(range(30))
    first = windows.distances(np.array([[0.1, 1.0]]), windows.centres)[0]
    assert route[0][0] == int(np.argmin(first))


@pytest.mark.parametrize("asked", [{"phi": 20}, {"phi": 8, "z": 6}])
def test_pieces_hold_all_windows_and_all_neighbours_meet(asked: dict[str, int]) -> None:
    windows = place(asked, "auto", ("phi", "z"), TWO)
    met: set[tuple[int, int]] = set()
    for turn in range(8):
        parts = pieces(windows, 8, turn)
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(windows)))
        assert max(len(p) for p in parts) <= 8
        for part in parts:
            inside = set(part.tolist())
            met |= {e for e in edges(windows) if set(e) <= inside}
    assert met == edges(windows)


def test_survives_a_checkpoint() -> None:
    windows = place("auto", "auto", ("phi", "z"), TWO)
    again = decode(Windows, encode(windows))
    np.testing.assert_array_equal(again.centres, windows.centres)
    assert again.names == windows.names


def test_windows_of_a_run_of_before_have_one_width() -> None:
    old = Windows(np.array([[0.0], [1.0]]), np.array([9.0]), np.array([False]), ("z",))
    assert old.kappa.tolist() == [[9.0], [9.0]]
    assert old.pace.tolist() == [1.0, 1.0]


def test_a_narrowed_window_keeps_its_place_and_its_moves_are_shorter() -> None:
    windows = place({"z": 3}, {"z": 0.2}, ("phi", "z"), TWO)
    narrow = replace(windows, kappa=windows.kappa * np.array([[1.0], [4.0], [1.0]]))
    np.testing.assert_allclose(narrow.kappa[:, 1], [25.0, 100.0, 25.0])
    assert narrow.kappa[:, 0].tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(narrow.pace, [1.0, 0.5, 1.0])
    np.testing.assert_array_equal(narrow.centres, windows.centres)
    # energies are each window's own; distances go by the widest
    xi = windows.centres + np.array([0.0, 0.1])
    np.testing.assert_allclose(np.diag(narrow.energies(xi)), [0.125, 0.5, 0.125])
    np.testing.assert_array_equal(
        narrow.distances(xi, windows.centres), windows.distances(xi, windows.centres)
    )
    # what stands between is as narrow as the narrower of the two
    np.testing.assert_allclose(narrow.between([(0, 1)]).kappa[:, 1], [25.0, 100.0, 25.0, 100.0])


def test_a_window_over_the_seam_of_an_angle_lies_between_its_neighbours() -> None:
    windows = place({"phi": 4}, "auto", ("phi", "z"), TWO).between([(3, 0)])
    assert abs(abs(windows.centres[4, 0]) - PI) < 1e-12
