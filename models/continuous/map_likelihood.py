"""The maximum-likelihood loss of a continuous flow, through the map of its steps.

The same steps are taken from the sample back to noise, y ↦ z = Ψ(y), and
−ln q(y) = −ln q₀(z) − ln|det ∂Ψ/∂y|. This is the exact density of Ψ⁻¹, normalised whatever the
steps, so that no step error can be mistaken for a gain; the map that samples differs from Ψ⁻¹ by
the error of one step and back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from msgen.models.base import Array
from msgen.models.continuous.components import Base, Velocity
from msgen.models.score.probability_flow import ProbabilityFlow


@dataclass(frozen=True)
class MapLikelihood:
    """−ln q(y) in nats, of the `Objective` of a fit.

    Attributes
    ----------
    y : Tensor, shape (n, d)
        Standardised.
    base : Base
    log_unit : float
        What ln q gains by the units of y.
    times : Array, shape (steps + 1,)
        From noise to data.
    """

    y: Tensor
    base: Base
    log_unit: float
    times: Array

    def to(self, device: torch.device) -> MapLikelihood:
        """The same with its data on `device`."""
        return replace(self, y=self.y.to(device))

    def __call__(self, net: nn.Module, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """Loss of the samples `index`, shape (len(index),)."""
        assert isinstance(net, Velocity)
        back = ProbabilityFlow(net.field(), self.times[::-1])
        z, log_det = back.push_with_log_det(self.y[index], None)
        return -self.base.log_prob(z) - log_det - self.log_unit
