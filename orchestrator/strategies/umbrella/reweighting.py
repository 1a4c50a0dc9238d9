"""Weights of samples in all windows."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from msgen.orchestrator.base import Array
from msgen.orchestrator.strategies.common.reweighting import StoredSamples, of_one_density
from msgen.orchestrator.strategies.umbrella.windows import Windows


def of_all_windows(samples: StoredSamples) -> Array:
    """Weights of samples of one ensemble: the mixture of all windows."""
    told = samples.estimate.diagnostics.get("umbrella")
    if told is None:
        unknown = np.full(len(samples.xi), np.nan)
        return of_one_density(samples, unknown, samples.counted())
    bias = _log_bias(
        samples.xi,
        Windows(np.array(told["centres"]), np.array(told["kappa"]), samples.periodic, ()),
        np.array(told["samples"]),
        np.array(told["f_kT"]),
    )
    return of_one_density(samples, bias, samples.counted(int(told.get("rounds_left_out", 0))))


def _log_bias(xi: Array, windows: Windows, drawn: Array, f_kT: Array) -> Array:
    """ln Σ_k N_k e^{f_k − E_k(ξ)}, E_k the restraint of window k in kT."""
    shares = np.log(drawn) + f_kT
    return np.asarray(logsumexp(shares[:, None] - windows.energies(xi), axis=0))
