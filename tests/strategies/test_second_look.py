"""Replicas that are counted as they move: a state that only the surface shows gets a name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from driven_double_well import SMALL
from driving import Drive

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.strategies.common.second_look import LOOK_EVERY

MOVES = "local: {kind: hmc, steps: 5}"
SECTIONS = {
    "local": (f"strategy={{kind: local, {MOVES}}}",),
    "flow_mcmc": (f"strategy={{kind: flow_mcmc, {MOVES}}}", *SMALL[2:]),
    "delayed_acceptance": (
        "strategy={kind: delayed_acceptance, local: {kind: hmc, steps: 5, leapfrog: 4}}",
        "strategy.surrogate={kind: coordinates, width: 8, updates: 40}",
    ),
}
DEAR = ("flow_mcmc", "delayed_acceptance")
CASES = [
    pytest.param(kind, named, marks=[pytest.mark.slow] if kind in DEAR else [])
    for kind in SECTIONS
    for named in ([False] if kind in DEAR else [False, True])
]


def merged(drive: Drive) -> None:
    """As if the adaptation had seen the left well alone: all of the range is one state."""
    one = Partition.from_boxes({}, drive.problem.names, drive.problem.periodic)
    drive.state = replace(drive.state, states=one, produced=None)


@pytest.mark.parametrize(("kind", "named"), CASES)
def test_a_state_that_the_surface_shows_is_counted_from_then_on(kind: str, named: bool) -> None:
    states = "states={left: {x: [-2, -0.4]}}" if named else "states=null"
    drive = Drive.of("double_well", *SECTIONS[kind], states, "replicas=32").produce(0)
    while drive.state.phase != "produce":
        drive.step()
    merged(drive)
    looked = 0
    # until enough is sure; named states are those asked for, whatever the surface shows
    while drive.state.phase == "produce" and looked < 4 * LOOK_EVERY:
        assert len(drive.state.states) == 1
        drive.step()
        looked += 1
    if named:
        assert looked == 4 * LOOK_EVERY
        return
    assert looked % LOOK_EVERY == 0
    assert drive.state.phase == "adapt"
    while drive.state.phase != "produce":
        drive.step()
    assert drive.state.relooks == 1
    assert len(drive.state.states) == 2
    assert drive.state.produced is None
    assert not drive.state.totals
    drive.step()
    assert drive.state.produced.rounds == 1
    assert len(drive.strategy.estimate(drive.state).states) == 2
