"""Round trips of walkers between the ends of their windows, counted after every exchange."""

from __future__ import annotations

import numpy as np

from msgen.orchestrator.estimators.histogram import Grid
from msgen.orchestrator.strategies.umbrella.round_trips import RoundTrips
from msgen.orchestrator.strategies.umbrella.windows import Windows, place

SLOT = np.arange(6)
"""Two ladders of three windows."""


def trips() -> RoundTrips:
    none = np.full(6, -1, dtype=np.int64)
    return RoundTrips(np.array([0, 2]), 3, none, np.zeros(6, dtype=np.int64))


def test_a_walker_that_is_back_before_the_round_ends_has_been_round() -> None:
    """Walker 0 goes over to the other end and back within five exchanges of one round."""
    stood = np.array([[0, 1, 2], [1, 0, 2], [1, 2, 0], [1, 0, 2], [0, 1, 2]])
    still = np.broadcast_to([3, 4, 5], (5, 3))
    done = trips().with_stood(np.hstack([stood, still]), SLOT)
    assert done.turns.tolist() == [[2, 0, 0, 0, 0, 0]]
    assert done.number == 1
    # looked at once a round nothing has happened
    assert trips().with_stood(np.hstack([stood, still])[-1:], SLOT).number == 0


def test_trips_go_on_from_round_to_round() -> None:
    made = trips()
    for row in ([0, 1, 2], [2, 1, 0], [0, 1, 2]):
        made = made.with_stood(np.array([[*row, 3, 4, 5]]), SLOT)
    assert made.number == 2  # walkers 0 and 2


def over_two() -> Windows:
    """Three windows along x by four round a ring, x outside."""
    grid = Grid.regular(((0.0, 3.0), (-np.pi, np.pi)), (30, 36), (False, True))
    return place({"x": 3, "phi": 4}, "auto", ("x", "phi"), grid)


def test_over_two_cvs_a_trip_is_from_end_to_end_of_each() -> None:
    windows = over_two()
    made = RoundTrips.start(windows, 1)
    assert made.names == ("x", "phi")
    assert made.ends[0].tolist() == [0] * 4 + [-1] * 4 + [1] * 4
    # round the ring the other end is half a turn away
    assert made.ends[1].tolist() == [0, -1, 1, -1] * 3
    everybody = np.arange(12)

    def moved(trips: RoundTrips, way: list[int]) -> RoundTrips:
        """Walker 0 through the windows of `way`; who stood there takes its place."""
        for k in way:
            stood = everybody.copy()
            stood[[0, k]] = stood[[k, 0]]
            trips = trips.with_stood(stood[None], everybody)
        return trips

    along_x = moved(made, [0, 8, 0])
    assert along_x.turns[0, 0] == 2
    assert (along_x.number, along_x.along) == (0, "phi")
    both = moved(along_x, [2, 0])
    assert both.turns[:, 0].tolist() == [2, 2]
    assert both.number >= 1


def test_a_window_between_two_ends_is_no_end() -> None:
    windows = over_two().between([(0, 4)])
    assert RoundTrips.start(windows, 1).ends[:, -1].tolist() == [-1, 0]
