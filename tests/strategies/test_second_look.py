"""Replicas that are counted as they move: a state that only the surface shows gets a name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from driven_double_well import SMALL
from driving import Drive

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.strategies.common.second_look import LOOK_EVERY

LOCAL = "strategy={kind: local, local: {kind: hmc, steps: 5}}"


def merged(drive: Drive) -> None:
    """As if the adaptation had seen the left well alone: all of the range is one state."""
    one = Partition.from_boxes({}, drive.problem.names, drive.problem.periodic)
    drive.state = replace(drive.state, states=one, produced=None)


@pytest.mark.parametrize("named", [False, True])
def test_a_state_that_the_surface_shows_is_counted_from_then_on(named: bool) -> None:
    states = "states={left: {x: [-2, -0.4]}}" if named else "states=null"
    drive = Drive.of("double_well", LOCAL, *SMALL, states, "replicas=32").produce(0)
    while drive.state.phase != "produce":
        drive.step()
    merged(drive)
    for _ in range(LOOK_EVERY - 1):
        drive.step()
        assert len(drive.state.states) == 1
    drive.step()
    # named states are those asked for, whatever the surface shows
    assert (drive.state.phase == "produce") == named
    drive.step()
    if named:
        assert len(drive.state.states) == 1
        return
    assert drive.state.phase == "produce"
    assert drive.state.relooks == 1
    assert len(drive.state.states) == 2
    assert drive.state.produced is None
    assert not drive.state.totals
    drive.step()
    assert drive.state.produced.rounds == 1
    assert len(drive.strategy.estimate(drive.state).states) == 2
