"""A continuous flow with its ODE solved adaptively: what a fixed map is measured against.

d ln q/dt = −∇·v along a path. The solver's error is that of the samples and of ln q both, and its
steps are chosen for a whole batch: to be measured against `msgen.models.score.probability_flow`.
Source: Chen et al., Neural ordinary differential equations (2018); torchdiffeq.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchdiffeq import odeint

from msgen.models.continuous.components import Field
from msgen.models.continuous.model import ContinuousModel

Slope = Callable[[Tensor, tuple[Tensor, Tensor]], tuple[Tensor, Tensor]]


def with_tolerance(model: ContinuousModel, tolerance: float) -> ContinuousModel:
    """The same model with its ODE solved to rtol = atol = `tolerance`.

    Its `sample` and `log_prob` differ by the solver's error, and a row's result depends on the rows
    beside it: for measuring what that does, not for a Metropolis test.
    """
    out: Any = copy.copy(model)
    out._flow = lambda field: AdaptiveFlow(field, tolerance)
    return out


class AdaptiveFlow:
    """Dormand–Prince 5(4) between t = 0 and t = 1.

    Parameters
    ----------
    field : Field
    tolerance : float
        rtol and atol.
    """

    def __init__(self, field: Field, tolerance: float) -> None:
        self.field, self.tolerance = field, tolerance

    def push(self, z: Tensor, context: Tensor | None) -> Tensor:
        """Noise at t = 0 to data at t = 1, shape (n, d)."""

        def slope(t: Tensor, x: Tensor) -> Tensor:
            return self.field.velocity(x, float(t), context)

        span = torch.tensor([0.0, 1.0], dtype=z.dtype)
        out: Tensor = odeint(slope, z, span, rtol=self.tolerance, atol=self.tolerance)[-1]
        return out

    def push_with_log_det(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The data that z comes to, and ∫∇·v dt; shapes (n, d) and (n,)."""
        return self._solve(z, context, 0.0, 1.0)

    def pull(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The noise z that leads to y, and ∫∇·v dt from z to y; shapes (n, d) and (n,)."""
        z, log_det = self._solve(y, context, 1.0, 0.0)
        return z, -log_det

    def _solve(
        self, x: Tensor, context: Tensor | None, start: float, end: float
    ) -> tuple[Tensor, Tensor]:
        span = torch.tensor([start, end], dtype=x.dtype)
        state = (x, x.new_zeros(len(x)))
        slope = with_trace(self.field, context)
        path, trace = odeint(slope, state, span, rtol=self.tolerance, atol=self.tolerance)
        return path[-1], trace[-1]


def with_trace(field: Field, context: Tensor | None) -> Slope:
    """dx/dt and ∇·v of the state (x, ln det), as torchdiffeq wants them."""

    def slope(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        v, jacobian = field.velocity_and_jacobian(state[0], float(t), context)
        return v, jacobian.diagonal(dim1=1, dim2=2).sum(dim=-1)

    return slope
