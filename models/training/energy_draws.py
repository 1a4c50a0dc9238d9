"""Draws of a model and what an energy says of them, as training on an energy needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msgen.models.base import Array, Reparametrised

Energy = Callable[[Array], tuple[Array, Array]]
"""Reduced energy u = U/kT of rows (n, d), shape (n,), and its gradient, shape (n, d)."""

MEMORY = 32
"""Batches of draws that can be recalled."""


@dataclass(frozen=True)
class Drawn:
    """A batch of draws: ln q and its slope in x, reduced energies and their slope; finite rows."""

    x: Array
    log_q: Array
    slope: Tensor
    u: Array
    force: Array
    good: NDArray[np.bool_]

    @classmethod
    def by(cls, model: Reparametrised, energy: Energy, y: Tensor) -> Drawn:
        """The batch y (n, d) of `model`, each row evaluated once."""
        x = y.detach().requires_grad_(True)
        log_q = model.log_density(x)
        (slope,) = torch.autograd.grad(log_q.sum(), x)
        rows = np.asarray(x.detach().cpu().numpy(), dtype=np.float64)
        u, force = energy(rows)
        good = np.isfinite(u) & np.isfinite(force).all(axis=1)
        u, force = np.where(good, u, 0.0), np.where(good[:, None], force, 0.0)
        return cls(rows, log_q.detach().cpu().numpy(), slope, u, force, good)

    @property
    def bad(self) -> int:
        """Rows whose energy is not finite."""
        return int(np.count_nonzero(~self.good))

    def pull(self, tau: float, tail: float) -> tuple[float, Tensor, float]:
        """Mean loss, its derivative by each draw (0 for a bad one), and the clipped share."""
        u, force, n = self.u / tau, self.force / tau, max(1, len(self.u) - self.bad)
        top = (float(np.median(u[self.good])) if self.good.any() else 0.0) + tail
        beyond = np.maximum(u - top, 0.0)
        # above `top` u grows as ln(1 + u − top), and its slope falls as 1/(1 + u − top)
        force = force / (1.0 + beyond)[:, None]
        u = np.minimum(u, top) + np.log1p(beyond)
        mask = torch.as_tensor(self.good, device=self.slope.device)[:, None]
        slope = self.slope + torch.as_tensor(force, device=self.slope.device)
        loss = float(np.sum(np.where(self.good, u + self.log_q, 0.0)) / n)
        return loss, torch.where(mask, slope, 0.0) / n, float(np.mean(beyond > 0))


class Recalled:
    """The draws of the last `MEMORY` batches, in proportion to their weights at τ."""

    def __init__(self, batch: int, rng: np.random.Generator) -> None:
        self._batch, self._rng = batch, rng
        self._kept: list[Drawn] = []

    def next(self, drawn: Drawn, tau: float) -> Tensor:
        """Take in a batch, and give one of the same size."""
        self._kept = [*self._kept, drawn][-MEMORY:]
        good = np.concatenate([k.good for k in self._kept])
        log_w = np.concatenate([-k.u / tau - k.log_q for k in self._kept])
        w = np.where(good, np.exp(log_w - log_w[good].max(initial=-np.inf)), 0.0)
        if not good.any():
            return torch.as_tensor(drawn.x)
        # truncated (Ionides, J. Comput. Graph. Stat. 17, 295, 2008): one draw must not be all
        w = np.minimum(w, w.sum() / np.sqrt(len(w)))
        cumulated = np.cumsum(w)
        at = np.searchsorted(cumulated, self._rng.random(self._batch) * cumulated[-1])
        x = np.concatenate([k.x for k in self._kept])
        return torch.as_tensor(x[np.minimum(at, len(x) - 1)])
