"""A bijection between two arbitrary densities, both known by samples only.

The stochastic interpolant x_t = α x₀ + β x₁ + γ ζ joins samples of one end with samples of the
other; the flow of its mean velocity carries one density into the other. Taken in fixed steps it is
a bijection with an exact inverse and log-determinant however good the fit is, which is what
targeted free-energy perturbation needs (Jarzynski 2002): the fit decides the variance alone.
Source: Albergo, Boffi and Vanden-Eijnden, Stochastic interpolants: a unifying framework for flows
and diffusions (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array, FitReport, ModelState
from msgen.models.continuous.config import ContinuousConfig
from msgen.models.continuous.flow_matching import UPDATES
from msgen.models.continuous.interpolants import Interpolant, independent, optimal_transport
from msgen.models.continuous.matching import MatchingLoss
from msgen.models.continuous.model import times
from msgen.models.coupling.density import Standardised
from msgen.models.coupling.splines import wrap
from msgen.models.nets.velocity_net import VelocityNet
from msgen.models.score.probability_flow import ProbabilityFlow
from msgen.models.training.fitting import minimise
from msgen.models.training.settings import Training
from msgen.models.training.torch_model import chunks
from msgen.models.training.whitening import TRANSFORMS
from msgen.models.validation import check_rows, check_weights

TRAINING = Training(learning_rate=5e-3, batch=512, ema=0.995, updates=UPDATES, most_epochs=UPDATES)
"""That of flow matching by default."""


@dataclass(frozen=True, kw_only=True)
class TransportConfig(ContinuousConfig):
    """What a transport is made of, without its weights.

    Attributes
    ----------
    interpolant, coupling : str
        As of flow matching. Where a mode has to be split, paths of optimal transport part at an
        edge that no smooth velocity has: independent pairs then give the better density.
    noise : float
        Width of ζ half way, in units of the standardised ends; smooths the velocity of few samples.
    """

    kind: str = "transport"
    layers: int = 5
    width: int = 96
    steps: int = 16
    transform: str = "standardise"
    interpolant: str = "linear"
    coupling: str = "independent"
    noise: float = 0.1
    training: Training = TRAINING


class _Ends(nn.Module):
    """The velocity between the moments of both ends."""

    def __init__(self, config: TransportConfig) -> None:
        super().__init__()
        whiten = TRANSFORMS[config.transform]
        self.net = VelocityNet(config.periodic, 0, config.layers, config.width)
        self.source = Standardised(config.periodic, (), whiten)
        self.target = Standardised(config.periodic, (), whiten)


class Transport:
    """y = T(x), fitted so that samples of one density become samples of another.

    Each end is standardised by its own moments, so that an affine map is there before the fit.

    Parameters
    ----------
    config : TransportConfig
    """

    def __init__(self, config: TransportConfig) -> None:
        self.config, self.fitted = config, False
        with torch.random.fork_rng(devices=[]):
            self._ends = _Ends(config).double()
        self._ends.net.reset(torch.Generator().manual_seed(0))

    @classmethod
    def between(cls, periodic: Sequence[bool], **settings: Any) -> Transport:
        """A transport of variables, angles where `periodic`; settings as in `TransportConfig`."""
        angles = tuple(bool(p) for p in periodic)
        return cls(TransportConfig(dim=len(angles), periodic=angles, **settings))

    @property
    def dim(self) -> int:
        """d."""
        return self.config.dim

    def fit(
        self,
        x0: Array,
        x1: Array,
        *,
        seed: int,
        weights0: Array | None = None,
        weights1: Array | None = None,
        fresh: bool = False,
    ) -> FitReport:
        """Fit to weighted samples of both ends; deterministic in `seed`.

        A fitted transport goes on from its weights unless `fresh`, or unless an end has moved.

        Parameters
        ----------
        x0, x1 : Array, shapes (n₀, d) and (n₁, d)
        weights0, weights1 : Array, shapes (n₀,) and (n₁,), or None

        Raises
        ------
        ValueError
            For wrong shapes, values that are not finite, weights that cannot be, or fewer than 10
            samples of an end.
        """
        a, b = check_rows("x0", x0, self.dim), check_rows("x1", x1, self.dim)
        w0, w1 = check_weights(weights0, len(a)), check_weights(weights1, len(b))
        if len(a) < 10:
            raise ValueError(f"a fit needs at least 10 samples, got {len(a)}")
        ends = self._ends
        known = self.fitted and ends.source.fits(a, w0) and ends.target.fits(b, w1)
        if fresh or not known:
            ends.net.reset(torch.Generator().manual_seed(seed))
            ends.source.standardise(a, w0, None)
            ends.target.standardise(b, w1, None)
        angles = ends.source.angles
        joined = self.config.coupling == "optimal_transport"
        objective = MatchingLoss(
            ends.target.to_unit(torch.as_tensor(b)).float(),
            None,
            _resampled(ends.source.to_unit(torch.as_tensor(a)).numpy(), w0),
            Interpolant(self.config.interpolant, self.config.noise),
            optimal_transport(angles.numpy()) if joined else independent,
            angles,
        )
        net = ends.net.float()
        try:
            report = minimise(
                net,
                objective,
                len(b),
                seed=seed,
                weights=None if w1 is None else torch.as_tensor(w1),
                training=self.config.training,
            )
        finally:
            net.double()
        self.fitted = True
        return report

    def forward(self, x: Array) -> tuple[Array, Array]:
        """y = T(x) and ln|∂y/∂x|, shapes (n, d) and (n,); angles in [−π, π)."""
        flow = ProbabilityFlow.push_with_log_det
        return self._through(x, flow, self._ends.source, self._ends.target)

    def inverse(self, y: Array) -> tuple[Array, Array]:
        """x with T(x) = y and ln|∂x/∂y|; the inverse of the map itself, to rounding."""

        def pull(flow: ProbabilityFlow, v: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
            z, log_det = flow.pull(v, context)
            return z, -log_det

        return self._through(y, pull, self._ends.target, self._ends.source)

    def state(self) -> ModelState:
        """Config and float64 weights; `from_state` is the inverse, bit for bit."""
        arrays = {k: np.array(v.numpy()) for k, v in self._ends.state_dict().items()}
        return ModelState({**self.config.to_json(), "fitted": self.fitted}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Transport:
        """The transport `state` was taken from."""
        out = cls(TransportConfig.from_json(state.config))
        out._ends.load_state_dict({k: torch.tensor(v) for k, v in state.arrays.items()})
        out.fitted = bool(state.config["fitted"])
        return out

    def _through(
        self, rows: Array, way: _Way, start: Standardised, end: Standardised
    ) -> tuple[Array, Array]:
        values = check_rows("x", rows, self.dim)
        out, log_det = np.empty_like(values), np.empty(len(values))
        with torch.no_grad():
            field = self._ends.net.field()
            flow = ProbabilityFlow(field, times(self.config.steps))
            for part, _ in chunks(len(values), None, max(64, 8192 // self.dim)):
                v = start.to_unit(torch.as_tensor(values[part]))
                v, slope = way(flow, v, field.embed(None, len(v)))
                y = end.from_unit(v)
                y[:, end.angles] = wrap(y[:, end.angles])
                out[part] = y.numpy()
                log_det[part] = (slope + start.log_unit - end.log_unit).numpy()
        return out, log_det


_Way = Callable[[ProbabilityFlow, Tensor, Tensor | None], tuple[Tensor, Tensor]]


def _resampled(x: Array, weights: Array | None) -> Callable[[int, np.random.Generator], Array]:
    """Draws from the rows of `x` in proportion to their weights."""
    share = None if weights is None else np.cumsum(weights) / weights.sum()

    def draw(n: int, rng: np.random.Generator) -> Array:
        if share is None:
            return x[rng.integers(len(x), size=n)]
        index = np.searchsorted(share, rng.random(n), side="right").clip(max=len(x) - 1)
        return np.asarray(x[index])

    return draw
