"""A grid over the collective variables and the free-energy surface on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """Bins over C collective variables.

    Parameters
    ----------
    edges : tuple of Array, one per CV, shape (b_c + 1,)
        Rising bin edges. A periodic CV's period is the range they cover.
    periodic : tuple of bool, one per CV
    reported : tuple of bool, one per CV, optional
        CVs that the surface spans, all by default. The outermost bins of another hold whatever lies
        beyond them, so that a sum over it leaves nothing out.

    Raises
    ------
    ValueError
        For edges that do not rise, or as many flags as CVs not given.
    """

    edges: tuple[Array, ...]
    periodic: tuple[bool, ...]
    reported: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if not self.edges or len(self.edges) != len(self.periodic):
            raise ValueError(f"{len(self.edges)} edges and {len(self.periodic)} periodic flags")
        if not self.reported:
            object.__setattr__(self, "reported", (True,) * len(self.edges))
        if len(self.reported) != len(self.edges):
            raise ValueError(f"{len(self.edges)} edges and {len(self.reported)} reported flags")
        for e in self.edges:
            if e.ndim != 1 or len(e) < 2 or not np.all(np.diff(e) > 0):
                raise ValueError("bin edges must rise and hold at least one bin")

    @classmethod
    def regular(
        cls,
        ranges: tuple[tuple[float, float], ...],
        bins: tuple[int, ...],
        periodic: tuple[bool, ...],
        reported: tuple[bool, ...] = (),
    ) -> Grid:
        """Equal bins over each CV's (low, high)."""
        return cls(
            tuple(np.linspace(lo, hi, n + 1) for (lo, hi), n in zip(ranges, bins, strict=True)),
            periodic,
            reported,
        )

    @property
    def surface(self) -> Grid:
        """The grid of the surface: the axes that are reported."""
        kept = [c for c, told in enumerate(self.reported) if told]
        return Grid(tuple(self.edges[c] for c in kept), tuple(bool(self.periodic[c]) for c in kept))

    @property
    def surface_bins(self) -> Ints:
        """The bin of `surface` that each bin is a part of, shape (size,), both in C-order."""
        kept = self.surface.shape
        shown = [n if told else 1 for n, told in zip(self.shape, self.reported, strict=True)]
        one = np.arange(int(np.prod(kept)), dtype=np.int64).reshape(shown)
        return np.broadcast_to(one, self.shape).ravel()

    @property
    def shape(self) -> tuple[int, ...]:
        """Bins along every CV."""
        return tuple(len(e) - 1 for e in self.edges)

    @property
    def size(self) -> int:
        """Number of bins."""
        return int(np.prod(self.shape))

    @property
    def centres(self) -> tuple[Array, ...]:
        """Bin centres along every CV."""
        return tuple(0.5 * (e[1:] + e[:-1]) for e in self.edges)

    def wrap(self, xi: Array) -> Array:
        """Values (n, C) with periodic CVs moved into the range of their edges."""
        out = np.array(xi, dtype=np.float64)
        for c, (e, periodic) in enumerate(zip(self.edges, self.periodic, strict=True)):
            if periodic:
                period = e[-1] - e[0]
                # The floor form holds for any number of turns; rounding can still land on the end.
                out[:, c] -= period * np.floor((out[:, c] - e[0]) / period)
                out[:, c] = np.where(out[:, c] >= e[-1], e[0], out[:, c])
        return out

    def index(self, xi: Array) -> Ints:
        """Flat (C-order) bin of each sample (n, C) → (n,); −1 outside the grid or not finite.

        Bins hold their lower edge; the last bin of a CV that is not periodic holds its upper too.
        """
        with np.errstate(invalid="ignore"):
            values = self.wrap(xi)
        flat = np.zeros(len(values), dtype=np.int64)
        inside = np.isfinite(values).all(axis=1)
        for c, e in enumerate(self.edges):
            k = np.searchsorted(e, values[:, c], side="right") - 1
            if not self.periodic[c]:
                k = np.where(values[:, c] == e[-1], len(e) - 2, k)
            if not self.reported[c] and not self.periodic[c]:
                k = np.clip(k, 0, len(e) - 2)
            inside &= (k >= 0) & (k < len(e) - 1)
            flat = flat * (len(e) - 1) + k
        return np.where(inside, flat, -1)


@dataclass(frozen=True)
class Surface:
    """Free energies of bins, in kT.

    Attributes
    ----------
    f : Array, grid shape
        −ln P(bin), shifted so that the lowest is 0; NaN where never visited.
    stderr : Array, grid shape
        Standard error of −ln P(bin), P normalised over all bins. The shift is a convention and
        carries no error of its own.
    offset : float
        What was subtracted: −ln P of the lowest bin.
    """

    f: Array
    stderr: Array
    offset: float


def block_sums(
    labels: Ints, n_labels: int, blocks: Ints, n_blocks: int, weights: Array | None = None
) -> Array:
    """Weight of each label in each independent block, shape (n_blocks, n_labels).

    Parameters
    ----------
    labels : Ints, shape (n,)
        Bin or state of every sample; negative ones are left out.
    blocks : Ints, shape (n,)
        Replica, or stretch of one, that every sample belongs to. Blocks have to be independent.
    weights : Array, shape (n,), optional
        Statistical weights, 1 by default.
    """
    keep = labels >= 0
    flat = blocks[keep] * n_labels + labels[keep]
    w = None if weights is None else weights[keep]
    sums = np.bincount(flat, weights=w, minlength=n_blocks * n_labels)
    return np.asarray(sums, dtype=np.float64).reshape(n_blocks, n_labels)


def log_populations(sums: Array) -> tuple[Array, Array]:
    """−ln P of every label, and its covariance, from independent blocks.

    P_k = Σ_b S_bk / Σ_b T_b with T_b = Σ_k S_bk is a ratio of means; to first order
    δ ln P_k = Σ_b (S_bk − P_k T_b) / (P_k Σ_b T_b), so that

    .. math:: C_{kl} = \\frac{B}{B-1} \\sum_b \\frac{(S_{bk} - P_k T_b)(S_{bl} - P_l T_b)}
              {P_k P_l (\\sum_b T_b)^2}

    (Cochran, Sampling Techniques, 3rd ed., eq. 6.13). Blocks without weight do not count in B.

    Parameters
    ----------
    sums : Array, shape (B, K)

    Returns
    -------
    f : Array, shape (K,)
        NaN where nothing was seen.
    covariance : Array, shape (K, K)
        NaN where nothing was seen, and altogether for fewer than two blocks.
    """
    used = sums[sums.sum(axis=1) > 0]
    b, totals, total = len(used), used.sum(axis=1), used.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        p = used.sum(axis=0) / total
        f = np.where(p > 0, -np.log(p), np.nan)
        r = (used - p * totals[:, None]) / (p * total)
        covariance = r.T @ r * (b / (b - 1) if b > 1 else np.nan)
    seen = p > 0
    covariance[~(seen[:, None] & seen[None, :])] = np.nan
    return f, covariance


def surface_from_sums(sums: Array, shape: tuple[int, ...]) -> Surface:
    """The surface of block sums (B, K), K bins in C-order of `shape`; see `log_populations`."""
    f, variance = _log_population_variances(sums)
    offset = float(np.nanmin(f)) if np.isfinite(f).any() else float("nan")
    return Surface((f - offset).reshape(shape), np.sqrt(variance).reshape(shape), offset)


def surface(
    grid: Grid, xi: Array, blocks: Ints, n_blocks: int, weights: Array | None = None
) -> Surface:
    """F(ξ) from samples (n, C) of independent blocks; see `block_sums` and `Surface`."""
    sums = block_sums(grid.index(xi), grid.size, blocks, n_blocks, weights)
    return surface_from_sums(sums, grid.shape)


def _log_population_variances(sums: Array) -> tuple[Array, Array]:
    """The diagonal of `log_populations`, without its K² memory."""
    used = sums[sums.sum(axis=1) > 0]
    b, totals, total = len(used), used.sum(axis=1), used.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        p = used.sum(axis=0) / total
        f = np.where(p > 0, -np.log(p), np.nan)
        r = (used - p * totals[:, None]) / (p * total)
        variance = np.sum(r**2, axis=0) * (b / (b - 1) if b > 1 else np.nan)
    return f, np.where(p > 0, variance, np.nan)
