"""A normalising flow as a generative model: fitting, sampling, state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import Array, FitReport, ModelState
from msgen.models.config import ModelConfig
from msgen.models.coupling.bijection import Bijection
from msgen.models.coupling.density import StandardisedDensity
from msgen.models.training.fitting import NegativeLogLikelihood, minimise
from msgen.models.training.settings import Training
from msgen.models.training.torch_model import TorchModel, chunks
from msgen.models.training.whitening import TRANSFORMS


@dataclass(frozen=True, kw_only=True)
class FlowConfig(ModelConfig):
    """What a flow is made of.

    Attributes
    ----------
    transforms : int
        Layers.
    hidden : tuple of int
        Widths of the hidden layers of each.
    bins : int
        Pieces of one spline, for kinds that have some.
    transform : str
        Of the linear columns first, see `msgen.models.training.whitening`.
    """

    kind: str
    dim: int
    context_periodic: tuple[bool, ...] = ()
    transforms: int
    hidden: tuple[int, ...]
    bins: int
    # states from before there was a choice do not tell
    transform: str = "standardise"
    training: Training


class FlowModel(TorchModel):
    """A `GenerativeModel` made of a bijection; subclasses say which.

    Parameters
    ----------
    config : FlowConfig
    """

    def __init__(self, config: FlowConfig) -> None:
        self.config: FlowConfig = config
        self.fitted = False
        with torch.random.fork_rng(devices=[]):
            bijection = self._bijection(config)
        # a model of its own may choose between words of its own
        whiten = TRANSFORMS.get(config.transform, True)
        self._density: StandardisedDensity = StandardisedDensity(
            bijection, config.periodic, config.context_periodic, whiten
        ).double()
        self._density.requires_grad_(True)
        self._reset(0)

    def _bijection(self, config: FlowConfig) -> Bijection:
        raise NotImplementedError

    def noise(self, n: int, rng: np.random.Generator) -> Tensor:
        """n draws z of the base, shape (n, d)."""
        return self._density.base(n, rng)

    def push_noise(self, z: Tensor) -> Tensor:
        """x of z, shape (n, d), differentiable in the weights; angles in [−π, π)."""
        return self._density.push(z, None)

    def log_density(self, y: Tensor) -> Tensor:
        """ln q(y), shape (n,), differentiable."""
        return self._log_density(y, None)

    def to_latent(self, y: Array) -> tuple[Array, Array]:
        """z and ln|∂z/∂y| of y (n, d), shapes (n, d) and (n,); NaN where y is not finite."""
        rows = np.asarray(y, dtype=np.float64)
        z, log_det = np.full(rows.shape, np.nan), np.full(len(rows), np.nan)
        finite = np.flatnonzero(np.isfinite(rows).all(axis=1))
        with torch.no_grad():
            for part, _ in chunks(len(finite), None):
                here = finite[part]
                out, slope = self._density.latent(torch.as_tensor(rows[here]), None)
                z[here], log_det[here] = out.numpy(), slope.numpy()
        return z, log_det

    def from_latent(self, z: Array) -> tuple[Array, Array]:
        """The inverse of `to_latent`: y, angles in [−π, π), and ln|∂y/∂z|."""
        rows = np.asarray(z, dtype=np.float64)
        y, log_det = np.full(rows.shape, np.nan), np.full(len(rows), np.nan)
        finite = np.flatnonzero(np.isfinite(rows).all(axis=1))
        with torch.no_grad():
            for part, _ in chunks(len(finite), None):
                here = finite[part]
                out, slope = self._density.pushed(torch.as_tensor(rows[here]), None)
                y[here], log_det[here] = out.numpy(), -slope.numpy()
        return y, log_det

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, d); angles in [−π, π). Context has one row, or n."""
        return self.sample_with_log_prob(n, rng, context)[0]

    def sample_with_log_prob(
        self, n: int, rng: np.random.Generator, context: Array | None = None
    ) -> tuple[Array, Array]:
        """n draws as of `sample`, and ln q of them, shapes (n, d) and (n,)."""
        c = self._checked_context(context, n)
        z = self._density.base(n, rng)
        y, log_q = np.empty((n, self.dim)), np.empty(n)
        with torch.no_grad():
            for rows, part in chunks(n, c, self._chunk):
                out, log_det = self._density.pushed(z[rows], part)
                y[rows] = out.numpy()
                log_q[rows] = (self._density.log_base(z[rows]) + log_det).numpy()
        return y, log_q

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """The model `state` was taken from."""
        return cls(FlowConfig.from_json(state.config))._restore(state)

    def _train(
        self, y: Tensor, seed: int, weights: Tensor | None, context: Tensor | None
    ) -> FitReport:
        return minimise(
            self._density,
            NegativeLogLikelihood(y, context),
            len(y),
            seed=seed,
            weights=weights,
            training=self.config.training,
        )

    def _log_density(self, y: Tensor, context: Tensor | None) -> Tensor:
        out: Tensor = self._density(y, context)
        return out

    def _reset(self, seed: int) -> None:
        # layers construct themselves from torch's global generator: draw them again from seed
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for module in self._density.modules():
                weight = getattr(module, "weight", None)
                bound = 0.01 if weight is None else 1 / math.sqrt(weight.shape[-1])
                for parameter in module.parameters(recurse=False):
                    parameter.uniform_(-bound, bound, generator=generator)
