"""Noise laid on samples by the symmetries that particles of one kind have in common.

Among the images g·z of a noise draw under permutations, rotations and reflections one near to the
sample x is taken. Target and noise are invariant under all of them, so for a velocity that commutes
with g the loss is as for independent pairs with both turned at random together, but paths are
short and cross less.
Source: Klein, Krämer and Noé, Equivariant flow matching (2023), section 4.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from msgen.models.base import Array
from msgen.models.continuous.components import Coupling

ROUNDS = 2
"""Times that particles are assigned and the noise is turned; more shorten paths by a per cent."""


def laid_on(z: Array, x: Array, rounds: int = ROUNDS) -> Array:
    """Every row of `z` permuted, turned and reflected towards its row of `x`.

    Assignment of particles (Hungarian algorithm) and orthogonal Procrustes rotation in turns, each
    the best for the other held fixed: the distance never grows.

    Parameters
    ----------
    z, x : Array, shape (n, N, d)
        Free of their centres.
    """
    z = np.array(z, dtype=np.float64)
    for _ in range(rounds):
        gain = np.matmul(x, z.swapaxes(1, 2))
        for k in range(len(z)):
            z[k] = z[k, linear_sum_assignment(gain[k], maximize=True)[1]]
        u, _, vt = np.linalg.svd(np.matmul(z.swapaxes(1, 2), x))
        z = np.matmul(z, np.matmul(u, vt))
    return z


def equivariant_transport(space: int) -> Coupling:
    """The coupling of flow matching for rows of particles of `space` coordinates each.

    The centre of mass, Gaussian at both ends, stays where the sample has it.
    """

    def couple(x0: Array, x1: Array, rng: np.random.Generator) -> Array:
        z, x = (v.reshape(len(v), -1, space) for v in (x0, x1))
        centre = x.mean(axis=1, keepdims=True)
        laid = laid_on(z - z.mean(axis=1, keepdims=True), x - centre)
        out: Array = (laid + centre).reshape(x0.shape)
        return out

    return couple
