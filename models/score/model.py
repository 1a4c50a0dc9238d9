"""Conditional score (diffusion) models with an exact density."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from msgen.models.base import Array, FitReport, ModelState, Space
from msgen.models.coupling.density import Standardised
from msgen.models.coupling.splines import wrap
from msgen.models.nets.score_net import ScoreNet
from msgen.models.score.config import STEPS, ScoreConfig
from msgen.models.score.field import ScoreField
from msgen.models.score.loss import DenoisingLoss, denoising_bound
from msgen.models.score.noise import Noise
from msgen.models.score.probability_flow import ProbabilityFlow, RungeKutta
from msgen.models.score.samplers import Guided, descend, heun_step, reverse_sde
from msgen.models.training.fitting import minimise
from msgen.models.training.settings import Auto, Fit, Training
from msgen.models.training.torch_model import TorchModel, chunks
from msgen.models.validation import check_rows
from msgen.systems.errors import SpecError

UPDATES = 4000
"""More, smaller steps than a flow's, the loss being noisy."""


class _Scored(Standardised):
    """The network beside the moments of its data."""

    def __init__(self, config: ScoreConfig) -> None:
        super().__init__(config.periodic, config.context_periodic)
        n_context = len(config.context_periodic) + sum(config.context_periodic)
        noise = Noise.of(config.noise, all(config.periodic))
        droppable = config.unconditional > 0
        self.net = ScoreNet(
            config.periodic, n_context, config.layers, config.width, noise, droppable
        )


class ScoreModel(TorchModel):
    """p(y|c) by denoising: y is noised to σ_max and a network learns the way back.

    `sample` follows the probability-flow ODE in fixed steps and `log_prob` is the exact density of
    that very map, whatever the steps and however well the network was fitted.

    Parameters
    ----------
    config : ScoreConfig
    """

    def __init__(self, config: ScoreConfig) -> None:
        self.config: ScoreConfig = config
        self.fitted = False
        with torch.random.fork_rng(devices=[]):
            self._density: _Scored = _Scored(config).double()
        self._reset(0)

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        context: Array | None = None,
        *,
        guidance: float = 1.0,
    ) -> Array:
        """n draws, shape (n, d); angles in [−π, π).

        Parameters
        ----------
        context : Array, shape (1, n_context) or (n, n_context), or None
            None draws without a label, from a model made with ``unconditional`` above 0.
        guidance : float
            Classifier-free guidance. For any value but 1 the draws are sharpened (or blurred) and
            `log_prob` is not their density.

        Raises
        ------
        ValueError
            For a context of the wrong shape, or guidance without a model for no label.
        """
        c = self._checked_context(context, n)
        if guidance != 1 and (c is None or not self.config.unconditional):
            raise ValueError("guidance needs a context and a model with unconditional above 0")
        z = torch.as_tensor(self._noise(n, rng))
        out = np.empty((n, self.dim))
        with torch.no_grad():
            field = ScoreField(self._density.net)
            for rows, part in chunks(n, c, self._chunk):
                features = self._density.context_features(part)
                out[rows] = self._finish(self._draw(field, z[rows], features, rng, guidance))
        return out

    def log_bound(self, y: Array, context: Array | None = None) -> Array:
        """A lower bound of ln q(y|c), shape (n,), up to a constant that all versions share.

        By denoising at fixed noise: cheap where `log_prob` is dear, see `denoising_bound`.
        """
        rows = check_rows("y", np.atleast_2d(y), self.dim)
        c = self._checked_context(context, len(rows))
        density, out = self._density, np.empty(len(rows))
        with torch.no_grad():
            field = ScoreField(density.net)
            for part_rows, part in chunks(len(rows), c):
                features = density.context_features(part)
                v = (torch.as_tensor(rows[part_rows]) - density.loc) / density.scale
                centre = self._centre(field, field.embed(features, len(v)))
                off = (v - centre)[:, density.linear] / self._spread
                bound = denoising_bound(density.net, v, features) - 0.5 * (off * off).sum(dim=-1)
                out[part_rows] = bound - torch.log(density.scale).sum()
        return out

    @classmethod
    def from_state(cls, state: ModelState) -> ScoreModel:
        """The model `state` was taken from."""
        return cls(ScoreConfig.from_json(state.config))._restore(state)

    def _draw(
        self,
        field: ScoreField,
        z: Tensor,
        features: Tensor | None,
        rng: np.random.Generator,
        guidance: float,
    ) -> Tensor:
        """Standardised draws from standardised noise z, shape (n, d)."""
        net, config, n = self._density.net, self.config, len(z)
        label = field.embed(features, n)
        centre = self._centre(field, label)
        slope = field if guidance == 1 else Guided(field, guidance, field.embed(None, n))
        steps = config.steps or STEPS[config.sampler]
        if config.sampler == "sde":
            scale, sigma, _, _ = net.noise.scale_and_level(float(net.noise.times(1)[0]))
            z[:, net.linear] *= math.hypot(1, sigma) / self._spread
            return reverse_sde(slope, scale * (centre + z), label, net.noise, steps, rng)
        if config.sampler == "heun":
            levels = net.noise.levels(steps)
            return descend(heun_step, slope, centre + z, label, levels, rng, config.churn)
        return RungeKutta(slope, net.noise.levels(steps)).push(centre + z, label)

    def _checked_context(self, context: Array | None, n: int) -> Array | None:
        if context is None and self.config.unconditional:
            return None
        return super()._checked_context(context, n)

    @property
    def _spread(self) -> float:
        """Standard deviation of the linear columns at the first level."""
        return math.sqrt(1 + self._density.net.noise.start**2)

    def _noise(self, n: int, rng: np.random.Generator) -> Array:
        linear, angles = self._density.linear.numpy(), self._density.angles.numpy()
        z = np.empty((n, self.dim))
        z[:, linear] = self._spread * rng.standard_normal((n, len(linear)))
        z[:, angles] = rng.uniform(-np.pi, np.pi, (n, len(angles)))
        return z

    def _centre(self, field: ScoreField, label: Tensor) -> Tensor:
        """The mean at the first level, D(0; σ, c), shape (n, d); 0 for angles."""
        zero = torch.zeros(len(label), self.dim, dtype=torch.float64)
        return field.denoise(zero, field.net.noise.start, label)

    def _finish(self, x: Tensor) -> Array:
        y = x * self._density.scale + self._density.loc
        y[:, self._density.angles] = wrap(y[:, self._density.angles])
        out: Array = y.numpy()
        return out

    def _log_density(self, y: Tensor, context: Tensor | None) -> Tensor:
        density, field = self._density, ScoreField(self._density.net)
        steps = self.config.steps if self.config.sampler == "ode" else None
        flow = ProbabilityFlow(field, field.net.noise.levels(steps or STEPS["ode"]))
        label = field.embed(density.context_features(context), len(y))
        z, log_det = flow.pull((y - density.loc) / density.scale, label)
        z = (z - self._centre(field, label))[:, density.linear] / self._spread
        n_linear, n_angles = len(density.linear), len(density.angles)
        constant = n_linear * math.log(self._spread) + 0.5 * n_linear * math.log(2 * math.pi)
        constant += n_angles * math.log(2 * math.pi) + float(torch.log(density.scale).sum())
        out: Tensor = -0.5 * (z * z).sum(dim=-1) - log_det - constant
        return torch.where(torch.isfinite(out), out, -torch.inf)

    def _train(
        self, y: Tensor, seed: int, weights: Tensor | None, context: Tensor | None
    ) -> FitReport:
        density = self._density
        features = density.context_features(context)
        objective = DenoisingLoss(
            ((y - density.loc) / density.scale).float(),
            None if features is None else features.float(),
            density.net.noise,
            density.angles,
            self.config.unconditional,
        )
        # single precision halves the time of a fit; what comes out is used in double
        net = density.net.float()
        try:
            return minimise(
                net, objective, len(y), seed=seed, weights=weights, training=self.config.training
            )
        finally:
            net.double()

    @property
    def _chunk(self) -> int:
        # tangents are d times as large as values
        return max(64, 8192 // self.dim)

    def _reset(self, seed: int) -> None:
        self._density.net.reset(torch.Generator().manual_seed(seed))


def build(
    space: Space,
    *,
    noise: str,
    layers: int,
    width: int,
    sampler: str,
    steps: Auto,
    churn: float,
    unconditional: float,
    **fit: Unpack[Fit],
) -> ScoreModel:
    """One that is not yet fitted; SpecError for settings that do not fit the space."""
    if noise == "vp" and any(space.periodic):
        what = "cannot noise a periodic variable: an angle has no scale to shrink"
        raise SpecError(("model", "noise"), noise, what, "Use edm or ve")
    if unconditional and not space.context_periodic:
        what = "has no meaning for a model without a context"
        raise SpecError(("model", "unconditional"), unconditional, what, "Leave it out")
    return ScoreModel(
        ScoreConfig(
            dim=space.dim,
            periodic=space.periodic,
            context_periodic=space.context_periodic,
            noise=noise,
            layers=layers,
            width=width,
            sampler=sampler,
            steps=None if steps == "auto" else steps,
            churn=churn,
            unconditional=unconditional,
            training=replace(Training.of(**fit), updates=UPDATES, most_epochs=UPDATES),
        )
    )
