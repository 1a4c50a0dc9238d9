"""A continuous flow as a generative model with an exact density."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import Array
from msgen.models.continuous.components import Base, Field, Velocity
from msgen.models.continuous.config import ContinuousConfig
from msgen.models.coupling.density import Standardised, columns
from msgen.models.coupling.realnvp import n_features
from msgen.models.coupling.splines import wrap
from msgen.models.nets.velocity_net import VelocityNet
from msgen.models.score.probability_flow import ProbabilityFlow
from msgen.models.training.torch_model import TorchModel, chunks
from msgen.models.training.whitening import TRANSFORMS, Whitening

_Way = Callable[[Tensor, Field, Tensor | None], tuple[Tensor, Tensor]]


class StandardBase:
    """Standard normal on linear columns, uniform on [−π, π) on angles."""

    def __init__(self, periodic: Sequence[bool]) -> None:
        self.linear, self.angles = columns(periodic)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n draws, shape (n, d)."""
        z = np.empty((n, len(self.linear) + len(self.angles)))
        z[:, self.linear.numpy()] = rng.standard_normal((n, len(self.linear)))
        z[:, self.angles.numpy()] = rng.uniform(-np.pi, np.pi, (n, len(self.angles)))
        return z

    def log_prob(self, z: Tensor) -> Tensor:
        """ln q₀(z), shape (n,)."""
        normal = z[:, self.linear]
        constant = 0.5 * len(self.linear) + len(self.angles)
        out: Tensor = -0.5 * (normal * normal).sum(dim=-1) - constant * math.log(2 * math.pi)
        return out


class Flowing(Standardised):
    """A velocity and a base density beside the moments of the data."""

    def __init__(
        self,
        net: Velocity,
        base: Base,
        periodic: Sequence[bool],
        context_periodic: Sequence[bool],
        whiten: Whitening = False,
    ) -> None:
        super().__init__(periodic, context_periodic, whiten)
        self.net, self.base = net, base


class ContinuousModel(TorchModel):
    """q(y|c) of the flow dx/dt = v(x, t, c); subclasses say how v is fitted.

    `sample` follows v in fixed steps and `log_prob` is the exact density of that very map, whatever
    the steps and however well the network was fitted (`msgen.models.score.probability_flow`).

    Parameters
    ----------
    config : ContinuousConfig
    """

    def __init__(self, config: ContinuousConfig) -> None:
        self.config: ContinuousConfig = config
        self.fitted = False
        with torch.random.fork_rng(devices=[]):
            self._density: Flowing = self._make(config).double()
        self._reset(0)

    def _make(self, config: ContinuousConfig) -> Flowing:
        """The network, its base and its units; another velocity comes in here."""
        n_context = n_features(config.context_periodic)
        net = VelocityNet(config.periodic, n_context, config.layers, config.width)
        whiten = TRANSFORMS[config.transform]
        return Flowing(
            net, StandardBase(config.periodic), config.periodic, config.context_periodic, whiten
        )

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, d); angles in [−π, π). Context has one row, or n."""
        c = self._checked_context(context, n)
        density = self._density
        z = torch.as_tensor(density.base.sample(n, rng))
        out = np.empty((n, self.dim))
        with torch.no_grad():
            field = density.net.field()
            for rows, part in chunks(n, c, self._chunk):
                label = field.embed(density.context_features(part), len(z[rows]))
                out[rows] = self._finish(self._flow(field).push(z[rows], label)).numpy()
        return out

    def sample_with_log_prob(
        self, n: int, rng: np.random.Generator, context: Array | None = None
    ) -> tuple[Array, Array]:
        """The draws of `sample` with their ln q, shapes (n, d) and (n,).

        ln q comes with the way down, for about a third of what `log_prob` costs, and agrees with it
        to the tolerance of the inverse.
        """
        c = self._checked_context(context, n)
        density = self._density
        z = torch.as_tensor(density.base.sample(n, rng))
        out, log_q = np.empty((n, self.dim)), np.empty(n)
        with torch.no_grad():
            field = density.net.field()
            for rows, part in chunks(n, c, self._chunk):
                label = field.embed(density.context_features(part), len(z[rows]))
                v, log_det = self._flow(field).push_with_log_det(z[rows], label)
                log_q[rows] = density.base.log_prob(z[rows]) - log_det + density.log_unit
                out[rows] = self._finish(v).numpy()
        return out, log_q

    def to_latent(self, y: Array) -> tuple[Array, Array]:
        """z and ln|∂z/∂y| of y (n, d), shapes (n, d) and (n,); NaN where y is not finite."""

        def back(rows: Tensor, field: Field, label: Tensor | None) -> tuple[Tensor, Tensor]:
            z, log_det = self._flow(field).pull(self._density.to_unit(rows), label)
            z[:, self._density.angles] = wrap(z[:, self._density.angles])
            return z, self._density.log_unit - log_det

        return self._mapped(y, back)

    def from_latent(self, z: Array) -> tuple[Array, Array]:
        """The inverse of `to_latent`: y, angles in [−π, π), and ln|∂y/∂z|."""

        def there(rows: Tensor, field: Field, label: Tensor | None) -> tuple[Tensor, Tensor]:
            v, log_det = self._flow(field).push_with_log_det(rows, label)
            return self._finish(v), log_det - self._density.log_unit

        return self._mapped(z, there)

    def _mapped(self, rows: Array, way: _Way) -> tuple[Array, Array]:
        values = np.asarray(rows, dtype=np.float64)
        out, log_det = np.full(values.shape, np.nan), np.full(len(values), np.nan)
        finite = np.flatnonzero(np.isfinite(values).all(axis=1))
        with torch.no_grad():
            field = self._density.net.field()
            for part, _ in chunks(len(finite), None, self._chunk):
                here = finite[part]
                ends, slope = way(
                    torch.as_tensor(values[here]), field, field.embed(None, len(here))
                )
                out[here], log_det[here] = ends.numpy(), slope.numpy()
        return out, log_det

    def _log_density(self, y: Tensor, context: Tensor | None) -> Tensor:
        density = self._density
        field = density.net.field()
        label = field.embed(density.context_features(context), len(y))
        z, log_det = self._flow(field).pull(density.to_unit(y), label)
        out = density.base.log_prob(z) - log_det + density.log_unit
        return torch.where(torch.isfinite(out), out, -torch.inf)

    def _flow(self, field: Field) -> ProbabilityFlow:
        return ProbabilityFlow(field, times(self.config.steps))

    def _finish(self, v: Tensor) -> Tensor:
        y = self._density.from_unit(v)
        y[:, self._density.angles] = wrap(y[:, self._density.angles])
        return y

    @property
    def _chunk(self) -> int:
        # tangents are d times as large as values
        return max(64, 8192 // self.dim)

    def _reset(self, seed: int) -> None:
        self._density.net.reset(torch.Generator().manual_seed(seed))


def times(steps: int) -> Array:
    """steps + 1 times from noise to data."""
    return np.linspace(0.0, 1.0, steps + 1)
