"""Orders of the Prober: walkers thrown about without the model's help, and where they end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.orders.proposals import DefendedSpec
from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array

Way = Literal["burst", "scatter", "push", "stay"]
"""Of a probe: heated; set down elsewhere along what may be hidden; pushed to a point of CV space;
or left where it is, as one that is looked at again."""


@dataclass(frozen=True)
class ProbePayload:
    """Probes, each from a walker of its own.

    Attributes
    ----------
    walkers : WalkerRows
        n of them.
    ways : tuple of str, length n
    targets : Array, shape (n, C)
        Where pushes aim.
    lower, upper : Array, shape (C,)
        Of the CVs' range.
    low, high : Array, shape (D,), or None
        Coordinates that walkers were seen at; None for atoms, whose torsions are turned instead.
    schedule : Schedule or None
        Of the pushes; None where none is made.
    readings : int
        Of what is watched, at the campaign's temperature, after each has relaxed.
    patience : int
        Times as long from one reading to the next.
    proposal : DefendedSpec or None
        What the ends are held against, None for nothing.
    """

    kind: ClassVar[str] = "probe"

    walkers: WalkerRows
    ways: tuple[Way, ...]
    targets: Array
    lower: Array
    upper: Array
    low: Array | None = None
    high: Array | None = None
    schedule: Schedule | None = None
    readings: int = 12
    patience: int = 1
    proposal: DefendedSpec | None = None


@dataclass(frozen=True)
class ProbeRecord:
    """Where the probes ended.

    Attributes
    ----------
    walkers : WalkerRows
    readings : Array, shape (n, m, C + H)
        CVs and what is watched but the energy, in the order of time; NaN of a probe that broke.
    energy : Array, shape (n, m)
        U/kT.
    flipped : tuple of str
        What has become another isomer, in words; empty where nothing has.
    log_weight : Array, shape (n,), or None
        ln ρ* − ln q at the ends; None where there is no q.
    """

    walkers: WalkerRows
    readings: NDArray[np.float32]
    energy: Array
    flipped: tuple[str, ...]
    log_weight: Array | None = None
