"""How far two distributions are apart: the Jensen–Shannon divergence of histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.dynamics.readings import Reading, known
from msgen.orchestrator.estimators.dynamics.sums import Sums

Array = NDArray[np.float64]

BINS = 100
"""Along each axis."""


@dataclass(frozen=True)
class Divergence:
    """Jensen–Shannon divergence of two samples, nats.

    Attributes
    ----------
    of : tuple of str
        The axes.
    nats : Reading
        Of the histograms as they are; 0 … ln 2.
    by_chance : float or None
        How much of it is chance, by the jackknife: samples of one distribution never have equal
        histograms.
    bins : int
        Along each axis.
    """

    of: tuple[str, ...]
    nats: Reading
    by_chance: float | None
    bins: int


def jensen_shannon(p: Array, q: Array) -> Array:
    r"""Of histograms, shape (…, K) → (…).

    .. math:: D = H\!\left(\tfrac{p+q}{2}\right) - \tfrac12 H(p) - \tfrac12 H(q), \quad
              H(p) = -\sum_b p_b \ln p_b

    in nats (Lin, IEEE Trans. Inf. Theory 37, 145, 1991): the divergence, the square of what scipy
    calls `jensenshannon`. NaN where one is empty.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p = p / p.sum(axis=-1, keepdims=True)
        q = q / q.sum(axis=-1, keepdims=True)
        middle = 0.5 * (p + q)
        kept = [
            np.where(a > 0, a * np.log(a / middle), 0.0 * a.sum(axis=-1, keepdims=True))
            for a in (p, q)
        ]
    return np.asarray(0.5 * (kept[0].sum(axis=-1) + kept[1].sum(axis=-1)))


def divergence(of: tuple[str, ...], bins: int, sums: Sums, reference: Sums) -> Divergence:
    """Of two samples from their counts on one grid; the error is that of both."""
    k = sums.values.shape[1]
    told = sums.beside(reference).estimate(lambda s: jensen_shannon(s[:, :k], s[:, k:])[:, None])
    why = told.why if np.isfinite(told.value[0]) else "one of the two has no frame in range"
    nats = Reading.of(float(told.value[0]), float(told.stderr[0]), why)
    return Divergence(of, nats, known(float(told.bias[0])), bins)
