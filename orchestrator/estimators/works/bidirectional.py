"""The free-energy profile from the work at intermediate λ of paths run both ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.errors import inflation
from msgen.orchestrator.estimators.leverage import correction, degrees_of_freedom
from msgen.orchestrator.estimators.stratified import Populations
from msgen.orchestrator.estimators.works.network import NetworkResult

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Readings:
    """n paths, each read at M points that are symmetric about its middle.

    Attributes
    ----------
    source, target : Ints, shape (n,)
        Strata A and B.
    generalised_work : Array, shape (n,)
        w, kT; +∞ for a path without a reverse. See
        `msgen.actors.kernels.switching.steered`.
    xi : Array, shape (n, M)
        The CV at each reading.
    partial : Array, shape (n, M)
        W_k/kT, protocol and shadow work from the start up to the reading; λ of the reading is on.
    log_start : Array, shape (n,)
        ln [h(λ₀, λ_N) c_A(ξ(x₀))/q_B(λ_N)]; −∞ for a path that is not used, which h says.
    """

    source: Ints
    target: Ints
    generalised_work: Array
    xi: Array
    partial: Array
    log_start: Array

    def __len__(self) -> int:
        return len(self.generalised_work)


def log_weights(readings: Readings, f: Array, log_ratio: Array) -> Array:
    """ln of the weight of every reading, shape (n, M), up to ln P(A), which `profile` brings in.

    Paths from A to B have the density P_F = ρ(x₀) g(λ₀|ξ(x₀)) q_B(λ_N)/(P(A) c_A(ξ(x₀))) × their
    transitions. In the ensemble that is in equilibrium when λ stands at λ_k, with ends weighed by
    h(λ₀, λ_N), they have h ρ(x₀) g(λ₀|ξ(x₀)) e^{−W_k} × the same transitions, for e^{−W_k} turns
    those up to k round (Hummer and Szabo, PNAS 98, 3658, 2001). The ratio is P(A) ω_k with ω_k =
    e^{−W_k} h c_A/q_B. Since P_R/P_F = e^{−(w−ΔF)}, for *any* bridging function β of the path

    .. math:: P(A) \\big⟨ ω_k\\, β \\big⟩_F + P(B) \\big⟨ ω^R_{N-k}\\, (1-β) \\big⟩_R
              = \\int ρ(x)\\, E_h[g(λ_k|ξ(x))]\\, dx

    where ω^R is ω of a path from B to A, read in its own direction. β = 1/(1 + (n_R/n_F) e^{ΔF−w})
    is the mixture n_F P_F + n_R P_R of Minh and Adib (Phys. Rev. Lett. 100, 180602, 2008). A ΔF
    that is known only roughly costs precision but never a bias if it was known before the paths
    were run; one from the same paths changes the result to second order only.

    Paths of a stratum to itself (a chain over all CV space) are their own reverse: ΔF = 0.

    Parameters
    ----------
    f : Array, shape (K,)
        Free energies of the strata as far as known.
    log_ratio : Array, shape (K, K)
        ln of the number of paths from a to b over that from b to a, roughly.
    """
    a, b = readings.source, readings.target
    with np.errstate(all="ignore"):
        back = f[b] - f[a] - readings.generalised_work - log_ratio[a, b]
        log_beta = -np.logaddexp(0.0, back)
        value = (readings.log_start + log_beta)[:, None] - readings.partial
    used = np.isfinite(readings.generalised_work) & np.isfinite(readings.log_start)
    return np.where(used[:, None] & np.isfinite(value), value, -np.inf)


def profile(sums: Array, paths: Array, network: NetworkResult) -> Populations:
    """Populations of the bins of the CV from sums of weights.

    .. math:: p_l ∝ \\sum_A e^{-F_A} \\frac{1}{n_A} \\sum_{paths\\ from\\ A} \\sum_k
              \\frac{ω_k}{M(ξ_k)} 1[ξ_k ∈ l]

    with M(ξ) the density of all readings in equilibrium (`reach.Reach`), so that every path and
    every reading estimates the same p. Targets have to be drawn with chances that are the same for
    all pairs. Errors to first order, each stratum's sums about the mean of a path there, F_A with
    its own influence, and the normalisation, as in `stratified.combine`.

    Parameters
    ----------
    sums : Array, shape (S, B, L)
        Of ω/M over the paths that block b started in stratum s, in each bin.
    paths : Array, shape (S, B)
        Their number, paths that broke or are not used included.
    network : NetworkResult
        Free energies of the strata, solved with blocks numbered 0 … B − 1, or without works.

    Returns
    -------
    Populations
        NaN in bins without readings, and everywhere if a stratum is not joined to the others.

    Raises
    ------
    ValueError
        For shapes that do not agree.
    """
    n_strata, n_blocks, n_labels = sums.shape
    if paths.shape != (n_strata, n_blocks) or len(network.f) != n_strata:
        raise ValueError(f"sums {sums.shape}, paths {paths.shape}, {len(network.f)} strata")
    unknown = Populations(np.full(n_labels, np.nan), np.zeros((n_blocks, n_labels)), float("nan"))
    number = paths.sum(axis=1)
    used = np.flatnonzero(number > 0)
    if not len(used) or len(np.unique(network.component[used])) > 1:
        return unknown
    d_f = np.zeros((n_blocks, n_strata))
    d_f[network.blocks] = network.influence
    weight = np.exp(network.f[used].min() - network.f)
    p, influence = np.zeros(n_labels), np.zeros((n_blocks, n_labels))
    for s in used:
        mean = sums[s].sum(axis=0) / number[s]
        p += weight[s] * mean
        alone = (sums[s] - paths[s][:, None] * mean) * correction(paths[s])[:, None]
        influence += weight[s] * alone / number[s]
        influence -= weight[s] * d_f[:, s, None] * mean
    total = float(p.sum())
    if not (np.isfinite(total) and total > 0.0):
        return unknown
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(p > 0, -np.log(p / total), np.nan)
        change = influence / p - influence.sum(axis=1)[:, None] / total
    counts = [int(np.count_nonzero(paths[s])) for s in used]
    dof = [degrees_of_freedom(paths[s]) for s in used]
    if network.n_clusters:
        counts.append(network.n_clusters)
        dof.append(network.dof)
    b = min(counts)
    scale = float(np.sqrt(b / (b - 1)) * inflation(min(dof))) if b > 1 else float("nan")
    return Populations(f, np.where(p > 0, change, np.nan), scale)
