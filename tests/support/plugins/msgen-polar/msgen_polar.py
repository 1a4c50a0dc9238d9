"""The CV `polar_angle`: the direction of a point in the plane of two coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.units import Dimension
from msgen.systems.kinds import CVKind, CVSite

if TYPE_CHECKING:
    import torch

    from msgen.systems import CV


class PolarAngleSection(CVSection):
    """atan2 of two coordinates of the configuration, in [−180°, 180°)."""

    kind: Literal["polar_angle"]
    along: list[int] = Field(default=[0, 1], min_length=2, max_length=2)
    """The coordinates, counted from 0."""

    @property
    def dimension(self) -> Dimension:
        return "angle"

    @property
    def is_periodic(self) -> bool:
        return True

    @property
    def bounds(self) -> tuple[float, float]:
        return (-math.pi, math.pi)


@dataclass(frozen=True)
class PolarAngle:
    """Differentiable, for a batch of configurations."""

    name: str
    along: tuple[int, int]
    periodic: bool = True
    unit: str = "rad"

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.along
        return x[:, b].atan2(x[:, a])


def _build(name: str, site: CVSite, *, along: list[int]) -> CV:
    first, second = along
    return PolarAngle(name, (first, second))


KIND = CVKind("polar_angle", _build, of="coordinates", section=PolarAngleSection)
