"""Weights of samples at all temperatures, for the lowest."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from msgen.orchestrator.base import Array
from msgen.orchestrator.strategies.common.reweighting import StoredSamples, of_one_density


def of_all_temperatures(samples: StoredSamples) -> Array:
    """Weights of samples of one ensemble: the mixture of all temperatures."""
    told = samples.estimate.diagnostics.get("tempering", {})
    left_out = int(told.get("rounds_left_out", 0))
    bias = np.full(len(samples.xi), np.nan)
    if "f_kT" in told:
        bias = _log_bias(
            samples.read("energy"),
            np.array(told["tau"]),
            np.array(told["samples"]),
            np.array(told["f_kT"]),
        )
    return of_one_density(samples, bias, samples.counted(left_out))


def _log_bias(energy: Array, tau: Array, drawn: Array, f_kT: Array) -> Array:
    """ln Σ_k N_k e^{f_k − (1/τ_k − 1) U}; U in kT, τ_k in units of the lowest temperature."""
    shares = np.log(drawn) + f_kT
    terms = shares[:, None] - (1.0 / tau - 1.0)[:, None] * energy
    return np.asarray(logsumexp(terms, axis=0))
