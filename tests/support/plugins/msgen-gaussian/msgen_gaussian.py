"""The model `one_gaussian`: a normal density with the mean and the spread of the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from msgen.models.base import FitReport, Json, ModelState, Space
from msgen.models.config import number
from msgen.models.kinds import ModelKind
from msgen.orchestrator.schema.models import ModelSection

Array = NDArray[np.float64]


class OneGaussianSection(ModelSection):
    """A normal density with the mean of the data and a multiple of their spread."""

    angles = False
    context = False

    kind: Literal["one_gaussian"]
    widen: float = Field(default=1.2, gt=0)
    """Its spread over that of the data."""


@dataclass
class OneGaussian:
    """A normal density, every variable by itself."""

    dim: int
    widen: float
    mean: Array = field(default_factory=lambda: np.zeros(1))
    std: Array = field(default_factory=lambda: np.ones(1))

    def fit(
        self,
        data: Array,
        *,
        seed: int,
        weights: Array | None = None,
        context: Array | None = None,
        fresh: bool = False,
    ) -> FitReport:
        """Moments of the data; nothing is trained."""
        self.mean = np.average(data, axis=0, weights=weights)
        square = np.average((data - self.mean) ** 2, axis=0, weights=weights)
        self.std = self.widen * np.sqrt(square)
        loss = -float(self.log_prob(data).mean())
        return FitReport(loss, loss, 1, 0.0)

    def sample(self, n: int, rng: np.random.Generator, context: Array | None = None) -> Array:
        """n draws, shape (n, D)."""
        return self.mean + self.std * rng.standard_normal((n, self.dim))

    def log_prob(self, y: Array, context: Array | None = None) -> Array:
        """ln q of its own draws, exactly, shape (n,)."""
        t = (y - self.mean) / self.std
        each = -0.5 * t**2 - np.log(self.std) - 0.5 * np.log(2 * np.pi)
        return np.asarray(each.sum(axis=1))

    def state(self) -> ModelState:
        """All that is needed to build it elsewhere, bit for bit."""
        config: dict[str, Json] = {"kind": "one_gaussian", "widen": self.widen}
        return ModelState(config, {"mean": self.mean, "std": self.std})


def _build(space: Space, *, widen: float) -> OneGaussian:
    return OneGaussian(space.dim, widen)


def _load(state: ModelState) -> OneGaussian:
    mean, std = state.arrays["mean"], state.arrays["std"]
    return OneGaussian(len(mean), number(state.config, "widen"), mean, std)


KIND = ModelKind("one_gaussian", _build, _load, OneGaussianSection)
