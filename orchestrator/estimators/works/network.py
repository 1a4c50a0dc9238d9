"""Free energies of many states from works between pairs of them, all solved together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from msgen.orchestrator.estimators.leverage import degrees_of_freedom
from msgen.orchestrator.estimators.works.bar import (
    APART,
    apart,
    bar,
    check_works,
    cluster_scores,
    fermi,
)

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PairWorks:
    """Generalised works between states i and j, in kT; +inf for paths without a reverse.

    Attributes
    ----------
    i, j : int
        States; forward is i → j.
    forward, reverse : Array, shape (n_F,), (n_R,)
    forward_blocks, reverse_blocks : Ints, same shapes, or None
        Equal numbers, in any pair and direction, may be correlated; different ones are independent.
    """

    i: int
    j: int
    forward: Array
    reverse: Array
    forward_blocks: Ints | None = None
    reverse_blocks: Ints | None = None


@dataclass(frozen=True)
class NetworkResult:
    """Free energies of K states, in kT.

    Attributes
    ----------
    f : Array, shape (K,)
        Against the lowest-numbered state of each state's own component.
    covariance : Array, shape (K, K)
        Of `f`; 0 between components, so ask `difference` rather than this for an error.
    component : Ints, shape (K,)
        States joined by works in both directions share a number.
    blocks : Ints, shape (G,)
        Numbers of the independent blocks the works came from; empty where none were given.
    influence : Array, shape (G, K)
        First-order change of `f` due to each block's deviation from the mean; with `blocks`, the
        covariance is these products summed over blocks, times n_clusters/(n_clusters − 1). What
        blocks of unequal shares of the works deviate by is corrected (`leverage.correction`).
    n_clusters : int
        Independent blocks in the direction of a pair that has fewest; 0 without usable pairs. The
        covariance is not inflated for their being few (`errors.inflation`).
    unused : tuple of (int, int, str)
        Pairs that say nothing, and why.
    dof : float
        Degrees of freedom of the covariance, fewest of all directions: n_clusters − 1 for blocks of
        one size, less where one has most of the works.
    dof_from : Array, shape (K,)
        The same over the directions out of each state; +inf where no works begin in it.
    """

    f: Array
    covariance: Array
    component: Ints
    blocks: Ints
    influence: Array
    n_clusters: int
    unused: tuple[tuple[int, int, str], ...]
    dof: float
    dof_from: Array

    @property
    def connected(self) -> bool:
        """Whether every free-energy difference is known."""
        return bool(self.component.max(initial=0) == 0)

    def difference(self, i: int, j: int) -> tuple[float, float]:
        """F_j − F_i and its standard error; NaN if no chain of works joins the two."""
        if self.component[i] != self.component[j]:
            return float("nan"), float("nan")
        c = self.covariance
        variance = float(c[i, i] + c[j, j] - 2.0 * c[i, j])
        return float(self.f[j] - self.f[i]), float(np.sqrt(max(variance, 0.0)))


def solve_network(n_states: int, pairs: Sequence[PairWorks]) -> NetworkResult:
    """Joint maximum-likelihood free energies.

    Given its work and n_F : n_R, each path's direction is a logistic variable (Shirts et al., Phys.
    Rev. Lett. 91, 140601, 2003), so that with ∆F = F_j − F_i and M = ln(n_F/n_R) for every pair

    .. math:: \\ell(F) = -\\sum_{pairs} \\Big[ \\sum_F \\ln(1 + e^{-(M + w_F - ∆F)})
              + \\sum_R \\ln(1 + e^{-(-M + w_R + ∆F)}) \\Big]

    which is concave. One pair gives BAR. The covariance is the sandwich H⁻¹ B H⁻¹ with H the
    expected information and B the summed scores of independent blocks, so it holds for correlated
    works and for works that share a starting replica. A finite maximum exists exactly where the
    graph with an edge for every direction that has finite works is strongly connected (Ford, Am.
    Math. Mon. 64, 28, 1957); the components of that graph are solved one by one.

    Parameters
    ----------
    n_states : int
        K.
    pairs : sequence of PairWorks
        Blocks for all directions of all pairs, or for none. A pair may come up more than once.

    Raises
    ------
    ValueError
        For a state out of range, a pair of a state with itself, NaN or −inf works, or blocks for
        some works only.
    """
    usable, unused = _usable(n_states, pairs)
    rows = [p.i for p in usable if np.isfinite(p.forward).any()]
    cols = [p.j for p in usable if np.isfinite(p.forward).any()]
    rows += [p.j for p in usable if np.isfinite(p.reverse).any()]
    cols += [p.i for p in usable if np.isfinite(p.reverse).any()]
    graph = coo_array((np.ones(len(rows)), (rows, cols)), shape=(n_states, n_states))
    _, raw = connected_components(graph, connection="strong")
    # Number components by their lowest state.
    _, first, inverse = np.unique(raw, return_index=True, return_inverse=True)
    component = np.argsort(np.argsort(first))[inverse].astype(np.int64)
    inner = [p for p in usable if component[p.i] == component[p.j]]
    unused += [
        (p.i, p.j, "finite works in one direction only")
        for p in usable
        if component[p.i] != component[p.j]
    ]
    f, free = np.zeros(n_states), np.setdiff1d(np.arange(n_states), np.sort(first))
    if len(free):
        f = _newton(_guess(n_states, inner, free), inner, free)
    return _with_errors(f, component, inner, tuple(unused))


def by_other_blocks(found: NetworkResult, pairs: Sequence[PairWorks]) -> NetworkResult:
    """The same free energies, with errors by other blocks of the same works: nothing is solved."""
    usable, _ = _usable(len(found.f), pairs)
    inner = [p for p in usable if found.component[p.i] == found.component[p.j]]
    return _with_errors(found.f, found.component, inner, found.unused)


def _with_errors(
    f: Array, component: Ints, pairs: Sequence[PairWorks], unused: tuple[tuple[int, int, str], ...]
) -> NetworkResult:
    """The solution f with influences of the blocks of pairs inside its components."""
    n_states = len(f)
    covariance = np.zeros((n_states, n_states))
    blocks, influence = np.zeros(0, dtype=np.int64), np.zeros((0, n_states))
    clusters, dof = 0, 0.0
    dof_from = np.full(n_states, np.inf)
    free = np.setdiff1d(np.arange(n_states), np.unique(component, return_index=True)[1])
    if len(free):
        blocks, influence, sizes = _influence(f, pairs, free)
        clusters, free_of = min(map(len, sizes)), [degrees_of_freedom(size) for size in sizes]
        dof = min(free_of)
        np.minimum.at(dof_from, [s for p in pairs for s in (p.i, p.j)], free_of)
        covariance = influence.T @ influence
        if len(blocks):
            g = max(2, clusters)
            covariance *= g / (g - 1)
        else:
            influence = np.zeros((0, n_states))
    return NetworkResult(
        f, covariance, component, blocks, influence, clusters, unused, dof, dof_from
    )


def _usable(
    n_states: int, pairs: Sequence[PairWorks]
) -> tuple[list[PairWorks], list[tuple[int, int, str]]]:
    good: list[PairWorks] = []
    bad: list[tuple[int, int, str]] = []
    for p in pairs:
        if not (0 <= p.i < n_states and 0 <= p.j < n_states) or p.i == p.j:
            raise ValueError(f"pair ({p.i}, {p.j}) is not a pair of two states below {n_states}")
        w_f, w_r = check_works(p.forward), check_works(p.reverse)
        both = len(w_f) and len(w_r)
        if both and apart(w_f, w_r):
            bad.append((p.i, p.j, APART))
        elif both:
            good.append(PairWorks(p.i, p.j, w_f, w_r, p.forward_blocks, p.reverse_blocks))
        elif len(w_f) or len(w_r):
            bad.append((p.i, p.j, "no works in one direction"))
        else:
            bad.append((p.i, p.j, "no works"))
    blocked = {b is not None for p in good for b in (p.forward_blocks, p.reverse_blocks)}
    if len(blocked) > 1:
        raise ValueError("give blocks for all works or for none")
    return good, bad


def _arguments(f: Array, p: PairWorks) -> tuple[Array, Array]:
    """M + w_F − ∆F and −M + w_R + ∆F."""
    m, delta = np.log(len(p.forward) / len(p.reverse)), f[p.j] - f[p.i]
    return m + p.forward - delta, -m + p.reverse + delta


def _guess(n_states: int, pairs: Sequence[PairWorks], free: Ints) -> Array:
    """Least squares over what each pair says alone."""
    design, target = np.zeros((len(pairs), n_states)), np.zeros(len(pairs))
    for row, p in enumerate(pairs):
        design[row, p.j], design[row, p.i] = 1.0, -1.0
        alone = bar(p.forward, p.reverse).delta_f
        if np.isnan(alone):
            finite = np.concatenate([p.forward, -p.reverse])
            finite = finite[np.isfinite(finite)]
            alone = float(np.median(finite)) if len(finite) else 0.0
        target[row] = alone
    f = np.zeros(n_states)
    f[free] = np.linalg.lstsq(design[:, free], target, rcond=None)[0]
    return f


def _log_likelihood(f: Array, pairs: Sequence[PairWorks]) -> float:
    return -float(sum(np.logaddexp(0.0, -x).sum() for p in pairs for x in _arguments(f, p)))


def _newton(f: Array, pairs: Sequence[PairWorks], free: Ints) -> Array:
    value = _log_likelihood(f, pairs)
    for _ in range(200):
        gradient, hessian = np.zeros(len(f)), np.zeros((len(f), len(f)))
        for p in pairs:
            a, b = (fermi(x) for x in _arguments(f, p))
            g, h = b.sum() - a.sum(), np.sum(a * (1 - a)) + np.sum(b * (1 - b))
            gradient[p.j] += g
            gradient[p.i] -= g
            _add_edge(hessian, p, float(h))
        step = np.zeros(len(f))
        block = hessian[np.ix_(free, free)]
        # A ridge far below the data keeps the flat tails of the logistic solvable.
        ridge = 1e-14 * max(1.0, float(np.trace(block)))
        step[free] = np.linalg.solve(block + ridge * np.eye(len(free)), gradient[free])
        largest = float(np.abs(step).max())
        if largest < 1e-12 * max(1.0, float(np.abs(f).max())):
            break
        scale = min(1.0, 5.0 / largest)
        while True:
            new = f + scale * step
            new_value = _log_likelihood(new, pairs)
            if new_value >= value or scale * largest < 1e-9:
                break
            scale *= 0.5
        f, value = new, max(value, new_value)
    return f


def _influence(f: Array, pairs: Sequence[PairWorks], free: Ints) -> tuple[Ints, Array, list[Array]]:
    """H⁻¹ times the summed scores of every block; without blocks, of every work.

    And the number of works of each block in every direction of a pair.
    """
    information = np.zeros((len(f), len(f)))
    sides: list[tuple[Array, Ints | None]] = []
    edge: list[Ints] = []
    for k, p in enumerate(pairs):
        a, b = (fermi(x) for x in _arguments(f, p))
        _add_edge(information, p, 0.5 * float(a.sum() + b.sum()))
        sides += [(-a, p.forward_blocks), (b, p.reverse_blocks)]
        edge += [np.full(len(a), k), np.full(len(b), k)]
    score, group, sizes = cluster_scores(sides)
    pair = np.concatenate(edge)
    # Sum scores by (block, pair) first: a state's score is a signed sum over its pairs.
    by_pair = np.zeros((int(group.max()) + 1, len(pairs)))
    np.add.at(by_pair, (group, pair), score)
    incidence = np.zeros((len(pairs), len(f)))
    for k, p in enumerate(pairs):
        incidence[k, p.j], incidence[k, p.i] = 1.0, -1.0
    out = np.zeros((len(by_pair), len(f)))
    out[:, free] = by_pair @ incidence[:, free] @ np.linalg.pinv(information[np.ix_(free, free)])
    given = [b for _, b in sides if b is not None]
    blocks = np.unique(np.concatenate(given)) if given else np.zeros(0)
    return blocks.astype(np.int64), out, sizes


def _add_edge(matrix: Array, p: PairWorks, h: float) -> None:
    matrix[p.i, p.i] += h
    matrix[p.j, p.j] += h
    matrix[p.i, p.j] -= h
    matrix[p.j, p.i] -= h
