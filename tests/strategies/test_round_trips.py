"""Round trips of walkers between the ends of their windows, counted after every exchange."""

from __future__ import annotations

import numpy as np

from msgen.orchestrator.strategies.umbrella.round_trips import RoundTrips

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
    assert done.turns.tolist() == [2, 0, 0, 0, 0, 0]
    assert done.number == 1
    # looked at once a round nothing has happened
    assert trips().with_stood(np.hstack([stood, still])[-1:], SLOT).number == 0


def test_trips_go_on_from_round_to_round() -> None:
    made = trips()
    for row in ([0, 1, 2], [2, 1, 0], [0, 1, 2]):
        made = made.with_stood(np.array([[*row, 3, 4, 5]]), SLOT)
    assert made.number == 2  # walkers 0 and 2
