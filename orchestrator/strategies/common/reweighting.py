"""Equilibrium weights of the samples that a run has stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from msgen.orchestrator.base import Estimate

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class StoredSamples:
    """Samples of local moves, in the order of the store, and what is known of the whole run.

    Attributes
    ----------
    kind : str
        Of the orders that drew them.
    xi : Array, shape (n, C)
        CVs in internal units.
    rounds, replicas : int array, shape (n,)
        In which round and by whom each was drawn.
    produced : tuple of int
        The rounds of the produce phase since it began for the last time, in order: where a strategy
        goes back, it throws away what it had.
    names : tuple of str
        The CVs.
    periodic : bool array, shape (C,)
    regions : Mapping
        The states that the campaign names, as boxes; empty where they were found.
    estimate : Estimate
        The result.
    columns : frozenset of str
        What the store has of these samples.
    read : callable
        ``read(name)`` gives it, one row for each sample.
    """

    kind: str
    xi: Array
    rounds: Ints
    replicas: Ints
    produced: tuple[int, ...]
    names: tuple[str, ...]
    periodic: Bools
    regions: Mapping[str, Mapping[str, tuple[float, float]]]
    estimate: Estimate
    columns: frozenset[str]
    read: Callable[[str], Array]

    def counted(self, left_out: int = 0) -> Bools:
        """Which samples are of the produce phase, `left_out` rounds after its begin."""
        return np.isin(self.rounds, self.produced[left_out:])

    def parted(self) -> Bools:
        """Which samples are of replicas that have parted from whom they are a copy of.

        A replica that was not there from the beginning is one, see `replica_pool.ReplicaPool`.
        """
        from msgen.orchestrator.strategies.common.replica_pool import SETTLE_ROUNDS  # has torch

        out = np.ones(len(self.rounds), dtype=bool)
        first = self.rounds.min(initial=0)
        for replica in np.unique(self.replicas):
            mine = self.replicas == replica
            here = np.unique(self.rounds[mine])
            if here[0] > first:
                out[mine] = ~np.isin(self.rounds[mine], here[:SETTLE_ROUNDS])
        return out


def by_cells(samples: StoredSamples, left_out: int = 0) -> Array:
    """Weights of samples drawn inside states (or bins), each under the bias stored with it.

    Without the first `left_out` rounds of production.
    """
    bias = np.zeros(len(samples.xi))
    if "log_bias" in samples.columns:
        bias = samples.read("log_bias")
    f_kT, cells = _cells(samples)
    # +∞: another isomer of the molecule
    counted = samples.counted(left_out) & samples.parted() & np.isfinite(bias)
    return sample_weights(f_kT, np.where(counted, cells, -1), bias)


def of_one_density(samples: StoredSamples, log_bias: Array, counted: Bools) -> Array:
    """Weights of samples of one density ∝ ρ* exp(b); those that count, where b is known."""
    cells = np.where(counted & np.isfinite(log_bias), 0, -1)
    return sample_weights(np.zeros(1), cells, log_bias)


def sample_weights(f_kT: Array, labels: Ints, log_bias: Array) -> Array:
    r"""Equilibrium weights of samples drawn inside cells under a bias; they sum to 1.

    .. math:: w_i ∝ e^{-F_{c(i)}} \, e^{-b_i} / \sum_{j ∈ c(i)} e^{-b_j}

    so that how many samples each cell was given plays no part. Over chains that visit all cells by
    themselves, without a bias, they are uniform up to the chains' own error.

    Parameters
    ----------
    f_kT : Array, shape (L,)
        Free energies of the cells, NaN where not known.
    labels : int array, shape (n,)
        Cell of each sample; −1, and a cell without a free energy, weigh nothing.
    log_bias : Array, shape (n,)
        b: the samples' density in their cell is ∝ ρ* exp(b).
    """
    counted = (labels >= 0) & np.isfinite(np.where(labels >= 0, f_kT[labels], np.nan))
    if not counted.any():
        return np.zeros(len(labels))
    cell, b = labels[counted], log_bias[counted]
    lowest = np.full(len(f_kT), np.inf)
    np.minimum.at(lowest, cell, b)
    share = np.exp(lowest[cell] - b)
    total = np.bincount(cell, share, minlength=len(f_kT))
    weights = np.zeros(len(labels))
    weights[counted] = np.exp(np.nanmin(f_kT) - f_kT[cell]) * share / total[cell]
    weights /= max(float(weights.sum()), float(np.finfo(np.float64).tiny))
    return weights


def _cells(samples: StoredSamples) -> tuple[Array, Ints]:
    """F of cells inside which all samples are drawn alike, and each sample's cell.

    The states where the campaign names them; where they were found, the bins of the surface.
    """
    from msgen.actors.cv_space.strata import Partition  # torch comes with it

    xi, estimate = samples.xi, samples.estimate
    if samples.regions:
        partition = Partition.from_boxes(samples.regions, samples.names, samples.periodic)
        # found states leave no rest, and are boxes that reach as far as CVs do
        known = [estimate.states.get(name) for name in partition.names]
        f = [np.nan if s is None or s.f_kT is None else s.f_kT for s in known]
        return np.array(f, dtype=np.float64), partition.assign(xi)
    if estimate.surfaces:  # all of CV space is one state
        return np.zeros(1), np.where(np.isfinite(xi).all(axis=1), 0, -1)
    index, inside = [], np.isfinite(xi).all(axis=1)
    for x, name, periodic in zip(np.nan_to_num(xi).T, samples.names, samples.periodic, strict=True):
        if name not in estimate.axes:  # a CV that is not reported
            continue
        axis = np.asarray(estimate.axes[name])
        width = (axis[-1] - axis[0]) / max(len(axis) - 1, 1) or 1.0
        i = np.rint((x - axis[0]) / width).astype(np.int64)
        i = i % len(axis) if periodic else i
        inside &= (i >= 0) & (i < len(axis))
        index.append(np.clip(i, 0, len(axis) - 1))
    flat = np.ravel_multi_index(tuple(index), estimate.f_kT.shape)
    return estimate.f_kT.ravel(), np.where(inside, flat, -1)
