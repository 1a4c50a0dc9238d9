"""Frames as a network sees them: standardised, angles by sine and cosine."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from msgen.models.base import Array, Space
from msgen.models.coupling.density import columns
from msgen.models.trajectories.data import TrainingTrajectories

MOVED, WIDENED = 0.5, 1.5
"""Data whose channels have moved or spread further than this need a new standardisation."""


class Channels(nn.Module):
    """Shift and scale of channels and conditions, kept with the weights.

    The channels of a frame are its linear columns, then the sines and then the cosines of its
    angles, all with mean 0 and variance 1 over the data.

    Parameters
    ----------
    space : Space
        Its context are the conditions.
    """

    loc: Tensor
    scale: Tensor
    about_loc: Tensor
    about_scale: Tensor
    largest: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__()
        linear, angles = columns(space.periodic)
        self.linear, self.angles = linear.numpy(), angles.numpy()
        self.count = len(self.linear) + 2 * len(self.angles)
        for name, n in (("", self.count), ("about_", len(space.context_periodic))):
            self.register_buffer(f"{name}loc", torch.zeros(n, dtype=torch.float64))
            self.register_buffer(f"{name}scale", torch.ones(n, dtype=torch.float64))
        self.register_buffer("largest", torch.zeros((), dtype=torch.float64))

    def learn(self, data: TrainingTrajectories) -> None:
        """Take shift and scale, weighted by frames, and the largest jump of the data."""
        loc, scale = _moments(data, [self._raw(y) for y in data.frames])
        self.loc.copy_(torch.as_tensor(loc))
        self.scale.copy_(torch.as_tensor(scale))
        if data.conditions is not None:
            loc, scale = _moments(data, [c[None] for c in data.conditions])
            self.about_loc.copy_(torch.as_tensor(loc))
            self.about_scale.copy_(torch.as_tensor(scale))
        self.largest.zero_()
        self.reach(data)

    def reach(self, data: TrainingTrajectories) -> None:
        """Let the largest jump be no less than that of these data."""
        jumps = [self.jumps(y[None]).max() for y in data.frames]
        self.largest.fill_(max(float(self.largest), *jumps))

    def fits(self, data: TrainingTrajectories) -> bool:
        """Whether the data lie within what shift and scale were made for."""
        loc, scale = _moments(data, [self.encode(y) for y in data.frames])
        moved, widened = np.abs(loc).max(), np.abs(np.log(scale)).max()
        return bool(moved < MOVED and widened < np.log(WIDENED))

    def encode(self, y: Array) -> Array:
        """Channels, shape (…, channels), of frames y (…, d)."""
        return np.asarray((self._raw(y) - self.loc.numpy()) / self.scale.numpy())

    def decode(self, x: Array) -> Array:
        """The inverse of `encode`; angles in [−π, π), by the direction of sine and cosine."""
        raw = x * self.scale.numpy() + self.loc.numpy()
        n, m = len(self.linear), len(self.angles)
        out = np.empty((*x.shape[:-1], n + m))
        out[..., self.linear] = raw[..., :n]
        angle = np.arctan2(raw[..., n : n + m], raw[..., n + m :])
        out[..., self.angles] = np.where(angle == np.pi, -np.pi, angle)
        return out

    def about(self, conditions: Array) -> Array:
        """Conditions standardised, shape (n, k)."""
        return np.asarray((conditions - self.about_loc.numpy()) / self.about_scale.numpy())

    def jumps(self, y: Array) -> Array:
        """How far apart neighbouring frames are in the channels, shape (n, L − 1); y (n, L, d)."""
        return np.asarray(np.linalg.norm(np.diff(self.encode(y), axis=1), axis=-1))

    def _raw(self, y: Array) -> Array:
        angles = y[..., self.angles]
        parts = (y[..., self.linear], np.sin(angles), np.cos(angles))
        return np.concatenate(parts, axis=-1)


def _moments(data: TrainingTrajectories, values: list[Array]) -> tuple[Array, Array]:
    """Mean and standard deviation over all rows of `values`, shapes (c,); 1 for a constant.

    One array of rows for each trajectory, each row with its weight.
    """
    weights = np.ones(len(values)) if data.weights is None else data.weights
    w = np.repeat(weights, [len(v) for v in values])
    rows = np.concatenate(values)
    loc = w @ rows / w.sum()
    scale = np.sqrt(w @ (rows - loc) ** 2 / w.sum())
    constant = scale <= 1e-9 * (1 + np.abs(loc))
    return np.asarray(loc), np.where(constant, 1.0, scale)
