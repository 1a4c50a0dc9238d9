"""Noise of which each row has its own stream: no draw depends on the rows beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from msgen.models.base import Array


class DrawKey(NamedTuple):
    """What names one draw: its random numbers are a function of nothing else.

    Attributes
    ----------
    key : int
        Of the campaign, or whatever seeds it.
    replica, step, attempt : int
        Who draws, how often it has drawn before, and how often this draw was made in vain.
    """

    key: int
    replica: int
    step: int = 0
    attempt: int = 0


class RowStreams:
    """The `msgen.models.score.samplers.Normals` of rows with a key each."""

    def __init__(self, keys: Sequence[DrawKey]) -> None:
        seeds = [np.random.SeedSequence(key, spawn_key=rest) for key, *rest in keys]
        self._rows = [np.random.Generator(np.random.PCG64(seed)) for seed in seeds]

    def standard_normal(self, size: tuple[int, ...]) -> Array:
        """Numbers of shape `size`, whose first entry is the number of rows."""
        if size[0] != len(self._rows):
            raise ValueError(f"{size[0]} rows are asked for of {len(self._rows)} streams")
        return np.stack([row.standard_normal(size[1:]) for row in self._rows])
