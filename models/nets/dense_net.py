"""The dense network of score models and continuous flows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from msgen.models.coupling.density import columns


class DenseNet(nn.Module):
    """F(x, level, label): `layers` dense layers with SiLU, and a skip around each inner one.

    It sees angles as sin and cos only. A level is the noise σ of a score model or the time t of a
    continuous flow; a subclass says what the network is told of it, and what of the context.

    Parameters
    ----------
    periodic : sequence of bool, length d
    n_level, n_label : int
        Features of the level and of the label.
    layers, width : int
    """

    def __init__(
        self, periodic: Sequence[bool], n_level: int, n_label: int, layers: int, width: int
    ) -> None:
        super().__init__()
        self.linear, self.angles = columns(periodic)
        self.n_level = n_level
        self.n_seen = len(self.linear) + 2 * len(self.angles)
        self.first = nn.Linear(self.n_seen + n_level + n_label, width)
        self.inner = nn.ModuleList(nn.Linear(width, width) for _ in range(layers - 2))
        self.last = nn.Linear(width, len(periodic))

    @property
    def dense(self) -> list[nn.Linear]:
        """The inner layers."""
        return [layer for layer in self.inner if isinstance(layer, nn.Linear)]

    def dense_forward(self, seen: Tensor, level: Tensor, label: Tensor) -> Tensor:
        """F, shape (n, d), of what is seen of x and the features of level and label."""
        h = functional.silu(self.first(torch.cat((seen, level, label), dim=1)))
        for layer in self.inner:
            h = h + functional.silu(layer(h))
        out: Tensor = self.last(h)
        return out

    def seen(self, x: Tensor, c_in: Tensor) -> Tensor:
        """What the network is shown of x (n, d), linear columns times `c_in`."""
        if not len(self.angles):
            return c_in * x
        angles = x[:, self.angles]
        return torch.cat((c_in * x[:, self.linear], torch.sin(angles), torch.cos(angles)), dim=1)

    def level_features(self, level: Tensor) -> Tensor:
        """What the network is told of the level, shape (n, n_level), of levels (n, 1)."""
        raise NotImplementedError

    def label_features(self, context: Tensor | None, n: int) -> Tensor:
        """What the network is told of the context features (n, k) or of there being none."""
        raise NotImplementedError

    def affine(self, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """c_in, a and b in velocity = a x + b F at levels (1, 1); shapes (1, 1), (1, d), (1, d)."""
        raise NotImplementedError

    def reset(self, generator: torch.Generator) -> None:
        """Draw all weights anew; F begins near zero."""
        with torch.no_grad():
            for layer in (self.first, *self.dense, self.last):
                bound = 1 / math.sqrt(layer.in_features) * (0.01 if layer is self.last else 1.0)
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.uniform_(-bound, bound, generator=generator)
            # single precision from the start: a fit that changes nothing leaves the same bits
            self.float().double()
