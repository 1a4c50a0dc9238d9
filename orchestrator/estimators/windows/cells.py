"""MBAR's equations over cells with multiplicities: the free energies of windows.

With c_m samples in cell m, N_k of window k and its restraint u_km there, the f_k minimise

.. math:: \\sum_m c_m \\ln \\sum_k N_k e^{f_k - u_{km}} - \\sum_k N_k f_k

(Shirts and Chodera, J. Chem. Phys. 129, 124105, 2008; Zhu and Hummer, J. Comput. Chem. 33, 453,
2012), which is convex, so that Newton's steps need no more than not to go up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.special import logsumexp

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_TOLERANCE = 1e-10
_MOST_STEPS = 200
_FAR = 200.0
"""kT that free energies may move before the powers are taken again about where they are."""


def solve_cells(u: Array, counts: sparse.csr_array) -> tuple[Array, Array]:
    """Free energies of the windows and the mixture that their samples come from.

    Parameters
    ----------
    u : Array, shape (K, M)
        Restraint energy of every window at every cell, kT.
    counts : sparse array, shape (K, M)
        Samples of each window in each cell; they may be fractions. Every cell has some.

    Returns
    -------
    f : Array, shape (K,)
        Free energies in kT, the first with samples 0. Those of windows without samples follow from
        the others.
    log_mixture : Array, shape (M,)
        ln Σ_k N_k e^{f_k − u_km}.
    """
    n, c = np.asarray(counts.sum(axis=1)), np.asarray(counts.sum(axis=0))
    seen = np.flatnonzero(n > 0)
    whole = len(seen) == len(n)
    us, ns = (u, n) if whole else (u[seen], n[seen])
    x = _first_guess(us, counts if whole else counts[seen])
    x, log_mixture = _newton(us, c, ns, x)
    f = np.empty(len(n))
    f[seen] = x
    if not whole:
        rest = np.flatnonzero(n == 0)
        f[rest] = -logsumexp(np.log(c) - log_mixture - u[rest], axis=1)
    return f, log_mixture


def _newton(u: Array, c: Array, n: Array, x: Array) -> tuple[Array, Array]:
    base, powers, shift = _powers(u, n, x)
    a = n * np.exp(x - base)
    d = a @ powers
    now = float(c @ (np.log(d) + shift) - n @ x)
    for _ in range(_MOST_STEPS):
        mean = a * (powers @ (c / d))
        gradient = mean - n
        if np.abs(gradient).max() < _TOLERANCE * c.sum():
            break
        share = powers * (np.sqrt(c) / d)
        hessian = np.diag(mean) - np.outer(a, a) * (share @ share.T)
        step = np.zeros(len(x))
        ridge = 1e-12 * np.trace(hessian)
        # f is known up to a constant: the first stays
        step[1:] = np.linalg.solve(hessian[1:, 1:] + ridge * np.eye(len(x) - 1), -gradient[1:])
        step = np.clip(step, -20.0, 20.0)
        scale = 1.0
        while scale > 1e-6:
            new = x + scale * step
            if np.abs(new - base).max() > _FAR:
                base, powers, shift = _powers(u, n, new)
            a = n * np.exp(new - base)
            d = a @ powers
            value = float(c @ (np.log(d) + shift) - n @ new)
            if value <= now + 1e-12 * abs(now):
                break
            scale *= 0.5
        else:
            break
        x, now = new, value
    return x, np.log(np.exp(x - base) * n @ powers) + shift


def _powers(u: Array, n: Array, base: Array) -> tuple[Array, Array, Array]:
    """e^{base − u − shift} (K, M), the shift (M,) making the largest term of the mixture N."""
    exponent = base[:, None] - u
    shift = exponent.max(axis=0)
    exponent -= shift
    return base, np.exp(exponent, out=exponent), shift


def _first_guess(u: Array, counts: sparse.csr_array) -> Array:
    """Pairs of windows joined along the tree of least distance, each by its own samples.

    Bennett's Metropolis ratio, e^{−Δf} = ⟨min(1, e^{−Δu})⟩_a/⟨min(1, e^{Δu})⟩_b (J. Comput. Phys.
    22, 245, 1976, eq. 6): from zero Newton's method takes hundreds of steps down a steep surface.
    """
    k = u.shape[0]
    x = np.zeros(k)
    if k == 1:
        return x
    at = np.array([_fullest(counts, i) for i in range(k)])
    own = u[:, at]
    apart = own + own.T - np.diag(own)[:, None] - np.diag(own)[None, :]
    # zero would be no edge
    tree = minimum_spanning_tree(sparse.csr_array(np.maximum(apart, 0.0) + 1e-9)).tocoo()
    near: list[list[int]] = [[] for _ in range(k)]
    for a, b in zip(tree.row.tolist(), tree.col.tolist(), strict=True):
        near[a].append(b)
        near[b].append(a)
    done, queue = {0}, [0]
    while queue:
        a = queue.pop()
        for b in near[a]:
            if b not in done:
                x[b] = x[a] + _log_acceptance(u, counts, b, a) - _log_acceptance(u, counts, a, b)
                done.add(b)
                queue.append(b)
    return x


def _row(counts: sparse.csr_array, k: int) -> tuple[Ints, Array]:
    part = slice(counts.indptr[k], counts.indptr[k + 1])
    return counts.indices[part], counts.data[part]


def _fullest(counts: sparse.csr_array, k: int) -> int:
    cells, number = _row(counts, k)
    return int(cells[np.argmax(number)])


def _log_acceptance(u: Array, counts: sparse.csr_array, a: int, b: int) -> float:
    """ln ⟨min(1, e^{−(u_b − u_a)})⟩ over the samples of window a."""
    cells, number = _row(counts, a)
    gain = np.minimum(u[a, cells] - u[b, cells], 0.0)
    return float(logsumexp(gain, b=number / number.sum()))
