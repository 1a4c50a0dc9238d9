"""Rows of draws in batches of one size, the same floats however many rows there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msgen.models.base import Array
from msgen.models.score.inpainting import inpaint
from msgen.models.score.keyed_noise import DrawKey, RowStreams
from msgen.models.score.samplers import Step, descend, normal
from msgen.models.trajectories.field import SnippetField

ROWS = 64
"""Rows of a batch."""


def in_batches(
    keys: Sequence[DrawKey],
    batch: int,
    draw: Callable[[NDArray[np.int64], RowStreams], Tensor],
) -> Array:
    """All rows, `batch` at a time.

    Parameters
    ----------
    keys : sequence of DrawKey
        One a row.
    batch : int
        What a network makes of a row depends, in the last bits, on the shape of its batch. Every
        batch has this many rows, the last filled up with its last row.
    draw : callable
        ``draw(rows, streams)``: what the rows of these indices are, shape (batch, …).
    """
    if not keys:
        raise ValueError("no draws are asked for")
    made = []
    for start in range(0, len(keys), batch):
        rows = np.minimum(np.arange(start, start + batch), len(keys) - 1)
        drawn = draw(rows, RowStreams([keys[i] for i in rows]))
        made.append(drawn[: len(keys) - start].cpu().numpy())
    return np.concatenate(made)


def draw_free(
    field: SnippetField,
    step: Step,
    steps: int,
    shape: tuple[int, int, int],
    about: Tensor | None,
    streams: RowStreams,
) -> Tensor:
    """Snippets from noise alone, of this shape."""
    x = start(field, shape, streams)
    return descend(step, field, x, about, field.noise.levels(steps), streams)


def draw_between(
    field: SnippetField,
    step: Step,
    steps: int,
    given: Tensor,
    fixed: Tensor,
    about: Tensor | None,
    streams: RowStreams,
    *,
    jump: int,
    repeats: int,
) -> Tensor:
    """Snippets that are `given` where they are `fixed`; see `msgen.models.score.inpainting`."""
    n, length, channels = given.shape
    x = start(field, (n, length, channels), streams)
    return inpaint(
        step,
        field,
        x,
        about,
        field.noise.levels(steps),
        streams,
        given=given,
        fixed=fixed,
        jump=jump,
        repeats=repeats,
    )


def draw_near(
    field: SnippetField,
    step: Step,
    steps: int,
    path: Tensor,
    fraction: float,
    about: Tensor | None,
    streams: RowStreams,
) -> Tensor:
    """Variations of snippets: noised a fraction of the way, and brought back."""
    levels = field.noise.levels(steps, fraction)
    x = path + float(levels[0]) * normal(path, streams)
    return descend(step, field, x, about, levels, streams)


def start(field: SnippetField, shape: tuple[int, int, int], streams: RowStreams) -> Tensor:
    """Snippets at the first level: noise about the mean of all data.

    That conditions move the mean is drowned here. What the net makes of no noise at all, which it
    has never seen at this level, would be no better a centre: an ε-prediction multiplies it by σ.
    """
    device = next(field.net.parameters()).device
    zero = torch.zeros(shape, dtype=torch.float64, device=device)
    return math.hypot(1, field.noise.start) * normal(zero, streams)
