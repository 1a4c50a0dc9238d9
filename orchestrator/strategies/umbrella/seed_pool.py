"""What the conditional model of the windows learns from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.orders.configurations import (
    FREE,
    LabelledConfigurations,
    RecallPayload,
    RecallRecord,
)
from msgen.actors.orders.fit import FitWindowsPayload
from msgen.actors.orders.umbrella import UmbrellaRecord
from msgen.orchestrator.estimators.windows.mbar import solve_mbar
from msgen.orchestrator.strategies.umbrella.windows import Windows
from msgen.systems.base import Array

MOST = 6000
"""Configurations that a fit sees; the newest of each window."""
LABELS = 2
"""Draws of λ for each configuration."""
HEAVIEST = 10.0
"""Largest weight against the mean: few configurations must not be learnt by heart."""
_DENSITY = 1500


def recent_of(segment: Segment) -> LabelledConfigurations | None:
    """What a segment hands to the next fit."""
    if segment.key[1] == RecallPayload.kind:
        return segment.read(RecallRecord).recent
    return segment.read(UmbrellaRecord).recent


def with_recent(
    pool: LabelledConfigurations, segments: Sequence[Segment], *, free: bool = False
) -> LabelledConfigurations:
    """`pool` with a round's configurations; the oldest go where there are too many.

    `free`: whether they were sampled without restraint, whatever window they name.
    """
    parts = [recent for s in segments if (recent := recent_of(s)) is not None]
    if not parts:
        return pool
    window = np.concatenate([part.window for part in parts])
    y = np.concatenate([one.y for one in ([pool, *parts] if len(pool) else parts)])
    xi = np.concatenate([pool.xi, *(part.xi for part in parts)])
    window = np.concatenate([pool.window, np.full_like(window, FREE) if free else window])
    kinds = np.unique(window)
    most = max(1, MOST // len(kinds))
    keep = np.concatenate([np.flatnonzero(window == k)[-most:] for k in kinds])
    keep.sort()
    return LabelledConfigurations(y[keep], xi[keep], window[keep])


def log_weights(pool: LabelledConfigurations, windows: Windows) -> Array:
    """ln of each configuration's weight in the ensemble without windows, by MBAR, shape (n,)."""
    kinds = np.unique(pool.window)
    energies = windows.energies(pool.xi)
    u = np.array([energies[k] if k != FREE else np.zeros(len(pool)) for k in kinds.tolist()])
    counts = np.array([np.count_nonzero(pool.window == k) for k in kinds])
    order = np.argsort(pool.window, kind="stable")
    out = np.empty(len(order))
    out[order] = solve_mbar(u[:, order], counts).log_weights
    return out


def fit_windows_order(
    seed: int, rnd: int, pool: LabelledConfigurations, windows: Windows, version: int
) -> WorkOrder:
    """A fit of p(x|λ) on pairs of configurations and labels λ ~ g(·|ξ), every λ counting the same.

    A configuration weighs w/p(λ): w is that of MBAR, so that p(x|λ) ∝ ρ*(x) g(λ|ξ(x)) whichever
    windows it came from, and p(λ) = Σ w g(λ|ξ) makes the labels flat; g is that of the widest.

    Parameters
    ----------
    seed, rnd : int
        Of the campaign, and the round.
    pool : LabelledConfigurations
    windows : Windows
    version : int
        Of the model in use, −1 for none.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(rnd, 80)))
    log_w = log_weights(pool, windows)
    biased, g = windows.biased, windows.widest
    label = np.concatenate([_labels(windows, pool.xi, rng) for _ in range(LABELS)])
    log_w = np.tile(log_w, LABELS)
    some = rng.choice(len(pool), min(_DENSITY, len(pool)), replace=False)
    near = np.array([log_w[some] - g.energy(lam, pool.xi[some]) for lam in label])
    log_weight = log_w - logsumexp(near, axis=1)
    weight = np.exp(log_weight - logsumexp(log_weight))
    weight = np.minimum(weight, HEAVIEST / len(weight))
    payload = FitWindowsPayload(
        data=np.tile(pool.y, (LABELS, 1)),
        weights=weight / weight.sum() * len(weight),
        label=label[:, biased],
        label_periodic=windows.periodic[biased],
        repeats=LABELS,
    )
    return WorkOrder.of(rnd, payload, model_version=version)


def _labels(windows: Windows, xi: Array, rng: np.random.Generator) -> Array:
    """λ ~ g(·|ξ) along the biased CVs; the others as they are."""
    out = np.array(xi)
    biased = windows.biased
    part = Conditional(windows.widest.kappa[biased], windows.periodic[biased])
    out[:, biased] = part.sample(xi[:, biased], rng)
    return out
