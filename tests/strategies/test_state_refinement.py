"""A state that shows only while counting is added; noise is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driven_double_well import SMALL
from driving import Drive, same, setup_of

from msgen.actors.base import encode
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate, StateEstimate
from msgen.orchestrator.strategies.common.basins import find_basins
from msgen.orchestrator.strategies.common.second_look import look_again, merged_states
from msgen.orchestrator.strategies.steered.state import AdaptState
from msgen.orchestrator.strategies.steered.state_refinement import go_back


def problem() -> Any:
    strategy, *_ = setup_of("double_well", "states=null")
    return vars(strategy)["problem"]


def surface(wells: dict[float, float], error: dict[float, float]) -> Estimate:
    """Parabolic wells at x of depth, and an error around some of them."""
    axis = problem().grid.centres[0]
    f = np.min([f0 + 60.0 * (axis - x) ** 2 for x, f0 in wells.items()], axis=0)
    stderr = np.full(len(axis), 0.05)
    for x, s in error.items():
        stderr[np.abs(axis - x) < 0.3] = s
    f = np.where(f > 12.0, np.nan, f)
    return Estimate({"x": axis}, f - np.nanmin(f), stderr, {}, {}, False, ())


def two() -> Any:
    start = surface({-1.0: 0.0, 1.0: 2.0}, {})
    p = problem()
    weight = np.exp(-np.nan_to_num(start.f_kT, nan=np.inf))
    return find_basins(weight, p.grid, p.names, smooth=0.5)


@pytest.mark.parametrize(
    ("wells", "error", "found"),
    [
        ({-1.0: 0.0, 1.0: 2.0}, {}, None),  # as before
        ({-1.0: 0.0, 0.1: 3.0, 1.0: 2.0}, {}, 3),
        ({-1.0: 0.0, 0.1: 3.0, 1.0: 2.0}, {0.1: 0.9}, None),  # nobody knows that
        ({-1.0: 0.0, 0.1: 9.0, 1.0: 2.0}, {}, None),  # higher than what counts
    ],
)
def test_only_what_is_sure_is_a_new_state(
    wells: dict[float, float], error: dict[float, float], found: int | None
) -> None:
    assert len(two()) == 2
    again = look_again(problem(), surface(wells, error), two())
    assert (None if again is None else len(again)) == found


def test_what_is_not_sure_is_no_barrier() -> None:
    """On the way over one barrier a bin is sure and its neighbours are not."""
    axis = problem().grid.centres[0]
    f = np.minimum(6.0 * (axis**2 - 1.0) ** 2, 30.0)
    stderr = np.where((f > 2.0) & (np.abs(axis) < 1.0), 0.8, 0.05)
    top = int(np.argmin(np.abs(axis)))
    stderr[top] = 0.4
    seen = Estimate({"x": axis}, f, stderr, {}, {}, False, ())
    assert look_again(problem(), seen, two()) is None
    # the twin: had nobody been beside it, it would be a third basin
    alone = np.where((stderr > 0.5) & (axis != axis[top]), np.nan, f)
    more = look_again(problem(), replace(seen, f_kT=alone), two())
    assert more is not None
    assert len(more) == 3


def test_basins_that_are_counted_with_a_neighbour_are_told() -> None:
    seen = surface({-1.0: 0.0, 0.1: 3.0, 1.0: 2.0}, {})
    said = replace(seen, states=dict.fromkeys(two().names, StateEstimate(0.0, 0.1)))
    (told,) = merged_states(problem(), said, two())
    assert told.startswith(
        "the surface shows 3 basins, x=-1.03; x=1.03; x=0.1, and of the states x="
    )
    three = look_again(problem(), seen, two())
    assert three is not None
    assert not merged_states(problem(), said, three)
    # named states are those asked for
    strategy, *_ = setup_of("double_well")
    assert not merged_states(vars(strategy)["problem"], said, two())


def test_as_many_states_as_basins_hide_none() -> None:
    """Stuck walkers have made states at both rims, and both wells go by the name of one of them."""
    edges = (np.array([-np.inf, -1.6, 1.6, np.inf]),)
    rims = Partition(edges, np.array([1, 0, 2]), ("x=0.1", "x=-1.7", "x=1.7"))
    wells = surface({-1.0: 0.0, 1.0: 2.0}, {})
    found = look_again(problem(), wells, rims)
    assert found is not None
    assert found.names == two().names
    said = replace(wells, states=dict.fromkeys(rims.names, StateEstimate(0.0, 0.1)))
    assert merged_states(problem(), said, rims)
    # a rim that nothing shows takes no well away
    three = Partition((np.array([-np.inf, 0.0, 1.6, np.inf]),), np.array([0, 1, 2]), rims.names)
    assert look_again(problem(), wells, three) is None


def test_a_cv_beside_the_surface_says_nothing_wherever_it_stands() -> None:
    first = {
        "y": {"kind": "coordinate", "index": 1, "range": [-2, 2], "bins": 12, "reported": False},
        "x": {"kind": "coordinate", "index": 0, "range": [-2, 2]},
    }
    strategy, *_ = setup_of("double_well", "states=null", f"cvs={first}")
    beside = vars(strategy)["problem"]
    axis = beside.grid.surface.centres[0]
    f = np.minimum((axis + 1.0) ** 2, (axis - 1.0) ** 2 + 2.0 / 60.0) * 60.0
    seen = Estimate({"x": axis}, f - f.min(), np.full(len(axis), 0.05), {}, {}, False, ())
    found = look_again(beside, seen, Partition.whole(np.zeros(2, dtype=bool)))
    assert found is not None
    assert len(found) == 2
    assert look_again(beside, seen, found) is None


def test_going_back_explores_with_the_walkers_there_are_and_forgets_what_was_counted() -> None:
    drive = Drive.of("double_well", *SMALL, "states=null").produce(3)
    assert drive.state.produced.bins.sum() > 0
    third = look_again(problem(), surface({-1.0: 0.0, 0.1: 3.0, 1.0: 2.0}, {}), two())
    assert third is not None
    state = go_back(drive.state, third)
    assert (state.phase, state.relooks, state.attempt) == ("explore", 1, 0)
    assert np.array_equal(state.pool.walkers.positions, drive.state.walkers.positions)
    # the version before dragged along what it knew of production
    dragged = {**encode(drive.state), **encode(state)}
    assert same(encode(drive.strategy.read(dragged)), encode(state))
    drive.state = state
    drive.until("adapt")
    assert len(drive.state.states.names) == 3
    drive.step()
    assert isinstance(drive.state, AdaptState)  # which knows of nothing that was counted
