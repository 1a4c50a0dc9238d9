"""Continuous normalizing flows fitted by maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import FitReport, ModelState, Space
from msgen.models.continuous.config import ContinuousConfig
from msgen.models.continuous.model import ContinuousModel
from msgen.models.continuous.ode_likelihood import OdeLikelihood, log_likelihood
from msgen.models.training.fitting import minimise
from msgen.models.training.settings import Fit, Training

UPDATES = 300
"""Few: each one solves the ODE and its gradient."""


@dataclass(frozen=True, kw_only=True)
class CnfConfig(ContinuousConfig):
    """Beside the rest how the likelihood is computed during the fit.

    Attributes
    ----------
    divergence : str
        'exact' or 'hutchinson', of the training loss only.
    kinetic : float
        Weight of ∫|v|²dt / d in the training loss.
    """

    divergence: str
    kinetic: float


class ContinuousFlow(ContinuousModel):
    """v(x, t, c) by maximum likelihood through the ODE, solved in half as many steps as `sample`.

    Source: Chen et al., Neural ordinary differential equations (2018).
    """

    config: CnfConfig

    def noise(self, n: int, rng: np.random.Generator) -> Tensor:
        """n draws z of the base, shape (n, d)."""
        return torch.as_tensor(self._density.base.sample(n, rng))

    def push_noise(self, z: Tensor) -> Tensor:
        """x of z, shape (n, d), differentiable in the weights; angles in [−π, π)."""
        field = self._density.net.field()
        return self._finish(self._flow(field).push(z, field.embed(None, len(z))))

    def log_density(self, y: Tensor) -> Tensor:
        """ln q(y), shape (n,), differentiable: that of the ODE, `log_prob` to its step error."""
        density = self._density
        field = density.net.field()
        label = field.embed(None, len(y))
        v = density.to_unit(y)
        log_q, _ = log_likelihood(field, density.base, v, label, self.config.steps, None)
        return log_q + density.log_unit

    def _train(
        self, y: Tensor, seed: int, weights: Tensor | None, context: Tensor | None
    ) -> FitReport:
        density, config = self._density, self.config
        features = density.context_features(context)
        objective = OdeLikelihood(
            density.to_unit(y).float(),
            None if features is None else features.float(),
            density.base,
            float(density.log_unit),
            max(1, config.steps // 2),
            config.steps,
            config.divergence,
            config.kinetic,
        )
        # single precision halves the time of a fit; what comes out is used in double
        net = density.net.float()
        try:
            return minimise(
                net, objective, len(y), seed=seed, weights=weights, training=config.training
            )
        finally:
            net.double()

    @classmethod
    def from_state(cls, state: ModelState) -> ContinuousFlow:
        """The model `state` was taken from."""
        return cls(CnfConfig.from_json(state.config))._restore(state)


def build(
    space: Space,
    *,
    layers: int,
    width: int,
    steps: int,
    transform: str,
    divergence: str,
    kinetic: float,
    **fit: Unpack[Fit],
) -> ContinuousFlow:
    """One that is not yet fitted."""
    return ContinuousFlow(
        CnfConfig(
            kind="cnf",
            dim=space.dim,
            periodic=space.periodic,
            context_periodic=space.context_periodic,
            layers=layers,
            width=width,
            steps=steps,
            transform=transform,
            divergence=divergence,
            kinetic=kinetic,
            training=replace(Training.of(**fit), updates=UPDATES),
        )
    )
