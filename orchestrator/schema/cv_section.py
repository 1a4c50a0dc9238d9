"""What the section of every kind of CV says of itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from msgen.orchestrator.schema.quantities import Interval, Section
from msgen.orchestrator.schema.units import Dimension


class CVSection(Section):
    """The section of one kind of CV: what it measures, and its axis of the surface.

    A plug-in derives from it, with a field ``kind: Literal["its_name"]``.
    """

    if TYPE_CHECKING:  # a field of each kind, after those of the axis

        @property
        def kind(self) -> str: ...

    range: Interval | None = None
    """[low, high] of the surface; needed where a CV is not periodic (for an angle 0 to 180°)."""
    bins: int = Field(default=36, ge=4, le=1000)
    """Bins of the surface along this CV."""
    reported: bool = True
    """false: the campaign moves along it as along the others, and surfaces and states are those of
    the other CVs, whatever this one does."""

    @property
    def dimension(self) -> Dimension:
        """What the CV measures; the unit of its range, its states and its width."""
        return "number"

    @property
    def is_periodic(self) -> bool:
        return False

    @property
    def bounds(self) -> tuple[float, float]:
        """Values the CV can take at all, internal units."""
        return (-math.inf, math.inf)
