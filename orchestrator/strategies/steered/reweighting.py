"""Equilibrium weights of the samples that a steered run has stored."""

from __future__ import annotations

from msgen.orchestrator.strategies.common.reweighting import Array, StoredSamples, by_cells

BURN_IN = 1
"""Rounds of production, all of it frozen, that do not count yet."""


def after_burn_in(samples: StoredSamples) -> Array:
    """Weights of samples inside the states, since production counts."""
    return by_cells(samples, BURN_IN)
