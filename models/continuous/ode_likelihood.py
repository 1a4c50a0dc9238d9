"""The maximum-likelihood loss of a continuous flow, through the ODE.

ln q(y) = ln q₀(x(0)) − ∫₀¹ ∇·v(x(t), t) dt along the path that ends in x(1) = y.
Source: Chen et al., Neural ordinary differential equations (2018); Grathwohl et al., FFJORD (2019);
the kinetic term Finlay et al., How to train your neural ODE (2020).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torchdiffeq import odeint

from msgen.models.continuous.components import Base, Field, Velocity


@dataclass(frozen=True)
class OdeLikelihood:
    """−ln q(y|c) in nats, + kinetic ∫|v|²dt / d while training, of the `Objective` of a fit.

    Attributes
    ----------
    y : Tensor, shape (n, d)
        Standardised.
    context : Tensor, shape (n, k), or None
        Features.
    base : Base
    log_unit : float
        What ln q gains by the units of y.
    steps, held_out_steps : int
        Of the fixed fourth-order Runge–Kutta method (3/8 rule): that the gradient goes through, and
        for held-out samples. Few steps have an error that a network can learn to gain from (with
        four, 0.4 nats of two that were not there); the finer ones do not let that pass.
    divergence : str
        'exact', or 'hutchinson': one Rademacher probe a sample, the same all along its path,
        unbiased for the gradient at 1/d of the cost. Held-out losses are exact in any case.
    kinetic : float
        Keeps paths short and straight, so that few steps follow them.
    """

    y: Tensor
    context: Tensor | None
    base: Base
    log_unit: float
    steps: int
    held_out_steps: int
    divergence: str = "exact"
    kinetic: float = 0.0

    def to(self, device: torch.device) -> OdeLikelihood:
        """The same with its data on `device`."""
        context = None if self.context is None else self.context.to(device)
        return replace(self, y=self.y.to(device), context=context)

    def __call__(self, net: nn.Module, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """Loss of the samples `index`, shape (len(index),)."""
        assert isinstance(net, Velocity)
        context = None if self.context is None else self.context[index]
        y, field = self.y[index], net.field()
        label = field.embed(context, len(y))
        probe = None
        if generator is not None and self.divergence == "hutchinson":
            probe = (2 * torch.randint(0, 2, y.shape, generator=generator) - 1).to(y)
        steps = self.held_out_steps if generator is None else self.steps
        log_q, energy = log_likelihood(field, self.base, y, label, steps, probe)
        loss = -log_q - self.log_unit
        return loss if generator is None else loss + self.kinetic * energy / y.shape[1]


def log_likelihood(
    field: Field, base: Base, y: Tensor, label: Tensor | None, steps: int, probe: Tensor | None
) -> tuple[Tensor, Tensor]:
    """ln q(y) of the ODE in `steps` steps and ∫|v|²dt, shapes (n,); differentiable.

    `probe`, shape (n, d), of unit covariance: ∇·v is estimated by probe·(∂v/∂x)·probe.
    """

    def slope(t: Tensor, state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        x = state[0]
        if probe is None:
            v, jacobian = field.velocity_and_jacobian(x, float(t), label)
            trace = jacobian.diagonal(dim1=1, dim2=2).sum(dim=-1)
        else:
            x = x if x.requires_grad else x.requires_grad_(True)
            v = field.velocity(x, float(t), label)
            (along,) = torch.autograd.grad(v, x, probe, create_graph=True)
            trace = (along * probe).sum(dim=-1)
        # backwards in time the energy counts negative
        return v, trace, -(v * v).sum(dim=-1)

    zero = y.new_zeros(len(y))
    span = torch.tensor([1.0, 0.0], dtype=y.dtype, device=y.device)
    path, trace, energy = odeint(
        slope, (y, zero, zero), span, method="rk4", options={"step_size": 1 / steps}
    )
    return base.log_prob(path[-1]) + trace[-1], energy[-1]
