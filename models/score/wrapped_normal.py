"""The wrapped normal distribution: what Gaussian noise does to an angle.

Source: Jing et al., Torsional diffusion for molecular conformer generation (2022).
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

_BROAD = 5.0
"""Above, all but the first Fourier coefficient are below e^{−50}."""
_IMAGES = (-2, -1, 0, 1, 2)
_WAVES = (1, 2, 3, 4)
_BETWEEN = 1.5
"""Below, the images above reach 6 σ; beyond it the next wave is below e^{−28}."""
_POINTS = 512


def scaled_score(delta: Tensor, sigma: Tensor) -> Tensor:
    """∂_θ ln p(θ; σ) / n(σ) of the wrapped normal at θ = `delta`, of unit variance under it.

    Parameters
    ----------
    delta, sigma : Tensor
        Of shapes that broadcast; radians; any turn.
    """
    # −√2 sin θ is the limit of a broad one, where p itself is 1/2π to rounding
    limit = -math.sqrt(2) * torch.sin(delta)
    narrow = sigma.clamp(max=_BROAD)
    return torch.where(sigma < _BROAD, _score(delta, narrow) / torch.exp(_log_norm(narrow)), limit)


def score_norm(sigma: Tensor) -> Tensor:
    """n(σ) = √E[(∂_θ ln p)²], rad⁻¹: 1/σ for a narrow wrapped normal, √2 e^{−σ²/2} for a broad."""
    broad = math.sqrt(2) * torch.exp(-0.5 * sigma * sigma)
    narrow = torch.exp(_log_norm(sigma.clamp(max=_BROAD)))
    return torch.where(sigma < _BROAD, narrow, broad)


def _score(delta: Tensor, sigma: Tensor) -> Tensor:
    """∂_θ ln p: by images where it is narrow, by waves where it is broad."""
    delta = torch.remainder(delta + math.pi, 2 * math.pi) - math.pi
    narrow = sigma.clamp(max=_BETWEEN)
    turns = torch.stack([delta + 2 * math.pi * k for k in _IMAGES])
    images = torch.softmax(-0.5 * (turns / narrow) ** 2, dim=0)
    by_images = -(images * turns).sum(dim=0) / narrow**2
    broad = sigma.clamp(min=_BETWEEN)
    density, slope = torch.ones_like(delta), torch.zeros_like(delta)
    for k in _WAVES:
        wave = 2 * torch.exp(-0.5 * (k * broad) ** 2)
        density = density + wave * torch.cos(k * delta)
        slope = slope - k * wave * torch.sin(k * delta)
    return torch.where(sigma < _BETWEEN, by_images, slope / density)


_LOW, _ROWS = 0.3, 256


@cache
def _table() -> Tensor:
    """ln n(σ) at `_ROWS` levels from `_LOW` to `_BROAD`, by quadrature over the circle."""
    sigma = torch.linspace(_LOW, _BROAD, _ROWS, dtype=torch.float64)[:, None]
    theta = (torch.arange(_POINTS, dtype=torch.float64) + 0.5) / _POINTS * 2 * math.pi - math.pi
    k = torch.arange(1, 40, dtype=torch.float64)
    wave = torch.exp(-0.5 * (k * sigma) ** 2)
    density = (1 + 2 * wave @ torch.cos(k[:, None] * theta)) / _POINTS
    square = (density * _score(theta.expand(_ROWS, -1), sigma.expand(-1, _POINTS)) ** 2).sum(dim=-1)
    return 0.5 * torch.log(square)


def _log_norm(sigma: Tensor) -> Tensor:
    """ln n for σ ≤ `_BROAD`; below `_LOW` a wrapped normal is a normal and n = 1/σ."""
    place = ((sigma - _LOW) / (_BROAD - _LOW) * (_ROWS - 1)).clamp(0, _ROWS - 1)
    row = place.long().clamp(max=_ROWS - 2)
    table = _table().to(sigma)
    inside = torch.lerp(table[row], table[row + 1], place - row)
    return torch.where(sigma < _LOW, -torch.log(sigma), inside)
