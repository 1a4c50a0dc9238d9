"""What a continuous flow is made of: a velocity, a base density, and how noise meets data.

dx/dt = v(x, t, c) from base noise at t = 0 to standardised samples at t = 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array
from msgen.models.score.probability_flow import Differentiable


class Field(Differentiable, Protocol):
    """A velocity and its exact Jacobian; t is a float, shared by all rows."""

    def embed(self, features: Tensor | None, n: int) -> Tensor | None:
        """Context features (n, k) as `velocity` wants them, n rows; computed once for all steps."""
        ...


class Velocity(nn.Module):
    """v(x, t, c) as a network that can be fitted."""

    def reset(self, generator: torch.Generator) -> None:
        """Draw all weights anew; v begins near zero."""
        raise NotImplementedError

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
        """v, shape (n, d), of x (n, d) at times t (n,) and context features (n, k)."""
        raise NotImplementedError

    def field(self) -> Field:
        """The same at one time for all rows, with its Jacobian ∂v_i/∂x_j, shape (n, d, d).

        Differentiable in the weights where gradients are on, and of the weights as they are now.
        """
        raise NotImplementedError


class Base(Protocol):
    """The density at t = 0."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n draws, shape (n, d)."""
        ...

    def log_prob(self, z: Tensor) -> Tensor:
        """ln q₀(z), shape (n,), normalised, differentiable; angles may lie in any turn."""
        ...


Coupling = Callable[[Array, Array, np.random.Generator], Array]
"""``coupling(x0, x1, rng)``: x0 (n, d) in the order, and posture, in which its rows meet those of
x1. The order of x1 stays, and x0 without its order must stay a sample of its density."""
