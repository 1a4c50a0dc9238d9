"""The temporal U-Net of models of whole trajectories.

Residual blocks of two convolutions along time, two a level and two in the middle; down by a strided
convolution, up by a transposed one, skips between; the last level is not resampled. What it is told
of the noise level and of conditions enters every block.
Source: Janner et al., Planning with diffusion for flexible behavior synthesis (2022), app. C, with
kernels of 3 as Petersen, Roig and Covino, DynamicsDiffusion (2023), have them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from msgen.models.nets.temporal_blocks import ConvBlock, LinearAttention, ResidualBlock, hidden

Head = Literal["energy", "force"]

WAVELENGTHS = 1e4
"""Ratio of the longest to the shortest wave that tells the level."""


class TemporalUNet(nn.Module):
    """F(x, level, conditions) of a snippet x of shape (batch, time, channels).

    Parameters
    ----------
    channels : int
    conditions : int
        Numbers that a snippet is conditional on.
    width : int
        Channels of the first level, a multiple of 8.
    mults : sequence of int
        Channels of each level, in units of `width`.
    head : {'energy', 'force'}
        'energy': the net makes one number a frame and F is the gradient of their sum, so that the
        score is that of a density; 'force': F is what the net makes, which no density need have.
    attention : bool
        Linear self-attention at the end of each level.
    encoder_only : bool
        The energy is read at the last level, without a way up. For the head 'energy' alone.

    Raises
    ------
    ValueError
        For a force head without a way up.
    """

    def __init__(
        self,
        channels: int,
        conditions: int,
        width: int,
        mults: Sequence[int],
        head: Head,
        *,
        attention: bool = False,
        encoder_only: bool = False,
    ) -> None:
        super().__init__()
        if encoder_only and head == "force":
            raise ValueError("a force head needs the way up: one vector a frame")
        self.head, self.width = head, width
        self.stretch = 2 ** (len(mults) - 1)
        widths = [width * m for m in mults]
        deepest = widths[-1]

        def attend(n: int) -> LinearAttention | None:
            return LinearAttention(n) if attention else None

        self.level = nn.Sequential(
            nn.Linear(width, 4 * width), nn.Mish(), nn.Linear(4 * width, width)
        )
        self.about = (
            nn.Sequential(nn.Linear(conditions, 4 * width), nn.Mish(), nn.Linear(4 * width, width))
            if conditions
            else None
        )
        self.downs = nn.ModuleList(
            _Level(a, b, width, attend(b)) for a, b in pairwise((channels, *widths))
        )
        self.shrink = nn.ModuleList(nn.Conv1d(w, w, 3, 2, 1) for w in widths[:-1])
        self.middle = _Level(deepest, deepest, width, attend(deepest))
        ups = [] if encoder_only else list(pairwise(reversed(widths)))
        self.ups = nn.ModuleList(_Level(2 * a, b, width, attend(b)) for a, b in ups)
        self.grow = nn.ModuleList(nn.ConvTranspose1d(b, b, 4, 2, 1) for _, b in ups)
        end = deepest if encoder_only else width
        self.end = ConvBlock(end, end)
        self.last = nn.Conv1d(end, 1 if head == "energy" else channels, 1)

    def forward(
        self,
        x: Tensor,
        level: Tensor,
        conditions: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """F, shape (batch, time, channels), zero on padded frames.

        Parameters
        ----------
        x : Tensor, shape (batch, time, channels)
        level : Tensor, shape (batch,)
            Where among the noise levels it is, from 0 to about 1000.
        conditions : Tensor, shape (batch, k), or None
        mask : Tensor, shape (batch, time), or None
            1 on real frames and 0 on padded ones; None: all are real.
        """
        if self.head == "force":
            out = self.made(x, level, conditions, mask)
            return out if mask is None else out * mask[:, :, None]
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            seen = x if x.requires_grad else x.detach().requires_grad_()
            total = self.energies(seen, level, conditions, mask).sum()
            (slope,) = torch.autograd.grad(total, seen, create_graph=learning)
        return slope

    def energies(
        self,
        x: Tensor,
        level: Tensor,
        conditions: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """What F is the gradient of, shape (batch,), of an energy head."""
        return self.made(x, level, conditions, mask).sum(dim=(1, 2))

    def made(
        self, x: Tensor, level: Tensor, conditions: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        """What the last convolution makes, shape (batch, frames, its channels); padded ones 0."""
        length = x.shape[1]
        extra = -length % self.stretch
        if extra and mask is None:
            mask = x.new_ones(x.shape[:2])
        here = None if mask is None else functional.pad(mask, (0, extra))[:, None].to(x)
        h = functional.pad(x.transpose(1, 2), (0, extra))
        told = self._told(level, conditions)
        # a frame of a lower level is real where the frame that it stands upon is
        masks: list[Tensor | None] = [here]
        for _ in self.shrink:
            above = masks[-1]
            masks.append(None if above is None else above[:, :, ::2])
        skips: list[Tensor] = []
        for i, down in enumerate(self.downs):
            h = down(h, told, masks[i])
            skips.append(h)
            if i < len(self.shrink):
                h = self.shrink[i](hidden(h, masks[i]))
        h = self.middle(h, told, masks[-1])
        deep = len(masks) - 1
        for up, grow in zip(self.ups, self.grow, strict=True):
            h = up(torch.cat((h, skips.pop()), dim=1), told, masks[deep])
            h = grow(hidden(h, masks[deep]))
            deep -= 1
        out = hidden(self.last(self.end(h, masks[deep])), masks[deep])
        return out.transpose(1, 2)[:, :length]

    def _told(self, level: Tensor, conditions: Tensor | None) -> Tensor:
        """What every block is told, shape (batch, width)."""
        half = self.width // 2
        ranks = torch.arange(half, dtype=level.dtype, device=level.device)
        phase = level[:, None] * torch.exp(-math.log(WAVELENGTHS) / (half - 1) * ranks)
        waves = torch.cat((torch.sin(phase), torch.cos(phase)), dim=1)
        told: Tensor = self.level(waves.to(self.last.weight.dtype))
        if self.about is not None:
            assert conditions is not None
            told = told + self.about(conditions)
        return told


class _Level(nn.Module):
    """Two residual blocks, and attention where there is one."""

    def __init__(
        self, channels: int, out: int, told: int, attention: LinearAttention | None
    ) -> None:
        super().__init__()
        self.first = ResidualBlock(channels, out, told)
        self.second = ResidualBlock(out, out, told)
        self.attention = attention

    def forward(self, x: Tensor, told: Tensor, mask: Tensor | None) -> Tensor:
        h: Tensor = self.second(self.first(x, told, mask), told, mask)
        return h if self.attention is None else self.attention(h, mask)
