"""CV space cut into strata: which states there are, and how much of g(λ|ξ) lies in each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from msgen.actors.codec import Numbered
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.systems.base import Array

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Partition:
    """Disjoint strata that cover CV space, each a union of cells of one product grid.

    Attributes
    ----------
    edges : tuple of Array
        Increasing breakpoints of each CV; from −π to π for a periodic CV, from −∞ to ∞ otherwise.
    labels : int array, one axis per CV
        Stratum of each cell.
    names : tuple of str
        Name of each stratum.
    """

    edges: Annotated[tuple[Array, ...], Numbered("edges")]
    labels: Labels
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def whole(cls, periodic: NDArray[np.bool_], name: str = "all") -> Partition:
        """One stratum that is all of CV space."""
        edges = tuple(_ends(bool(p)) for p in periodic)
        return cls(edges, np.zeros([1] * len(edges), dtype=np.int64), (name,))

    @classmethod
    def from_boxes(
        cls,
        boxes: Mapping[str, Mapping[str, tuple[float, float]]],
        cv_names: Sequence[str],
        periodic: NDArray[np.bool_],
        rest: str | None = "rest",
    ) -> Partition:
        """Strata from boxes ``{state: {cv: (lo, hi)}}``; what no box covers is `rest`, the last.

        A periodic interval with lo > hi wraps around ±π; a CV that a box does not name is free.
        """
        edges = []
        for name, p in zip(cv_names, periodic, strict=True):
            inner = {v for box in boxes.values() if name in box for v in box[name]}
            lo, hi = _ends(bool(p))
            edges.append(np.array(sorted({lo, hi} | {v for v in inner if lo < v < hi})))
        labels = np.full([len(e) - 1 for e in edges], len(boxes), dtype=np.int64)
        middles = [_middles(e) for e in edges]
        for k, box in enumerate(boxes.values()):
            inside = np.ones(labels.shape, dtype=bool)
            for c, name in enumerate(cv_names):
                if name in box:
                    a, b = box[name]
                    m = middles[c]
                    hit = (m >= a) & (m < b) if a <= b else (m >= a) | (m < b)
                    inside &= hit.reshape([-1 if i == c else 1 for i in range(labels.ndim)])
            labels[inside] = k
        names = tuple(boxes)
        if rest is not None and bool((labels == len(boxes)).any()):
            names = (*names, rest)
        return cls(tuple(edges), labels, names)

    def along_more(self, own: Sequence[bool], periodic: Sequence[bool]) -> Partition:
        """The same strata in a space of more CVs, whatever the values of those that came.

        `own` says which CVs of that space these are.
        """
        mine = iter(self.edges)
        edges = tuple(
            next(mine) if one else _ends(bool(p)) for one, p in zip(own, periodic, strict=True)
        )
        labels = self.labels.reshape([len(e) - 1 for e in edges])
        return Partition(edges, labels, self.names)

    def cells(self, xi: Array) -> tuple[Labels, ...]:
        """Index of the cell of ξ, shape (n, C), along each CV; NaN goes to the last cell."""
        return tuple(
            np.clip(np.searchsorted(e, xi[:, c], side="right") - 1, 0, len(e) - 2)
            for c, e in enumerate(self.edges)
        )

    def assign(self, xi: Array) -> Labels:
        """Stratum of ξ, shape (n, C) → (n,); −1 where ξ is not finite."""
        if len(xi) == 1:
            return self._assign_one(xi[0].tolist())
        found = self.labels[self.cells(xi)]
        return np.where(np.isfinite(xi).all(axis=1), found, -1)

    def _assign_one(self, xi: list[float]) -> Labels:
        """As `assign`, for one ξ in plain floats: it is asked after every chunk of a molecule."""
        if not all(map(isfinite, xi)):
            return np.array([-1])
        at = [
            min(max(bisect_right(e, x) - 1, 0), len(e) - 2)
            for e, x in zip(self._plain_edges, xi, strict=True)
        ]
        return np.array([self.labels[tuple(at)]])

    @cached_property
    def _plain_edges(self) -> list[list[float]]:
        return [e.tolist() for e in self.edges]

    def mass(self, xi: Array, g: Conditional, of: Labels) -> Array:
        """P(λ in stratum `of` | ξ) under g, shape (n,): the normaliser of g truncated to it.

        .. math:: c_k(ξ) = \\int_{R_k} g(λ|ξ)\\,dλ = \\sum_{cells ∈ k} \\prod_c ΔG_c(ξ_c)
        """
        if not self.labels.any():
            return np.ones(len(xi))
        total = np.where(self.labels[None] == of.reshape(-1, *[1] * self.labels.ndim), 1.0, 0.0)
        for c, e in reversed(list(enumerate(self.edges))):
            total = np.einsum("n...c,nc->n...", total, g.interval_mass(xi[:, c], c, e))
        return np.asarray(np.clip(total, 0.0, 1.0))

    def shadow(self, stratum: int, columns: Sequence[int]) -> Partition:
        """What a stratum leaves open along some CVs: 1 where it holds any cell, 0 elsewhere."""
        others = tuple(c for c in range(self.labels.ndim) if c not in columns)
        held = np.any(self.labels == stratum, axis=others)
        order = np.argsort(np.argsort(columns))
        edges = tuple(self.edges[c] for c in columns)
        return Partition(edges, held.transpose(*order).astype(np.int64), ("outside", "inside"))

    def overlap_with(self, axes: Sequence[Array]) -> Labels:
        """Stratum of every point of a product grid of CV values, one axis per CV."""
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        return self.assign(points.reshape(-1, len(axes))).reshape(points.shape[:-1])


def _ends(periodic: bool) -> Array:
    return np.array([-np.pi, np.pi]) if periodic else np.array([-np.inf, np.inf])


def _middles(edges: Array) -> Array:
    """A point inside each cell, also of the unbounded ones."""
    lo, hi = edges[:-1], edges[1:]
    with np.errstate(invalid="ignore"):  # a cell without any bound
        finite = 0.5 * (np.where(np.isfinite(lo), lo, hi) + np.where(np.isfinite(hi), hi, lo))
    middle = np.where(np.isfinite(lo), np.where(np.isfinite(hi), finite, lo + 1.0), hi - 1.0)
    return np.where(np.isfinite(middle), middle, 0.0)
