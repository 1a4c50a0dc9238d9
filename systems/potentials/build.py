"""Potentials whose section says more than their class takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from msgen.systems.errors import SpecError
from msgen.systems.potentials.mixtures import GaussianMixture
from msgen.systems.potentials.slow_fast import VariableBarrier


def gaussian_mixture(
    *,
    means: list[float] | list[list[float]],
    scales: float | list[float] | list[list[float]],
    kT: float,
    start: int,
    dim: int | None = None,
    weights: list[float] | None = None,
) -> GaussianMixture:
    """A mixture; of means that are one number each, the same in all of `dim` dimensions."""
    mu = np.array(means, dtype=np.float64)
    if mu.ndim == 1:
        mu = np.repeat(mu[:, None], dim or 1, axis=1)
    w = np.ones(len(mu)) if weights is None else np.array(weights, dtype=np.float64)
    return GaussianMixture(mu, np.array(scales, dtype=np.float64), w, kT, start)


def variable_barrier(*, h: float, **values: Any) -> VariableBarrier:
    """The variable barrier.

    Raises
    ------
    SpecError
        Where its right well would vanish.
    """
    try:
        return VariableBarrier(h, **values)
    except ValueError as error:
        raise SpecError(
            ("system", "h"), h, str(error), "Raise h, or narrow system.range around 5"
        ) from error
