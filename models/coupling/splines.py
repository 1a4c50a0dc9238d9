"""Monotone rational-quadratic splines on an interval and on the circle.

Between two knots (x₀, y₀), (x₁, y₁) with slopes d₀, d₁, s = (y₁−y₀)/(x₁−x₀) and t = (x−x₀)/(x₁−x₀),

    y = y₀ + (y₁−y₀)·[s t² + d₀ t(1−t)] / [s + (d₀+d₁−2s) t(1−t)]

Source: Durkan et al., Neural Spline Flows (2019), eqs. 4-7; on the circle the two end slopes are
one parameter, Rezende et al., Normalizing Flows on Tori and Spheres (2020), sec. 2.1.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

LINEAR_BOUND = 5.0
"""Splines on a line act on [−5, 5] and leave the rest as it is."""

_SLOPE_RANGE = -math.log(1e-3)


def wrap(angle: Tensor) -> Tensor:
    """The same angle in [−π, π); differentiable, slope 1."""
    turned = angle - 2 * math.pi * torch.floor((angle + math.pi) / (2 * math.pi))
    # rounding may leave an angle just below −π at +π itself
    return torch.where(turned >= math.pi, turned - 2 * math.pi, turned)


def linear_knots(raw: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Knots x, y and slopes, each (…, bins + 1), from raw (…, 3·bins − 1); end slopes are 1."""
    width, height, slope = raw[..., :bins], raw[..., bins : 2 * bins], raw[..., 2 * bins :]
    x, y = _edges(width, LINEAR_BOUND), _edges(height, LINEAR_BOUND)
    return x, y, torch.exp(functional.pad(_soft(slope, 1.0), (1, 1)))


def circular_knots(raw: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Knots x, y and slopes, each (…, bins + 1), from raw (…, 3·bins); the end slopes are equal."""
    width, height, slope = raw[..., :bins], raw[..., bins : 2 * bins], raw[..., 2 * bins :]
    slope = torch.exp(_soft(slope, 1.0))
    return (
        _edges(width, math.pi),
        _edges(height, math.pi),
        torch.cat((slope, slope[..., :1]), dim=-1),
    )


def spline(x: Tensor, kx: Tensor, ky: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """y(x) and ln dy/dx for x within the outer knots.

    Parameters
    ----------
    x : Tensor, shape (n, d)
    kx, ky, slopes : Tensor, shape (n, d, K + 1)
    """
    x0, x1, y0, y1, d0, d1 = _bin(x, kx, (kx, ky, slopes))
    height = y1 - y0
    s = height / (x1 - x0)
    t = (x - x0) / (x1 - x0)
    u = t * (1 - t)
    below = s + (d0 + d1 - 2 * s) * u
    y = y0 + height * (s * t * t + d0 * u) / below
    return y, _log_slope(s, t, d0, d1)


def spline_inverse(y: Tensor, kx: Tensor, ky: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """x(y), the stable root of the quadratic, and ln dy/dx there; shapes as in `spline`."""
    x0, x1, y0, y1, d0, d1 = _bin(y, ky, (kx, ky, slopes))
    height = y1 - y0
    s = height / (x1 - x0)
    rise = y - y0
    bend = rise * (d0 + d1 - 2 * s)
    a = height * (s - d0) + bend
    b = height * d0 - bend
    c = -s * rise
    root = torch.sqrt(torch.clamp(b * b - 4 * a * c, min=0.0))
    t = 2 * c / (-b - root)
    return x0 + t * (x1 - x0), _log_slope(s, t, d0, d1)


def _log_slope(s: Tensor, t: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
    u = t * (1 - t)
    below = s + (d0 + d1 - 2 * s) * u
    top = 2 * s * u + d0 * (1 - t) ** 2 + d1 * t * t
    return 2 * torch.log(s) + torch.log(top) - 2 * torch.log(below)


def _soft(raw: Tensor, factor: float) -> Tensor:
    # bounds the log of a slope or bin ratio at ln 1000, smoothly
    return raw / (1 + torch.abs(factor * raw) / _SLOPE_RANGE)


def _edges(raw: Tensor, bound: float) -> Tensor:
    inner = torch.cumsum(torch.softmax(_soft(raw, 2.0), dim=-1), dim=-1)[..., :-1]
    # the outer knots are exact, so that no x within the bound falls outside them by rounding
    return functional.pad(
        functional.pad(bound * (2 * inner - 1), (1, 0), value=-bound), (0, 1), value=bound
    )


def _bin(
    value: Tensor, edges: Tensor, knots: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    # comparing with the inner edges only keeps the index within 0 … K − 1
    k = (edges[..., 1:-1] <= value[..., None]).sum(dim=-1, keepdim=True)
    k = torch.cat((k, k + 1), dim=-1)
    x, y, d = (knot.gather(-1, k) for knot in knots)
    return x[..., 0], x[..., 1], y[..., 0], y[..., 1], d[..., 0], d[..., 1]
