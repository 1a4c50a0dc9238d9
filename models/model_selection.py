"""Whether a new model version may replace the old one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from msgen.models.base import Array, Bounded, GenerativeModel
from msgen.models.validation import check_weights

FLOOR = -100.0
"""ln q below this counts as this, in nats: one sample outside a support must not decide alone."""


@dataclass(frozen=True)
class Comparison:
    """New against old on held-out data.

    Attributes
    ----------
    margin : float
        Mean of ln q_new − ln q_old per sample, in nats.
    stderr : float
        Its standard error, from the paired differences.
    better : bool
    """

    margin: float
    stderr: float
    better: bool


def compare_on_held_out(
    new: GenerativeModel,
    old: GenerativeModel,
    data: Array,
    weights: Array | None = None,
    *,
    context: Array | None = None,
) -> Comparison:
    """Paired difference Δ_i = ln q_new(y_i) − ln q_old(y_i), its weighted mean and standard error.

    Parameters
    ----------
    data : Array, shape (n, d)
        Samples that neither model was trained on.
    weights : Array, shape (n,), or None

    Notes
    -----
    Two score models are compared by their bounds of ln q, at fixed noise: their ln q is dear.
    margin = Σ w_i Δ_i / Σ w_i, stderr² = Σ w_i² (Δ_i − margin)² / (Σ w_i)². Samples correlated in
    time make the true error larger.
    """
    w = check_weights(weights, len(data))
    w = np.ones(len(data)) if w is None else w
    w = w / w.sum()
    if isinstance(new, Bounded) and isinstance(old, Bounded):
        delta = new.log_bound(data, context) - old.log_bound(data, context)
    else:
        first = np.maximum(new.log_prob(data, context), FLOOR)
        delta = first - np.maximum(old.log_prob(data, context), FLOOR)
    margin = float(w @ delta)
    stderr = float(np.sqrt(np.sum(w**2 * (delta - margin) ** 2)))
    return Comparison(margin, stderr, margin > 0)
