"""ln q of a model and its gradient in the configuration."""

from __future__ import annotations

import numpy as np

from msgen.models.base import GenerativeModel, Reparametrised
from msgen.systems.base import Array


def has_slope(model: GenerativeModel) -> bool:
    """Whether its density can be differentiated."""
    return isinstance(model, Reparametrised)


def log_prob_and_slope(model: GenerativeModel, y: Array) -> tuple[Array, Array]:
    """ln q(y), shape (n,), and ∂ln q/∂y, shape (n, d); 0 of a model that has none."""
    if not isinstance(model, Reparametrised) or not len(y):
        return model.log_prob(y), np.zeros_like(y)
    import torch  # which a model that is not trained needs not

    at = torch.tensor(np.asarray(y, dtype=np.float64), requires_grad=True)
    value = model.log_density(at)
    (slope,) = torch.autograd.grad(value.sum(), at)
    return value.detach().numpy(), slope.numpy()
