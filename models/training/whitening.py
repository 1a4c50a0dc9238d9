"""Linear maps that whiten data before a network sees them.

`principal_axes`: W = Q, the eigenvectors of the covariance of all data; |det W| = 1. One column
then tells the modes apart and the others hardly vary with it, which suits maps of single columns.

`white_within`: W = C^{−1/2}, C the covariance within modes, pooled over them. Modes that are far
apart dominate the covariance of all data, and what is stiff inside a mode stays stiff; C does not
know of them. Its symmetric root turns the columns no more than it must, so that each still tells
the mode. For a field about two vacua C is the inverse of its Gaussian part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from msgen.models.base import Array

Whitening = bool | Literal["within"]

TRANSFORMS: Mapping[str, Whitening] = {
    "standardise": False,
    "whiten": True,
    "whiten_within": "within",
}
"""What each word of a model's `transform:` asks for."""
SPLIT = 0.2
"""Data are of two modes where two halves leave so little of the variance along an axis; halves of a
normal distribution leave 0.36, of a uniform one 0.25."""
DEPTH = 3
"""Times that data are split: at most 8 modes are told apart."""
AXES = 3
"""Axes of largest variance along which modes are looked for."""
_LEAST = 1e-9


def principal_axes(v: Array, weights: Array | None) -> Array:
    """Eigenvectors of the covariance of v (n, d), columns by rising variance, shape (d, d).

    Off the diagonal it is damped by 1 − min(1, (d/n)²), n the effective number of rows, so that few
    rows turn nothing.
    """
    if not v.shape[1]:
        return np.zeros((0, 0))  # of angles alone nothing is turned
    w = _weights(v, weights)
    axes = np.linalg.eigh(_damped(_covariance(v, w), w))[1]
    # the sign of an eigenvector is a convention of the library: take the largest entry positive
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(v.shape[1])])
    return np.asarray(axes * np.where(signs == 0, 1.0, signs))


def white_within(v: Array, weights: Array | None) -> tuple[Array, Array, float]:
    """W = C^{−1/2}, its inverse and ln|det W|; C is damped as in `principal_axes`."""
    if not v.shape[1]:
        return np.zeros((0, 0)), np.zeros((0, 0)), 0.0
    w = _weights(v, weights)
    pooled = np.zeros((v.shape[1], v.shape[1]))
    for mode in _modes(v, w, np.arange(len(v)), DEPTH):
        share = w[mode].sum()
        pooled += share * _covariance(v[mode], w[mode] / share)
    values, axes = np.linalg.eigh(_damped(pooled, w))
    values = np.maximum(values, _LEAST * values.max())
    white, back = (np.asarray((axes * values**p) @ axes.T) for p in (-0.5, 0.5))
    return white, back, float(-0.5 * np.log(values).sum())


def _modes(v: Array, w: Array, index: NDArray[np.int64], depth: int) -> list[NDArray[np.int64]]:
    """Rows of each mode: `index` is split in two along an axis while that explains the variance."""
    if depth == 0 or len(index) < 4 * v.shape[1]:
        return [index]
    part = w[index] / w[index].sum()
    axes = np.linalg.eigh(_covariance(v[index], part))[1]
    cuts = [_halved(v[index] @ axis, part) for axis in axes.T[::-1][:AXES]]
    left, upper = min(cuts, key=lambda cut: cut[0])
    if left > SPLIT:
        return [index]
    halves = (index[~upper], index[upper])
    return [mode for half in halves for mode in _modes(v, w, half, depth - 1)]


def _halved(p: Array, w: Array) -> tuple[float, NDArray[np.bool_]]:
    """The best cut of p (n,) in two: the share of the variance it leaves, and who is above it."""
    order = np.argsort(p, kind="stable")
    x, m = p[order] - w @ p, w[order]
    mass, first = np.cumsum(m)[:-1], np.cumsum(m * x)[:-1]
    total = float(m @ x**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        # the mean is zero, so that Σ between = first²/mass + first²/(1 − mass)
        between = first**2 * (1.0 / mass + 1.0 / (1.0 - mass))
    between[~np.isfinite(between)] = 0.0
    if not (len(between) and total > 0):
        return 1.0, np.zeros(len(p), dtype=bool)
    at = int(np.argmax(between))
    upper = np.zeros(len(p), dtype=bool)
    upper[order[at + 1 :]] = True
    return 1.0 - float(between[at]) / total, upper


def _weights(v: Array, weights: Array | None) -> Array:
    return np.full(len(v), 1 / len(v)) if weights is None else weights / weights.sum()


def _covariance(v: Array, w: Array) -> Array:
    centred = v - w @ v
    return np.asarray((centred * w[:, None]).T @ centred)


def _damped(covariance: Array, w: Array) -> Array:
    damped = 1.0 - min(1.0, (len(covariance) * float(w @ w)) ** 2)
    return np.where(np.eye(len(covariance), dtype=bool), covariance, damped * covariance)
