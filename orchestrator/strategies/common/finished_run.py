"""A finished campaign that another one begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msgen.orchestrator.base import Estimate
    from msgen.orchestrator.reporting.samples import Samples


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What its run directory tells.

    Attributes
    ----------
    name : str
        As the campaign that begins with it names it.
    kind : str
        Its strategy.
    sections : Mapping of str to object
        Its campaign, as `Campaign.to_dict` gives it.
    cvs : tuple of str
        Those that its samples have.
    status : str
    estimate : Estimate
    samples : Samples or None
        With their equilibrium weights; None where none are stored.
    borrowed : bool
        Whether its free energies are those of yet another run.
    """

    name: str
    kind: str
    sections: Mapping[str, Any]
    cvs: tuple[str, ...]
    status: str
    estimate: Estimate
    samples: Samples | None
    borrowed: bool = False
