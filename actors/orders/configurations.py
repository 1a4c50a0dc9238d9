"""Configurations that a fit of the windows' model learns from, and orders to read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.systems.base import Array

FREE = -1
"""In place of a window where nothing restrained a configuration."""


@dataclass(frozen=True)
class LabelledConfigurations:
    """Configurations in the coordinates of the model, by the window they were sampled in.

    Attributes
    ----------
    y : Array, shape (n, d)
    xi : Array, shape (n, C)
        Their CVs.
    window : int array, shape (n,)
        `FREE` for free sampling.
    """

    y: Array
    xi: Array
    window: NDArray[np.int64]

    @classmethod
    def empty(cls, dim: int) -> LabelledConfigurations:
        """None yet, of `dim` CVs."""
        return cls(np.zeros((0, 0)), np.zeros((0, dim)), np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.window)


@dataclass(frozen=True)
class RecallPayload:
    """What a file holds, as if it were free sampling.

    Attributes
    ----------
    file : str
        `strategy.training.file`.
    most : int
        Configurations at most, evenly over the file.
    """

    kind: ClassVar[str] = "recall"

    file: str
    most: int


@dataclass(frozen=True)
class RecallRecord:
    """What the file held."""

    recent: LabelledConfigurations
