"""Local sampling inside one stratum, flattened by an ensemble extended by λ."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Protocol

import numpy as np

from msgen.actors.codec import FLAT, Numbered
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Labels, Partition
from msgen.actors.engines.base import Engine
from msgen.actors.kernels.base import Mask
from msgen.systems.base import Array, Walkers

_ON, _OFF = np.ones(1, dtype=bool), np.zeros(1, dtype=bool)


class Flattening(Protocol):
    """What the local sampling asks of its bias."""

    def log_bias(self, xi: Array) -> Array:
        """ln B(ξ), shape (n, C) → (n,)."""
        ...

    def draw(self, xi: Array, rng: np.random.Generator) -> tuple[Array, Mask]:
        """λ | ξ, shape (n, C), NaN for a CV that is free; and where it is present, shape (n,)."""
        ...


def _turn(v: float) -> tuple[float, float]:
    return math.cos(v), math.sin(v)


def _powers(mid: float, v: float) -> tuple[float, float]:
    return v - mid, (v - mid) ** 2


@dataclass(frozen=True)
class Ladder:
    """The frozen bias of the flattened sampling, as an expanded ensemble over (x, λ).

    λ is either absent (the plain ensemble, weight h₀) or one of the points of a grid (weight h_j).

    .. math:: π(x, λ_j) ∝ ρ^*(x) h_j e^{-E(λ_j, ξ(x))}, \\quad π(x, -) ∝ ρ^*(x) h_0, \\quad
              π(x) ∝ ρ^*(x) B(ξ(x)), \\quad B = h_0 + \\sum_j h_j e^{-E(λ_j, ξ)}

    with E the restraint in kT (simulated tempering in λ: Marinari and Parisi, Europhys. Lett. 19,
    451, 1992). What is at hand when λ is absent is distributed as ρ* itself, exactly; every sample
    counts with weight 1/B.

    Attributes
    ----------
    axes : tuple of Array
        Grid of λ along each CV.
    log_h : Array, one axis per CV
    log_h0 : float
    g : Conditional
        Whose `energy` is E.
    """

    axes: Annotated[tuple[Array, ...], Numbered("axis")]
    log_h: Array
    log_h0: float
    g: Annotated[Conditional, FLAT]

    @classmethod
    def plain(cls, g: Conditional) -> Ladder:
        """No flattening: B = 1."""
        n = len(g.kappa)
        return cls(tuple(np.zeros(1) for _ in range(n)), np.full([1] * n, -np.inf), 0.0, g)

    def alone(self, share: float) -> Ladder:
        """With weights of `share` times as much, and never without λ."""
        return Ladder(self.axes, self.log_h + math.log(share), -np.inf, self.g)

    @cached_property
    def flattened(self) -> bool:
        """Whether any λ is in the ladder."""
        return bool(np.isfinite(self.log_h).any())

    @cached_property
    def _h(self) -> Array:
        return np.exp(self.log_h)

    @cached_property
    def _h0(self) -> float:
        return float(np.exp(self.log_h0))

    @cached_property
    def _exponents(self) -> tuple[Array, Array, list[Callable[[float], tuple[float, float]]]]:
        """−E_c along all axes, end to end, as M f(ξ) + m with two features of each ξ_c."""
        m = np.zeros((sum(map(len, self.axes)), 2 * len(self.axes)))
        constant, features = np.zeros(len(m)), list[Callable[[float], tuple[float, float]]]()
        end = 0
        for c, (axis, kappa) in enumerate(zip(self.axes, self.g.kappa, strict=True)):
            here, end = slice(end, end + len(axis)), end + len(axis)
            if self.g.periodic[c]:
                m[here, 2 * c], m[here, 2 * c + 1] = kappa * np.cos(axis), kappa * np.sin(axis)
                constant[here] = -kappa
                features.append(_turn)
            else:
                # about the middle of the axis, so that little cancels
                mid = 0.5 * float(axis[0] + axis[-1])
                m[here, 2 * c], m[here, 2 * c + 1] = kappa * (axis - mid), -0.5 * kappa
                constant[here] = -0.5 * kappa * (axis - mid) ** 2
                features.append(partial(_powers, mid))
        return m, constant, features

    def _factors(self, xi: Array) -> list[Array]:
        """exp(−E_c) along each axis, shape (n, J_c)."""
        out = []
        for c, axis in enumerate(self.axes):
            d = axis[None, :] - xi[:, c, None]
            e = 2.0 * np.sin(0.5 * d) ** 2 if self.g.periodic[c] else 0.5 * d * d
            out.append(np.exp(-self.g.kappa[c] * e))
        return out

    def _weights(self, xi: Array) -> Array:
        """h_j exp(−E), shape (n, *grid)."""
        total = np.broadcast_to(self._h, (len(xi), *self._h.shape))
        for c, f in enumerate(self._factors(xi)):
            total = total * f.reshape(
                [len(xi), *[-1 if i == c else 1 for i in range(len(self.axes))]]
            )
        return np.asarray(total)

    def log_bias(self, xi: Array) -> Array:
        """ln B(ξ), shape (n, C) → (n,)."""
        if not self.flattened:
            return np.full(len(xi), self.log_h0)
        total = self._h
        factors = self._factors(xi)
        if len(factors) == 1:
            summed = factors[0] @ total
        else:
            summed = np.tensordot(factors[0], total, axes=(1, 0))
            for f in factors[1:]:
                summed = np.einsum("nj...,nj->n...", summed, f)
        with np.errstate(divide="ignore"):
            return np.asarray(np.logaddexp(self.log_h0, np.log(summed)))

    def draw(self, xi: Array, rng: np.random.Generator) -> tuple[Array, Mask]:
        """λ | ξ by Gibbs sampling: λ, shape (n, C), and where it is present, shape (n,)."""
        n = len(xi)
        if not self.flattened:
            return xi, np.zeros(n, dtype=bool)
        if n == 1 and len(self.axes) == 2:
            return self._draw_one(xi[0], float(rng.random()))
        weights = self._weights(xi).reshape(n, -1).cumsum(axis=1)
        h0 = np.exp(self.log_h0)
        u = rng.random(n) * (h0 + weights[:, -1])
        on = u >= h0
        j = [int(np.searchsorted(w, v)) for w, v in zip(weights, u - h0, strict=True)]
        j = np.minimum(j, weights.shape[1] - 1)
        at = np.unravel_index(j, self._h.shape)
        return np.stack([a[i] for a, i in zip(self.axes, at, strict=True)], axis=1), on

    def _draw_one(self, xi: Array, u: float) -> tuple[Array, Mask]:
        """As `draw`, for one walker and two CVs: along the first axis, then along the second.

        The same λ for the same u, at a fraction of the cost, which counts after every chunk.
        """
        m, constant, (first, second) = self._exponents
        x, y = xi.tolist()
        factors = np.exp(m @ np.array((*first(x), *second(y))) + constant)
        f0, f1 = factors[: len(self.axes[0])], factors[len(self.axes[0]) :]
        rows = (f0 * (self._h @ f1)).cumsum()
        left = u * (self._h0 + rows[-1]) - self._h0
        if left < 0.0:
            return xi[None], _OFF
        i = min(int(rows.searchsorted(left)), len(rows) - 1)
        if i:
            left -= float(rows[i - 1])
        columns = (self._h[i] * f1).cumsum() * f0[i]
        j = min(int(columns.searchsorted(left)), len(columns) - 1)
        return np.array([[self.axes[0][i], self.axes[1][j]]]), _ON


@dataclass(frozen=True)
class Visits:
    """What the local sampling of n walkers saw at T times.

    Attributes
    ----------
    xi : Array, shape (T, n, C)
    log_bias : Array, shape (T, n)
        ln B(ξ): the weight of a sample is 1/B.
    plain : Mask, shape (T, n)
        Whether λ was absent: these samples are distributed as ρ* in the stratum.
    reverted : int
        Chunks undone because they left the stratum or broke.
    """

    xi: Array
    log_bias: Array
    plain: Mask
    reverted: int


class Tempered:
    """A walker batch under one ladder, each walker kept in the stratum it is in.

    A chunk that ends outside the stratum is undone and the velocities reversed, which leaves the
    density truncated to the stratum invariant, since the chunk's kernel obeys detailed balance
    with the reversal of velocities.

    Raises
    ------
    ValueError
        If a walker does not start in the stratum it is said to be in.
    """

    def __init__(
        self,
        engine: Engine,
        walkers: Walkers,
        ladder: Flattening,
        partition: Partition,
        stratum: Labels,
        rng: np.random.Generator,
    ) -> None:
        self.engine, self.ladder, self.partition = engine, ladder, partition
        self.stratum, self._rng = stratum, rng
        self.xi = engine.load(walkers)
        found = partition.assign(self.xi)
        if not np.array_equal(found, stratum):
            raise ValueError(f"walkers stand in strata {found}, not {stratum}")
        self.lam, self.on = ladder.draw(self.xi, rng)

    def run(self, chunks: int, steps: int) -> Visits:
        """`chunks` times: `steps` of the local kernel at the present λ, then a new λ."""
        n, dim = self.xi.shape
        xi, plain = np.empty((chunks, n, dim)), np.empty((chunks, n), dtype=bool)
        chunk, assign, draw = self.engine.chunk, self.partition.assign, self.ladder.draw
        stratum = self.stratum.tolist()
        reverted = 0
        for t in range(chunks):
            new = chunk(self.lam, self.on, steps)
            found = assign(new)
            if found.tolist() != stratum:
                out = found != self.stratum
                self.engine.revert(out)
                new = np.where(out[:, None], self.xi, new)
                reverted += int(out.sum())
            self.xi = xi[t] = new
            self.lam, self.on = draw(new, self._rng)
            plain[t] = self.on
        np.logical_not(plain, out=plain)
        bias = self.ladder.log_bias(xi.reshape(-1, dim)).reshape(chunks, n)
        return Visits(xi, bias, plain, reverted)

    def replace(self, walkers: Walkers) -> None:
        """Go on from other configurations (an accepted global move), λ redrawn."""
        self.xi = self.engine.load(walkers)
        self.lam, self.on = self.ladder.draw(self.xi, self._rng)
