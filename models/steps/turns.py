"""Rotations as tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def turns(normal: Tensor) -> Tensor:
    """Uniform rotations, shape (n, 3, 3), of standard normal quaternions (n, 4)."""
    w, x, y, z = (normal / torch.linalg.norm(normal, dim=1, keepdim=True)).unbind(dim=1)
    rows = (
        torch.stack((1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)), dim=1),
        torch.stack((2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)), dim=1),
        torch.stack((2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)), dim=1),
    )
    return torch.stack(rows, dim=1)
