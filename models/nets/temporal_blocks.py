"""What a temporal U-Net is made of: convolutions along time that see no padded frame.

Tensors have shape (batch, channels, time). A mask, shape (batch, 1, time), is 1 on real frames and
0 on padded ones; None: all are real.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 8
"""Of every normalisation."""
HEADS, HEAD_WIDTH = 4, 32
"""Of the attention."""


class MaskedGroupNorm(nn.GroupNorm):
    """Group normalisation whose mean and variance are those of the real frames."""

    def __init__(self, channels: int) -> None:
        super().__init__(GROUPS, channels)

    def among(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x normalised, shape (batch, channels, time); padded frames hold anything."""
        if mask is None:
            return functional.group_norm(x, GROUPS, self.weight, self.bias, self.eps)
        groups = x.reshape(len(x), GROUPS, -1, x.shape[-1])
        real = mask[:, :, None]
        count = groups.shape[2] * real.sum(dim=(2, 3), keepdim=True)
        mean = (groups * real).sum(dim=(2, 3), keepdim=True) / count
        off = groups - mean
        variance = (off * off * real).sum(dim=(2, 3), keepdim=True) / count
        scaled = (off * torch.rsqrt(variance + self.eps)).reshape(x.shape)
        return scaled * self.weight[:, None] + self.bias[:, None]


class ConvBlock(nn.Module):
    """Convolution of 3, group normalisation, Mish."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, out, 3, padding=1)
        self.norm = MaskedGroupNorm(out)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Shape (batch, out, time)."""
        return functional.mish(self.norm.among(self.conv(hidden(x, mask)), mask))


class ResidualBlock(nn.Module):
    """Two `ConvBlock` with what is told of level and conditions between them, and a way around."""

    def __init__(self, channels: int, out: int, told: int) -> None:
        super().__init__()
        self.first, self.second = ConvBlock(channels, out), ConvBlock(out, out)
        self.told = nn.Linear(told, out)
        self.around = nn.Conv1d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x: Tensor, told: Tensor, mask: Tensor | None) -> Tensor:
        """Shape (batch, out, time), of x and of `told` (batch, features)."""
        inner = self.first(x, mask) + self.told(functional.mish(told))[:, :, None]
        out: Tensor = self.second(inner, mask) + self.around(x)
        return out


class LinearAttention(nn.Module):
    """Self-attention along time at a price linear in it, added to what it is given.

    Source: Shen et al., Efficient attention: attention with linear complexities (2021), eq. 4, with
    the softmax of the queries left out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = HEADS * HEAD_WIDTH
        self.norm = nn.LayerNorm(channels)
        self.split = nn.Conv1d(channels, 3 * inner, 1, bias=False)
        self.join = nn.Conv1d(inner, channels, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Shape (batch, channels, time)."""
        n, _, time = x.shape
        normed = self.norm(x.transpose(1, 2)).transpose(1, 2)
        parts = self.split(normed).reshape(n, 3, HEADS, HEAD_WIDTH, time)
        query, key, value = parts.unbind(dim=1)
        if mask is not None:
            key = key.masked_fill(mask[:, :, None] == 0, -torch.inf)
        seen = torch.softmax(key, dim=-1) @ value.transpose(2, 3)
        found = seen.transpose(2, 3) @ query / HEAD_WIDTH**0.5
        out: Tensor = x + self.join(found.reshape(n, -1, time))
        return out


def hidden(x: Tensor, mask: Tensor | None) -> Tensor:
    """x with padded frames at zero, as a convolution sees what lies beyond the ends."""
    return x if mask is None else x * mask
