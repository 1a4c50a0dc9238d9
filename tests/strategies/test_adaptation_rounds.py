"""How long a round of the adaptation is: what it gathers, whatever the number of replicas."""

from __future__ import annotations

from dataclasses import replace

import pytest
from driving import Drive

from msgen.actors.orders.sample import SamplePayload
from msgen.orchestrator.strategies.steered.orders import (
    BLOCKS,
    READINGS,
    TUNING_BLOCKS,
    TUNING_PATHS,
    sampling_orders,
)

QUICK = (
    "strategy.local.steps=20",
    "strategy.explore={pushes: 16, push_steps: 60, relax_steps: 20}",
)


def gathered(replicas: int, tuned: bool) -> tuple[int, int, int, int]:
    """Readings and blocks of a round, its possible starts of paths, and candidates."""
    drive = Drive.of("double_well", *QUICK, f"replicas={replicas}").until("adapt")
    state = replace(drive.state, version=0 if tuned else -1)
    orders = [o.read(SamplePayload) for o in sampling_orders(drive.problem, state)]
    one = orders[0]
    n = sum(len(o.replicas) for o in orders)
    assert n == replicas
    tried = len(one.paths.schedules) if one.paths is not None else 0
    return n * one.blocks * one.chunks, one.blocks, n * one.blocks, tried


@pytest.mark.parametrize("replicas", [32, 64, 256])
def test_a_round_is_as_long_as_its_readings_ask_for(replicas: int) -> None:
    """Of 20 readings a block, and at least one block of everybody."""
    readings, blocks, _, _ = gathered(replicas, tuned=False)
    assert READINGS <= readings < READINGS + 20 * replicas
    assert blocks < BLOCKS


def test_few_replicas_sample_no_longer_than_in_production() -> None:
    assert gathered(4, tuned=False)[1] == BLOCKS


@pytest.mark.parametrize("replicas", [32, 64, 256])
def test_a_round_of_tuning_has_its_paths_whatever_the_replicas(replicas: int) -> None:
    """Half of the starts are without λ and send one; every candidate has its block."""
    readings, blocks, starts, tried = gathered(replicas, tuned=True)
    assert tried == 3
    assert blocks % tried == 0
    assert blocks <= TUNING_BLOCKS
    paths = TUNING_PATHS["batched"] / 0.5
    assert paths - tried * replicas <= starts <= max(paths + tried * replicas, tried * replicas)
    # about as much local sampling as without; not less than a reading between two paths
    assert readings <= max(1.6 * (READINGS + 20 * replicas), starts)
