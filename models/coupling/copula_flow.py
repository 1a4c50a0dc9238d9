"""A flow that has the marginals before it is trained, and learns what ties the variables together.

Each variable goes to a standard normal one by a map of its own, found from the data without
training (`msgen.models.coupling.marginals`); affine couplings
(`msgen.models.coupling.affine_coupling`) then learn the copula. Turned to principal axes, a density
with two modes has them along one variable, where such a map separates them exactly; a product
density needs no network at all. A pass costs a network of shifts and scales, a fraction of the
knots that a spline flow computes for every row.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array, FitReport, ModelState, Space
from msgen.models.coupling.affine_coupling import AffineCoupling, halves
from msgen.models.coupling.bijection import Bijection
from msgen.models.coupling.flow import FlowConfig, FlowModel
from msgen.models.coupling.marginals import Marginals
from msgen.models.coupling.normal_mixtures import NormalMixtures
from msgen.models.training.fitting import minimise
from msgen.models.training.settings import Auto, Fit, Training
from msgen.models.validation import no_angles, no_context

STRETCHES = 50
"""Of rows, some held out whole: a fit is short, and ends when it begins to learn the samples."""


class Copula(nn.Module):
    """Affine couplings, and the log-density that they give standard normal variables."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        # with one variable there is nothing to tie
        layers = halves(config.dim, config.transforms if config.dim > 1 else 0)
        self.layers = nn.ModuleList(
            AffineCoupling(config.dim, moved, 0, config.hidden) for moved in layers
        )

    def push(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """z and ln|∂z/∂u|, shapes (n, d) and (n,)."""
        log_det = u.new_zeros(len(u))
        for layer in self._at_work():
            u, part = layer(u, None)
            log_det = log_det + part
        return u, log_det

    def pull(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """u and ln|∂z/∂u| there, shapes (n, d) and (n,)."""
        log_det = z.new_zeros(len(z))
        for layer in reversed(self._at_work()):
            z, part = layer.inverse(z, None)
            log_det = log_det + part
        return z, log_det

    def place(self) -> None:
        """Make it the identity."""
        for layer in self.layers:
            assert isinstance(layer, AffineCoupling)
            layer.place()

    def _at_work(self) -> list[AffineCoupling]:
        return [la for la in self.layers if isinstance(la, AffineCoupling) and not la.idle]

    def forward(self, u: Tensor) -> Tensor:
        """ln of the density of u, shape (n,)."""
        z, log_det = self.push(u)
        out: Tensor = log_det - 0.5 * (z * z).sum(dim=-1) - 0.5 * z.shape[1] * math.log(2 * math.pi)
        return out


class CopulaBijection(Bijection):
    """Maps of single variables, then couplings; data to base."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.marginals = Marginals(config.dim, config.bins)
        self.copula = Copula(config)

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """z and ln|∂z/∂x|, shapes (n, d) and (n,)."""
        u, log_det = self.marginals(x)
        z, part = self.copula.push(u)
        return z, log_det + part

    def inverse(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """x and ln|∂z/∂x| there, shapes (n, d) and (n,)."""
        u, log_det = self.copula.pull(z)
        x, part = self.marginals.inverse(u)
        return x, log_det + part


@dataclass(frozen=True)
class _Tied:
    """−ln q of samples y whose marginal maps are done: u, and ln|∂u/∂y|."""

    u: Tensor
    log_det: Tensor

    def to(self, device: torch.device) -> _Tied:
        return _Tied(self.u.to(device), self.log_det.to(device))

    def __call__(self, net: nn.Module, index: Tensor, generator: torch.Generator | None) -> Tensor:
        out: Tensor = -net(self.u[index]) - self.log_det[index]
        return out


class CopulaFlow(FlowModel):
    """Marginal maps and affine couplings on R^d.

    With ``transform: auto`` the linear columns are turned to their principal axes where the product
    of the marginals is then denser on held-out data.
    """

    _placed = False

    def _bijection(self, config: FlowConfig) -> Bijection:
        return CopulaBijection(config)

    def _reset(self, seed: int) -> None:
        super()._reset(seed)
        self._placed = False

    def _train(
        self, y: Tensor, seed: int, weights: Tensor | None, context: Tensor | None
    ) -> FitReport:
        start = time.perf_counter()
        self._place(y, seed, None if weights is None else weights.numpy())
        with torch.no_grad():
            u, log_det = self._body.marginals(self._density.to_unit(y))
            losses = _Tied(u, log_det + self._density.log_unit)
        if self._body.copula.layers:
            return minimise(
                self._body.copula,
                losses,
                len(y),
                seed=seed,
                weights=weights,
                training=self.config.training,
            )
        every = losses(self._body.copula, torch.arange(len(y)), None)
        loss = float(np.average(every.numpy(), weights=weights))
        return FitReport(loss, loss, 0, time.perf_counter() - start)

    @property
    def _body(self) -> CopulaBijection:
        bijection = self._density.bijection
        assert isinstance(bijection, CopulaBijection)
        return bijection

    @torch.no_grad()
    def _place(self, y: Tensor, seed: int, weights: Array | None) -> None:
        """Maps of the data as they are now; beginning afresh, axes too, if that describes more."""
        going_on, known = self._placed, np.asarray(y)
        if going_on:
            self._map(y, weights)
            before = self._mean_log_q(y, weights)
            kept = {name: value.clone() for name, value in self._density.state_dict().items()}
            self._reset(seed)
            self._density.standardise(known, weights, None)
        if self.config.transform == "auto" and not self._better_turned(y, weights, seed):
            self._density.turn_back()
        self._body.copula.place()
        self._map(y, weights)
        if going_on and before >= self._mean_log_q(y, weights):
            self._density.load_state_dict(kept)
        self._placed = True

    def _map(self, y: Tensor, weights: Array | None) -> None:
        self._body.marginals.place(NormalMixtures.fit(self._density.to_unit(y).numpy(), weights))

    def _mean_log_q(self, y: Tensor, weights: Array | None) -> float:
        return float(np.average(self._log_density(y, None).numpy(), weights=weights))

    def _better_turned(self, y: Tensor, weights: Array | None, seed: int) -> bool:
        """Whether the marginals say more of held-out data along the principal axes."""
        held = np.random.default_rng(seed).random(len(y)) < 0.2
        known = slice(None) if weights is None else weights > 0
        if not (held[known].any() and (~held)[known].any()):
            return False
        turned = self._density.to_unit(y).numpy()
        straight = ((y - self._density.loc) / self._density.scale).numpy()
        gain = -float(torch.log(self._density.spread).sum())
        for sign, v in ((1, turned), (-1, straight)):
            fitted = NormalMixtures.fit(v[~held], None if weights is None else weights[~held])
            score = fitted.log_density(v[held])
            w = None if weights is None else weights[held]
            gain += sign * float(np.average(score, weights=w))
        return gain > 0

    def _restore(self, state: ModelState) -> Self:
        restored = super()._restore(state)
        restored._placed = restored.fitted
        return restored


def build(
    space: Space,
    *,
    transforms: Auto,
    hidden: Sequence[int],
    bins: int,
    transform: str,
    **fit: Unpack[Fit],
) -> CopulaFlow:
    """One that is not yet fitted; SpecError for angles or a context."""
    no_context("copula_flow", space)
    no_angles("copula_flow", space)
    return CopulaFlow(
        FlowConfig(
            kind="copula_flow",
            dim=space.dim,
            periodic=space.periodic,
            transforms=4 if transforms == "auto" else transforms,
            hidden=tuple(hidden),
            bins=bins,
            transform=transform,
            training=replace(Training.of(**fit), stretches=STRETCHES),
        )
    )
