"""A state that only the surface of production shows gets a name: strategies that look again."""

from __future__ import annotations

import numpy as np
import pytest
from driven_double_well import SMALL
from driving import Drive

from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.strategies.common.second_look import LOOK_EVERY

MOVES = "local: {kind: hmc, steps: 5}"
COMMON = "msgen.orchestrator.strategies.common.free_replicas.states_in"
OWN = "msgen.orchestrator.strategies.{}.strategy.{}"
SECTIONS = {
    "local": (COMMON, f"strategy={{kind: local, {MOVES}}}"),
    "flow_mcmc": (COMMON, f"strategy={{kind: flow_mcmc, {MOVES}}}", *SMALL[2:]),
    "delayed_acceptance": (
        COMMON,
        "strategy={kind: delayed_acceptance, local: {kind: hmc, steps: 5, leapfrog: 4}}",
        "strategy.surrogate={kind: coordinates, width: 8, updates: 40}",
    ),
    "importance": (
        OWN.format("importance", "states_in"),
        f"strategy={{kind: importance, {MOVES}, draws: 512}}",
        *SMALL[2:],
    ),
    "targeted": (
        OWN.format("targeted", "explore.Found.basins"),
        f"strategy={{kind: targeted, {MOVES}}}",
        *SMALL[2:],
    ),
    "parallel_tempering": (
        OWN.format("parallel_tempering", "find_basins"),
        f"strategy={{kind: parallel_tempering, {MOVES}, temperatures: 3, highest: 4}}",
    ),
    "umbrella": (
        OWN.format("umbrella", "find_basins"),
        f"strategy={{kind: umbrella, seeds: neighbour, {MOVES}, windows: {{x: 4}}, relax: 50}}",
    ),
}
FREE = ("local", "flow_mcmc", "delayed_acceptance")
"""Which count anew once they are in equilibrium."""
DEAR = ("flow_mcmc", "delayed_acceptance", "importance", "targeted")
CASES = [
    pytest.param(kind, named, marks=[pytest.mark.slow] if kind in DEAR else [])
    for kind in SECTIONS
    for named in ([False, True] if kind == "local" else [False])
]


@pytest.mark.parametrize(("kind", "named"), CASES)
def test_a_state_that_the_surface_shows_is_counted_from_then_on(
    kind: str, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adaptation is made to see one state only; named states stay those asked for."""
    looks, *settings = SECTIONS[kind]
    one = Partition.from_boxes({}, ("x",), np.array([False]))
    monkeypatch.setattr(looks, lambda *_, **__: one)
    states = "states={left: {x: [-2, -0.4]}}" if named else "states=null"
    replicas = 4 if kind in ("umbrella", "parallel_tempering") else 32
    drive = Drive.of("double_well", *settings, states, f"replicas={replicas}").produce(0)
    known = len(drive.state.states)
    looked = 0
    while not drive.state.relooks and looked < 4 * LOOK_EVERY:
        assert len(drive.state.states) == known
        drive.step()
        looked += 1
    if named:
        assert not drive.state.relooks
        return
    assert drive.state.relooks == 1
    before = drive.steps[-1].before
    assert (looked - (before.left_out if kind in FREE else 0)) % LOOK_EVERY == 0
    kept = kind == "umbrella"  # windows know nothing of states
    assert (drive.state.phase == "produce") == kept
    drive.until("produce")
    assert len(drive.state.states) == 2
    drive.step()
    if kind != "targeted":
        assert drive.state.produced.rounds == (looked + 1 if kept else 1)
    else:
        assert drive.state.gathered.production.rounds == 1
    assert len(drive.strategy.estimate(drive.state).states) == 2


def test_states_are_those_of_the_cvs_that_are_reported() -> None:
    """y lies beside x as a CV: the look goes over the surface, which x alone spans."""
    beside = "cvs.y={kind: coordinate, index: 1, range: [-2, 2], bins: 12, reported: false}"
    drive = Drive.of("double_well", *SECTIONS["local"][1:], "states=null", beside, "replicas=32")
    drive.produce(LOOK_EVERY)
    assert len(drive.state.states) == 2
    assert all(name.startswith("x=") and "y" not in name for name in drive.state.states.names)
    assert drive.strategy.estimate(drive.state).f_kT.ndim == 1
