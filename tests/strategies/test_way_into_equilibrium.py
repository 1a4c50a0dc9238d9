"""Replicas that move over all states begin somewhere: their way into equilibrium does not count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driving import Drive

from msgen.actors.base import copy_tree, encode
from msgen.orchestrator.convergence.looks import LEAST_ROUNDS
from msgen.orchestrator.strategies.common import free_replicas
from msgen.orchestrator.strategies.local.schema import Local
from msgen.orchestrator.strategies.probing.base import Finds

LOCAL = (
    "system.kT=1.5",
    "strategy={kind: local, local: {kind: hmc, steps: 10}}",
    "replicas=16",
)
FLOW = (
    "system.kT=3",
    "strategy={kind: flow_mcmc, local: {kind: hmc, steps: 5}, global_steps: 2}",
    "model={kind: realnvp, transforms: 2, hidden: [16], epochs: 5}",
    "replicas=16",
)


def rounds(drive: Drive) -> list[tuple[bool, int]]:
    """Whether the way into equilibrium is still counted, and rounds that are, after each round."""
    seen = []
    for _ in range(14):
        drive.step()
        produced: Any = drive.state.produced
        seen.append((drive.state.arriving, 0 if produced is None else produced.rounds))
    return seen


@pytest.mark.parametrize("settings", [LOCAL, FLOW], ids=["local", "flow_mcmc"])
def test_counting_begins_anew_once(settings: tuple[str, ...]) -> None:
    drive = Drive.of("double_well", *settings).until("produce")
    assert drive.state.arriving
    seen = rounds(drive)
    turn = next(i for i, (arriving, _) in enumerate(seen) if not arriving)
    assert turn > 0
    assert [n for _, n in seen[:turn]] == list(range(1, turn + 1))
    # the round that showed it goes on counting: there is an estimate always
    assert [n for _, n in seen[turn:]] == list(range(1, len(seen) - turn + 1))
    assert drive.state.left_out == turn
    told = drive.strategy.estimate(drive.state).diagnostics
    assert told["rounds_left_out"] == turn
    assert drive.state.phase == "produce"
    counted = [len(s.samples["cvs"]) for step in drive.steps[-seen[-1][1] :] for s in step.segments]
    assert drive.state.produced.states.sum() == sum(counted)


def test_it_takes_as_long_as_replicas_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_replicas, "SETTLED", np.inf)
    drive = Drive.of("double_well", *LOCAL).until("produce")
    assert all(arriving for arriving, _ in rounds(drive))
    assert drive.state.produced.memories(drive.problem) > 0
    found = drive.strategy.estimate(drive.state)
    assert not found.converged
    assert not found.standing
    assert any("have not forgotten" in said for said in found.unmet)
    strategy: Any = drive.strategy
    there = strategy.estimate(replace(drive.state, arriving=False))
    assert not any("have not forgotten" in said for said in there.unmet)


def test_replicas_remember_their_state_where_cvs_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CV that is noise, and states that each replica leaves once: the states are what is slow."""
    monkeypatch.setattr(free_replicas, "SETTLED", np.inf)
    drive = Drive.of("double_well", *LOCAL).until("produce")
    drive.step()
    made: Any = drive.state.produced
    r, t = made.series.shape[:2]
    noise = np.random.default_rng(1).normal(size=made.series.shape)
    turn = np.random.default_rng(2).integers(t // 4, 3 * t // 4, size=(r, 1))
    once = (np.arange(t)[None] >= turn).astype(made.labels.dtype)
    fast, slow = (
        replace(made, series=noise, labels=labels).memories(drive.problem)
        for labels in (np.zeros_like(once), once)
    )
    assert fast > 0.5 * t
    assert slow < 0.2 * fast


def test_a_forecast_knows_that_its_first_round_does_not_count() -> None:
    assert Local.least_production(Local(kind="local")) == LEAST_ROUNDS + 1


def test_a_find_begins_it_again() -> None:
    drive = Drive.of("double_well", *LOCAL).until("produce")
    rounds(drive)
    assert not drive.state.arriving
    strategy: Any = drive.strategy
    walkers = drive.state.walkers.take(np.arange(2))
    xi = drive.cvs(drive.problem.positions(walkers))
    finds = Finds(walkers.without_velocities(), xi, xi[:, None])
    again = strategy.begin_again(drive.state, finds)
    assert again.arriving
    assert again.left_out == 0


def test_a_run_from_before_goes_on_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_replicas, "SETTLED", np.inf)
    drive = Drive.of("double_well", *LOCAL).until("produce")
    drive.step()
    tree = copy_tree(encode(drive.state))
    del tree["arriving"]
    read = drive.strategy.read(tree)
    assert not read.arriving
    assert read.produced is not None
