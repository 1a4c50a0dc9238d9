"""A round of the stratified campaign solves the network of its works once, whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from driving import Drive

from msgen.orchestrator.strategies.common import works
from msgen.orchestrator.strategies.common.second_look import LOOK_EVERY
from msgen.orchestrator.strategies.common.works import Works

SMALL = (
    "replicas=8",
    "strategy.local.steps=5",
    "strategy.path={steps: 20, timestep: 0.5, friction: 0.2, width: 0.05}",
    "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 2}",
)


def solutions(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """How often it was solved in each round that had works, by phase."""
    drive, counts = Drive.of("double_well", *SMALL), dict[str, list[int]]()
    solve, calls = works.solve_network, list[int]()
    monkeypatch.setattr(works, "solve_network", lambda n, p: (calls.append(n), solve(n, p))[1])
    drive.until("adapt")
    # as far as the round after a review of where the effort goes
    while drive.state.phase != "produce" or drive.state.produced_rounds <= LOOK_EVERY:
        calls.clear()
        drive.step()
        drive.strategy.estimate(drive.state)
        counts.setdefault(drive.state.phase, []).append(len(calls))
    return counts


def test_the_network_is_solved_once_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = solutions(monkeypatch)
    assert max(counts["adapt"]) == 1
    # walkers that settle bring nothing to solve
    assert counts["produce"][-LOOK_EVERY:] == [1] * LOOK_EVERY
    assert max(counts["produce"]) == 1


def test_twin_that_forgets_what_was_solved_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    forgetful: Callable[..., object] = works._solved.__wrapped__
    monkeypatch.setattr(works, "_solved", forgetful)
    assert min(solutions(monkeypatch)["produce"][-LOOK_EVERY:]) > 1


def test_what_is_shared_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Works.empty().network(2).f[0] = 1.0
