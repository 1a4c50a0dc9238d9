r"""Whether trajectories are a Markov chain on some cells at a lag: Chapman and Kolmogorov's test.

If they are, what T(τ) says of k steps is what is seen after k steps,

.. math:: P_A(kτ) = μ_A\, T(τ)^k\, χ_A = μ_A\, T(kτ)\, χ_A

for every set A, χ_A its indicator on the cells and μ_A where its frames are (Prinz et al., J. Chem.
Phys. 134, 174105, 2011). The difference is told with its error, both sides being of the same
trajectories. A process that is Markov in all its coordinates may fail it in a few CVs or on coarse
cells: then these are no good description of it at that lag.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from msgen.orchestrator.estimators.dynamics.markov import Cells, Fit, counts
from msgen.orchestrator.estimators.dynamics.readings import Curve
from msgen.orchestrator.estimators.dynamics.sums import Sums
from msgen.orchestrator.estimators.dynamics.trajectories import Trajectories

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS = (1, 2, 3, 4, 5)
"""At the first both are the same by construction."""
SURE = 0.99
"""Of all sets and steps together, that a Markov chain passes."""


@dataclass(frozen=True)
class ChapmanKolmogorov:
    """Probabilities to be in a set after k lags, having begun in it.

    Attributes
    ----------
    lag : float
    sets : tuple of str
    predicted, observed : tuple of Curve, one per set
        Against time.
    gap : float or None
        The largest difference.
    gap_in_errors : float or None
        The largest difference over its error.
    markov : bool or None
        Whether no difference is beyond chance; None where that is not known.
    """

    lag: float
    sets: tuple[str, ...]
    predicted: tuple[Curve, ...]
    observed: tuple[Curve, ...]
    gap: float | None
    gap_in_errors: float | None
    markov: bool | None


def chapman_kolmogorov(
    data: Trajectories, cells: Cells, lag: int, membership: dict[str, Array]
) -> ChapmanKolmogorov | None:
    """Test at `lag` frames; None where no trajectory is 2 lags long.

    Parameters
    ----------
    membership : dict of str to Array, shape (n,)
        Share of each cell in each set. If empty, the two sides of the slowest direction.
    """
    cell, n = cells.assign(data), len(cells)
    longest = int(data.lengths.max())
    steps = tuple(k for k in STEPS if k * lag < longest)
    first = counts(data, cell, n, lag)
    if len(steps) < 2 or not first.values.sum() > 0:
        return None
    sets = membership or _sides(first, n)
    names, chi = tuple(sets), np.stack(list(sets.values()), axis=1)
    sums = first
    for k in steps:
        sums = sums.joined(counts(data, cell, n, k * lag))

    def probabilities(rows: Array) -> Array:
        c = rows.reshape(len(rows), 1 + len(steps), n, n)
        start = c[:, 0].sum(axis=2)
        one = _normal(c[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            mu = start[:, :, None] * chi
            mu = mu / mu.sum(axis=1, keepdims=True)
        ahead, k, out = np.broadcast_to(chi, (len(rows), *chi.shape)), 0, []
        for j, wanted in enumerate(steps):
            while k < wanted:
                ahead, k = one @ ahead, k + 1
            seen = _normal(c[:, 1 + j]) @ chi
            both = [(mu * x).sum(axis=1) for x in (ahead, seen)]
            out.append(np.stack([*both, both[0] - both[1]], axis=1))
        return np.stack(out, axis=1).reshape(len(rows), -1)

    told = sums.estimate(probabilities)
    shape = (len(steps), 3, len(names))
    value, error = told.value.reshape(shape), told.stderr.reshape(shape)
    times = np.concatenate([[0.0], np.array(steps) * lag * data.stride])
    gaps = np.abs(value[:, 2])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = gaps / np.where(error[:, 2] > 0, error[:, 2], np.nan)
    known = np.isfinite(ratio)
    chance, blocks = 0.5 * (1.0 - SURE), len(data.blocks.group)
    limit = t.ppf(1.0 - chance / int(known.sum()), max(blocks - 1, 1)) if known.any() else np.nan
    predicted, observed = (
        tuple(_curve(times, value[:, m, s], error[:, m, s], told.why) for s in range(len(names)))
        for m in (0, 1)
    )
    return ChapmanKolmogorov(
        lag * data.stride,
        names,
        predicted,
        observed,
        float(np.nanmax(gaps)) if np.isfinite(gaps).any() else None,
        float(np.nanmax(ratio)) if known.any() else None,
        bool(np.nanmax(ratio) <= limit) if known.any() else None,
    )


def _normal(c: Array) -> Array:
    """Rows summing to 1; a cell that nothing was counted from stays where it is."""
    total = c.sum(axis=2, keepdims=True)
    eye = np.eye(c.shape[2])
    return np.where(total > 0, c / np.where(total > 0, total, 1.0), eye)


def _sides(first: Sums, n: int) -> dict[str, Array]:
    """Cells on the two sides of the slowest direction."""
    fit = Fit.of(first.values.sum(axis=0).reshape(n, n))
    if len(fit.inside) < 2:
        return {"all": np.ones(n)}
    slow = fit.slow()
    out = {}
    for name, side in (("one side of the slowest direction", slow > 0), ("the other", slow <= 0)):
        out[name] = np.zeros(n)
        out[name][fit.inside[side]] = 1.0
    return out


def _curve(times: Array, value: Array, error: Array, why: str) -> Curve:
    """With certainty at the start."""
    return Curve.of(times, np.concatenate([[1.0], value]), np.concatenate([[0.0], error]), why)
