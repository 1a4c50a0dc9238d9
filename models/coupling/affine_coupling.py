"""Affine couplings: half of the variables are shifted and scaled by what the others are.

x_B ↦ x_B·exp s(x_A, c) + t(x_A, c), with s bounded, and the halves take turns (Dinh et al., Density
estimation using Real NVP, 2017). They begin as the identity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.coupling.mixed_flow import mlp

_MOST = 3.0
"""Bound of |s|."""


class AffineCoupling(nn.Module):
    """One layer that changes the variables `moved`, looking at the others.

    Parameters
    ----------
    dim : int
    moved : sequence of int
    n_context_features : int
    hidden : sequence of int
    """

    seen: Tensor
    moved: Tensor

    def __init__(
        self, dim: int, moved: Sequence[int], n_context_features: int, hidden: Sequence[int]
    ) -> None:
        super().__init__()
        seen = [i for i in range(dim) if i not in set(moved)]
        self.register_buffer("seen", torch.tensor(seen), persistent=False)
        self.register_buffer("moved", torch.tensor(list(moved)), persistent=False)
        self.net = mlp(len(seen) + n_context_features, hidden, 2 * len(moved))

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """z and ln|∂z/∂x|, shapes (n, d) and (n,)."""
        shift, log_scale = self._map(x, context)
        changed = x.index_select(1, self.moved) * torch.exp(log_scale) + shift
        return x.index_copy(1, self.moved, changed), log_scale.sum(dim=-1)

    def inverse(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """x and ln|∂z/∂x| there, shapes (n, d) and (n,)."""
        shift, log_scale = self._map(z, context)
        changed = (z.index_select(1, self.moved) - shift) * torch.exp(-log_scale)
        return z.index_copy(1, self.moved, changed), log_scale.sum(dim=-1)

    @torch.no_grad()
    def place(self) -> None:
        """Make it the identity."""
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        last.weight.zero_()
        last.bias.zero_()

    @property
    def idle(self) -> bool:
        """Whether it is the identity, as before training; training must see it all the same."""
        last = self.net[-1]
        assert isinstance(last, nn.Linear)
        return not torch.is_grad_enabled() and not (last.weight.any() or last.bias.any())

    def _map(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        seen = x.index_select(1, self.seen)
        out = self.net(seen if context is None else torch.cat((seen, context), dim=-1))
        shift, raw = out.chunk(2, dim=-1)
        return shift, raw / (1 + torch.abs(raw) / _MOST)


def halves(dim: int, layers: int) -> list[list[int]]:
    """The variables that each layer moves; two layers move all, the split changes every two."""
    shuffle = np.random.default_rng(0)
    order = np.arange(dim)
    moved = []
    for i in range(layers):
        if i and i % 2 == 0:
            order = shuffle.permutation(dim)
        half = order[::2] if i % 2 else order[1::2]
        moved.append(sorted(int(j) for j in half))
    return moved
