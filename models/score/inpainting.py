"""Draws of which a part is given, by RePaint.

At every level what is given is put back with noise of its own, and the rest is moved down as if all
of it were free. Alone this would never reconcile the two: so the way back is gone again and again,
noise being added in between, `repeats` times over `jump` levels. Above `RESAMPLED` nothing is
decided yet, and below nothing moves any more: there the way is gone once, which halves the bias at
the same price. What is given is imposed at the end.
Source: Lugmayr et al., RePaint: inpainting using denoising diffusion probabilistic models (2022),
algorithm 1 and app. B, with steps of the probability-flow ODE for those of the reverse SDE.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from msgen.models.base import Array
from msgen.models.score.samplers import Normals, Step, Velocity, normal

RESAMPLED = (0.05, 4.0)
"""Levels between which the way is gone again, in standard deviations of the data."""


def inpaint(
    step: Step,
    field: Velocity,
    x: Tensor,
    context: Tensor | None,
    levels: Array,
    normals: Normals,
    *,
    given: Tensor,
    fixed: Tensor,
    jump: int,
    repeats: int,
) -> Tensor:
    """x at σ = 0, shape (n, …), that is `given` where it is `fixed`.

    Parameters
    ----------
    step : callable
        See `msgen.models.score.samplers`.
    x : Tensor, shape (n, …)
        At the first level.
    levels : Array, shape (steps + 1,)
        σ, decreasing to above 0; Euler's step leads from the last to 0.
    given, fixed : Tensor, of the shape of x
        Values, and whether they are imposed.
    jump : int
        Levels gone back at once.
    repeats : int
        How often each stretch of `jump` levels is gone down; 1: what is free hardly learns of what
        is given. The draws come near to the conditional density as it grows; they are never of it.

    Notes
    -----
    Nearly `repeats` times the evaluations of a free draw over the levels of `RESAMPLED`.
    """
    steps = len(levels) - 1
    x = _imposed(x, given, fixed, float(levels[0]), normals)
    for begin in range(0, steps, jump):
        end = min(begin + jump, steps)
        again = RESAMPLED[0] <= levels[begin] <= RESAMPLED[1]
        for repeat in range(repeats if again else 1):
            if repeat:
                x = x + math.sqrt(levels[begin] ** 2 - levels[end] ** 2) * normal(x, normals)
            for k in range(begin, end):
                low = float(levels[k + 1])
                x = step(field, x, context, float(levels[k]), low)
                x = _imposed(x, given, fixed, low, normals)
    last = float(levels[-1])
    x = x - last * field.velocity(x, last, context)
    return torch.where(fixed, given, x)


def _imposed(x: Tensor, given: Tensor, fixed: Tensor, sigma: float, normals: Normals) -> Tensor:
    """x with what is given at the level σ, its noise independent of all before."""
    return torch.where(fixed, given + sigma * normal(x, normals), x)
