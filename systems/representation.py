"""Coordinates in which a model sees configurations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from msgen.systems.base import Array


class Representation(Protocol):
    """A map between configurations and the variables of a model."""

    @property
    def dim(self) -> int:
        """Variables."""
        ...

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Which of them are angles in [−π, π), length `dim`."""
        ...

    def encode(self, positions: Array) -> Array:
        """Shape (n, D) → (n, dim)."""
        ...

    def decode(self, y: Array, rng: np.random.Generator) -> Array:
        """Shape (n, dim) → (n, D); what the variables leave open is drawn."""
        ...


@dataclass(frozen=True)
class Cartesian:
    """The configuration itself; for analytic systems.

    Attributes
    ----------
    dim : int
    """

    dim: int

    @property
    def periodic(self) -> tuple[bool, ...]:
        """None is."""
        return (False,) * self.dim

    def encode(self, positions: Array) -> Array:
        """As it is."""
        return positions

    def decode(self, y: Array, rng: np.random.Generator) -> Array:
        """As it is."""
        return y
