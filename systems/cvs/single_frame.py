"""Collective variables of a single configuration, fast.

A steered move reads its CVs every ten to twenty steps of a few microseconds each: plain Python
arithmetic on a dozen floats costs 1–2 µs a CV, a torch call a hundred times as much. What has no
fast form here falls back to its torch function.
"""

from __future__ import annotations

from collections.abc import Callable
from math import atan2, floor, pi, sqrt

import numpy as np

from msgen.systems.base import CV, Array, CVSet
from msgen.systems.cvs.centroids import CentroidDistance
from msgen.systems.cvs.diffusion_map import LandmarkCV
from msgen.systems.cvs.torch_cvs import Angle, Dihedral, Distance, LinearCombination

Single = Callable[[Array], float]


def _dihedral(atoms: tuple[int, ...]) -> Single:
    idx = np.array(atoms)

    def value(x: Array) -> float:
        (a0, a1, a2), (b0, b1, b2), (c0, c1, c2), (d0, d1, d2) = x.take(idx, axis=0).tolist()
        u0, u1, u2 = b0 - a0, b1 - a1, b2 - a2
        v0, v1, v2 = c0 - b0, c1 - b1, c2 - b2
        w0, w1, w2 = d0 - c0, d1 - c1, d2 - c2
        m0, m1, m2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
        n0, n1, n2 = v1 * w2 - v2 * w1, v2 * w0 - v0 * w2, v0 * w1 - v1 * w0
        y = sqrt(v0 * v0 + v1 * v1 + v2 * v2) * (u0 * n0 + u1 * n1 + u2 * n2)
        theta = atan2(y, m0 * n0 + m1 * n1 + m2 * n2)
        return -pi if theta >= pi else theta  # NaN stays NaN

    return value


def _angle(atoms: tuple[int, ...]) -> Single:
    idx = np.array(atoms)

    def value(x: Array) -> float:
        (a0, a1, a2), (b0, b1, b2), (c0, c1, c2) = x.take(idx, axis=0).tolist()
        u0, u1, u2 = a0 - b0, a1 - b1, a2 - b2
        v0, v1, v2 = c0 - b0, c1 - b1, c2 - b2
        m0, m1, m2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
        return atan2(sqrt(m0 * m0 + m1 * m1 + m2 * m2), u0 * v0 + u1 * v1 + u2 * v2)

    return value


def _distance(atoms: tuple[int, ...]) -> Single:
    idx = np.array(atoms)

    def value(x: Array) -> float:
        (a0, a1, a2), (b0, b1, b2) = x.take(idx, axis=0).tolist()
        return sqrt((b0 - a0) ** 2 + (b1 - a1) ** 2 + (b2 - a2) ** 2)

    return value


def _centroid_distance(cv: CentroidDistance) -> Single:
    (i, u), (j, w) = ((np.array(g.atoms), np.array(g.weights) / sum(g.weights)) for g in cv.groups)
    box = None if cv.box is None else cv.box.tolist()

    def value(x: Array) -> float:
        d0, d1, d2 = (w @ x.take(j, axis=0) - u @ x.take(i, axis=0)).tolist()
        if box is not None and d0 == d0:  # floor of NaN would raise
            for k, (b0, b1, b2) in ((2, box[2]), (1, box[1]), (0, box[0])):
                turns = floor((d0, d1, d2)[k] / (b0, b1, b2)[k] + 0.5)
                d0, d1, d2 = d0 - turns * b0, d1 - turns * b1, d2 - turns * b2
        return sqrt(d0 * d0 + d1 * d1 + d2 * d2)

    return value


def _combination(cv: LinearCombination) -> Single:
    parts = [(c, single(k)) for c, k in zip(cv.coefficients, cv.components, strict=True)]
    offset, periodic = cv.offset, cv.periodic

    def value(x: Array) -> float:
        total = offset
        for c, f in parts:
            total += c * f(x)
        if periodic and total == total:  # floor of NaN would raise
            total -= 2 * pi * floor((total + pi) / (2 * pi))
        return total

    return value


def _landmarks(cv: LandmarkCV) -> Single:
    parts = [single(feature) for feature in cv.features]
    turns = np.array([feature.periodic for feature in cv.features])
    rates, values = cv.scales**2 / (4 * cv.epsilon), cv.values / cv.eigenvalue

    def value(x: Array) -> float:
        step = np.array([f(x) for f in parts]) - cv.landmarks
        log_p = cv.log_weights - np.where(turns, 2 - 2 * np.cos(step), step * step) @ rates
        p = np.exp(log_p - log_p.max())
        return float(p @ values / p.sum())

    return value


def single(cv: CV) -> Single:
    """A function (N, 3) → ξ for one configuration."""
    if isinstance(cv, Dihedral):
        return _dihedral(cv.atoms)
    if isinstance(cv, Angle):
        return _angle(cv.atoms)
    if isinstance(cv, Distance):
        return _distance(cv.atoms)
    if isinstance(cv, CentroidDistance):
        return _centroid_distance(cv)
    if isinstance(cv, LinearCombination):
        return _combination(cv)
    if isinstance(cv, LandmarkCV):
        return _landmarks(cv)
    one = CVSet((cv,))
    return lambda x: float(one(x.reshape(1, -1))[0, 0])


def single_evaluator(cvs: CVSet) -> Callable[[Array], list[float]]:
    """A function (N, 3) → the C values of ξ for one configuration."""
    parts = [single(cv) for cv in cvs.cvs]
    return lambda x: [f(x) for f in parts]
