"""What a fit of the steered strategy learns from: one round, or the later half of them all."""

from __future__ import annotations

import numpy as np
from driving import Drive

from msgen.orchestrator.strategies.steered.fit_data import FIT_SIZE


def rounds_of(*settings: str, n: int = 6) -> tuple[list[np.ndarray], np.ndarray]:
    """CVs sampled in each round of the adaptation, and what the next fit would see of stratum 0."""
    drive = Drive.of("double_well", *settings).until("adapt")
    seen = []
    for _ in range(n):
        step = drive.step()
        seen.append(np.concatenate([s.samples["cvs"] for s in step.segments]))
    return seen, np.asarray(drive.state.fit_data[0].xi)


def test_a_chain_of_few_walkers_learns_from_the_later_half_of_all_rounds() -> None:
    few = ("strategy.stratify=off", "strategy.flatten=0 kT", "replicas=2", "strategy.local.steps=2")
    seen, data = rounds_of(*few)
    everything = np.concatenate(seen)
    assert len(seen[-1]) < len(data) == len(everything) // 2 < FIT_SIZE
    np.testing.assert_array_equal(data, everything[-len(data) :])


def test_rounds_with_enough_samples_or_a_bias_of_their_own_stand_alone() -> None:
    chain = ("strategy.stratify=off", "replicas=2")
    for settings in (
        (*chain, "strategy.flatten=4 kT", "strategy.local.steps=2"),
        (*chain, "strategy.flatten=0 kT", "strategy.local.steps=300"),
    ):
        seen, data = rounds_of(*settings, n=2)
        every = max(1, len(seen[-1]) // (2 * FIT_SIZE))
        np.testing.assert_array_equal(data, seen[-1][::every])
