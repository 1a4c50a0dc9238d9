"""Trajectories of a stationary Gaussian process, whose denoiser is known at every noise level."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import Array


class GaussianPaths:
    """AR(1) of unit variance, or of any covariance, as the velocity of a sampler.

    Snippets have shape (n, length, 1). With C = QΛQᵀ, D(x; σ) = QΛ(Λ + σ²)⁻¹Qᵀ x.

    Parameters
    ----------
    length : int
    decay : float
        Correlation of neighbouring frames.
    """

    def __init__(self, length: int, decay: float = 0.9) -> None:
        self.covariance = decay ** np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
        values, axes = np.linalg.eigh(self.covariance)
        self.values, self.axes = torch.as_tensor(values), torch.as_tensor(axes)
        self.calls = 0

    def velocity(self, x: Tensor, sigma: float, context: Tensor | None) -> Tensor:
        """dx/dσ = σ(C + σ²)⁻¹ x."""
        self.calls += 1
        rates = sigma / (self.values + sigma**2)
        return (((x[..., 0] @ self.axes) * rates) @ self.axes.T)[..., None]

    def flown(self, x: Tensor, start: float) -> Tensor:
        """Where the ODE leads x from σ = `start` to σ = 0."""
        shrink = torch.sqrt(self.values / (self.values + start**2))
        return (((x[..., 0] @ self.axes) * shrink) @ self.axes.T)[..., None]

    def between(self, given: dict[int, float]) -> tuple[Array, Array, Array]:
        """The frames that are free, their mean and their covariance, given the others' values."""
        held = np.array(list(given))
        free = np.setdiff1d(np.arange(len(self.covariance)), held)
        c = self.covariance
        gain = c[np.ix_(free, held)] @ np.linalg.inv(c[np.ix_(held, held)])
        left = c[np.ix_(free, free)] - gain @ c[np.ix_(held, free)]
        return free, gain @ np.array(list(given.values())), left
