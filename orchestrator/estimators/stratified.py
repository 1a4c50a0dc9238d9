"""One surface from sampling inside states and works between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msgen.orchestrator.estimators.histogram import Surface
from msgen.orchestrator.estimators.leverage import correction, degrees_of_freedom
from msgen.orchestrator.estimators.units import NO_GROUP, Units
from msgen.orchestrator.estimators.works.network import NetworkResult

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Populations:
    """Populations of L labels (bins, or states to report) over all states together.

    Attributes
    ----------
    f : Array, shape (L,)
        −ln P in kT; NaN where never visited.
    influence : Array, shape (B, L)
        First-order change of ln P due to each block.
    scale : float
        Factor on errors for the small number of blocks that are all alike; NaN for fewer than two.
    units : Units or None
        What the blocks are where they are not; `scale` does not count then.
    whole : Populations or None
        Where blocks are stretches of time: the same, by replica.
    """

    f: Array
    influence: Array
    scale: float = float("nan")
    units: Units | None = None
    whole: Populations | None = None

    @property
    def stderr(self) -> Array:
        """Standard error of `f`, shape (L,)."""
        return np.where(np.isfinite(self.f), self._error(np.asarray), np.nan)

    def merged(self, parts: Ints, n: int) -> Populations:
        """Those of `n` unions of labels; `parts`, shape (L,), says which each label is a part of.

        δ ln P of a union is the mean of that of its parts, weighed by their populations.
        """
        seen = np.isfinite(self.f)
        p = np.where(seen, np.exp(-self.f), 0.0)
        total = np.bincount(parts, p, minlength=n)
        with np.errstate(divide="ignore", invalid="ignore"):
            f = np.where(total > 0, -np.log(total), np.nan)
            share = np.where(seen, p / total[parts], 0.0)
        influence = np.zeros((len(self.influence), n))
        np.add.at(influence.T, parts[seen], (self.influence[:, seen] * share[seen]).T)
        whole = None if self.whole is None else self.whole.merged(parts, n)
        return replace(self, f=f, influence=np.where(total > 0, influence, np.nan), whole=whole)

    def difference(self, i: int, j: int) -> tuple[float, float]:
        """F_j − F_i and its standard error."""
        value = float(self.f[j] - self.f[i])
        error = float(self._error(lambda influence: influence[:, j] - influence[:, i]))
        return value, error if np.isfinite(value) else float("nan")

    def _error(self, of: Callable[[Array], Array]) -> Array:
        """Of quantities whose influences follow from those of the labels."""
        influence = of(self.influence)
        if self.units is None:
            return np.asarray(self.scale * np.sqrt(np.sum(influence**2, axis=0)))
        if self.whole is None or self.whole.units is None:
            return self.units.standard_error(influence)
        return self.units.standard_error(influence, (self.whole.units, of(self.whole.influence)))

    def surface(self, shape: tuple[int, ...]) -> Surface:
        """As a surface, labels being the bins of a grid in C-order."""
        offset = float(np.nanmin(self.f)) if np.isfinite(self.f).any() else float("nan")
        return Surface((self.f - offset).reshape(shape), self.stderr.reshape(shape), offset)


def combine(conditional: Array, network: NetworkResult, units: Units | None = None) -> Populations:
    """Populations p_l = Σ_s P_s q_{l|s}: P_s from works between states, q from inside each.

    To first order, with block sums S_{sbl}, T_{sb} = Σ_l S_{sbl}, T_s = Σ_b T_{sb} and
    δ ln P_s = −δF_s + Σ_t P_t δF_t,

    .. math:: δ \\ln p_l = \\frac{1}{p_l} \\sum_s P_s \\sum_b \\Big[ q_{l|s}\\, δ_b \\ln P_s
              + \\frac{S_{sbl} - q_{l|s} T_{sb}}{T_s} \\Big]

    so a block that gives samples and starts paths (in any number of states) counts once, with all
    that it did. Errors are those of each state's blocks together, see `Units.standard_error`; NaN
    where a state has one block, or one block sent all paths in one direction.

    States not joined to state 0 by works are left out, and what only they visit is NaN.

    Parameters
    ----------
    conditional : Array, shape (S, B, L)
        Weight of each label in each block's samples inside state s, see `histogram.block_sums`.
        Labels that stand for states to report may be unions of the S states or cut across them.
    network : NetworkResult
        Free energies of the S states, solved with blocks numbered 0 … B − 1.
    units : Units, optional
        What the blocks are, where they are not each a replica of its own: groups are the states.

    Raises
    ------
    ValueError
        For a network without blocks (where it has works), with other blocks, or of other states.
    """
    n_states, n_blocks, n_labels = conditional.shape
    if len(network.f) != n_states:
        raise ValueError(f"samples of {n_states} states, works of {len(network.f)}")
    if network.n_clusters and not len(network.blocks):
        raise ValueError("solve the network with block numbers, so that errors can be joined")
    if len(network.blocks) and not 0 <= network.blocks.min() <= network.blocks.max() < n_blocks:
        raise ValueError(f"works from blocks outside 0 … {n_blocks - 1}")
    joined = network.component == network.component[0]
    weight = np.where(joined, np.exp(network.f[joined].min() - network.f), 0.0)
    p_state = weight / weight.sum()
    d_f = np.zeros((n_blocks, n_states))
    d_f[network.blocks] = network.influence
    d_log_p = -d_f + (d_f @ p_state)[:, None]
    p, influence = np.zeros(n_labels), np.zeros((n_blocks, n_labels))
    for s in np.flatnonzero(joined):
        totals = conditional[s].sum(axis=1)
        if not totals.sum() > 0:
            continue
        q = conditional[s].sum(axis=0) / totals.sum()
        p += p_state[s] * q
        inside = (conditional[s] - totals[:, None] * q) / totals.sum() * correction(totals)[:, None]
        influence += p_state[s] * (d_log_p[:, s, None] * q + inside)
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(p > 0, -np.log(p), np.nan)
        influence = np.where(p > 0, influence / p, np.nan)
    if network.n_clusters == 1:
        # all works one way come from one block: nothing says how much they vary
        return Populations(f, influence)
    totals = conditional.sum(axis=2)
    units = _of_states(totals, network) if units is None else units
    return Populations(f, influence, units=_limited(units, totals, network))


def _of_states(totals: Array, network: NetworkResult) -> Units:
    """Blocks (S, B) by the state that they sample; those that only join states by themselves.

    Of blocks that do neither nothing follows: they are in no group.
    """
    n_states, n_blocks = totals.shape
    group = np.full(n_blocks, NO_GROUP)
    group[network.blocks[np.any(network.influence != 0.0, axis=1)]] = n_states
    sampled = totals > 0
    has = sampled.any(axis=0)
    group[has] = np.argmax(sampled[:, has], axis=0)
    return Units.whole(group)


def _limited(units: Units, totals: Array, network: NetworkResult) -> Units:
    """With fewer degrees of freedom where some hold most of a state's samples or of its works."""
    dof = np.where(units.group == len(totals), network.dof, np.inf)
    for s, of_state in enumerate(totals):
        dof[units.group == s] = min(degrees_of_freedom(of_state), network.dof_from[s])
    return replace(units, dof=np.minimum(units.dof, dof))
