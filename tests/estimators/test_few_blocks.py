"""Errors of means of heavy-tailed values over few blocks cover, and do not by the blocks alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from msgen.orchestrator.estimators.errors import inflation
from msgen.orchestrator.estimators.few_blocks import block_error, variance_dof

BLOCKS, LENGTH, MEMORY, TAIL = 4, 160, 0.9, 0.28
"""Weights u^{−TAIL} of readings that remember one another."""


def weights(rng: np.random.Generator) -> np.ndarray:
    """Shape (BLOCKS, LENGTH), of mean 1/(1 − TAIL)."""
    noise = rng.standard_normal((2, BLOCKS, LENGTH)) * np.sqrt(1 - MEMORY**2)
    first = rng.standard_normal((2, BLOCKS, 1)) * MEMORY
    x, _ = lfilter([1.0], [1.0, -MEMORY], noise, axis=-1, zi=first)
    # half the squared length of a plane's normal vector is exponential: u = e^{−r²/2}
    return np.asarray(np.exp(TAIL * 0.5 * np.sum(x**2, axis=0)))


def test_they_cover_the_mean_of_skewed_weights_from_four_blocks() -> None:
    rng, truth = np.random.default_rng(11), -np.log(1 - TAIL)
    block = np.repeat(np.arange(BLOCKS), LENGTH)
    right, alone = [], []
    for _ in range(500):
        w = weights(rng)
        few = block_error(w.ravel(), block)
        off = np.log(w.mean()) - truth
        error = float(np.std(w.mean(axis=1) / w.mean(), ddof=1) / np.sqrt(BLOCKS))
        right.append(abs(off) < 1.96 * error * few.factor * inflation(few.dof))
        alone.append(abs(off) < 1.96 * error * inflation(BLOCKS - 1))
    # what Student's t with three degrees of freedom covers is 0.928; binomial error 0.011
    assert np.mean(right) > 0.925
    assert np.mean(alone) < 0.91


def test_of_many_independent_values_nothing_is_added() -> None:
    rng = np.random.default_rng(12)
    values = rng.standard_normal(4000) + 5.0
    few = block_error(values, np.arange(4000))
    assert few.factor == pytest.approx(1.0, abs=2e-3)
    assert few.dof == pytest.approx(4000, rel=0.1)


def test_values_that_never_vary_have_no_error_to_widen() -> None:
    assert block_error(np.ones(40), np.arange(40) // 10).factor == 1.0
    assert block_error(np.ones(0), np.zeros(0, dtype=np.int64)).factor == 1.0


def test_degrees_of_freedom_are_students_for_normal_values_and_fewer_for_heavy_ones() -> None:
    assert variance_dof(8, 0.0) == pytest.approx(7.0)
    assert variance_dof(8, 6.0) == pytest.approx(16 / (6 + 16 / 7))
    assert variance_dof(1, 0.0) == 1.0
