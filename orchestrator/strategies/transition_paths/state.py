"""What a campaign of transition paths keeps between rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgen.actors.orders.proposals import BroadGaussian
from msgen.actors.orders.shooting import PathRows, ShotRows
from msgen.models.base import ModelState
from msgen.systems.base import Array


@dataclass(frozen=True, kw_only=True)
class PathState:
    """See the module.

    Attributes
    ----------
    round : int
        The one that comes next.
    phase : {'adapt', 'produce', 'done', 'exhausted'}
    doing : {'fit', 'shoot'}
    shot : int
        Rounds of shots of this phase.
    version : int
        Of the density, −1 for none.
    model : ModelState or None
    broad : BroadGaussian
        Beside it, frozen with it.
    paths : PathRows
        Of each replica.
    crossed : Array, shape (m, d)
        Frames of paths between the states, as the model sees them, which the next fit learns.
    shots : ShotRows
        Of production.
    tried : int
        Shots of the adaptation.
    """

    round: int = 0
    phase: Literal["adapt", "produce", "done", "exhausted"] = "adapt"
    doing: Literal["fit", "shoot"] = "fit"
    shot: int = 0
    version: int = -1
    model: ModelState | None = None
    broad: BroadGaussian
    paths: PathRows
    crossed: Array
    shots: ShotRows
    tried: int = 0

    @property
    def counted(self) -> bool:
        """Whether any shot counts."""
        return len(self.shots) > 0
