"""Coordinates that a campaign comes to move along, beside the CVs that it was given.

Where replicas of a state disagree in something watched, no further sampling along the CVs mends it.
With ``cvs: {extend: auto}`` the campaign begins anew with that coordinate among its CVs, not
reported, and what was sampled before is set aside: it was drawn by chains that did not mix.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from msgen.orchestrator.base import Cost, RoundInfo
from msgen.orchestrator.run_directory.events import EventLog
from msgen.systems.base import Array

BINS = 24
"""Along a coordinate that came."""
MARGIN = 0.25
"""Of the range that was seen, beyond either end: what lies there was not found yet."""

Section = Mapping[str, Any]


@dataclass(frozen=True)
class Extension:
    """One coordinate that came.

    Attributes
    ----------
    what : str
        As it is watched.
    name : str
        As a CV.
    section : Mapping
        Its `cvs:` section.
    cost : Cost
        Spent by then, over the whole campaign; its rounds say after which one it came.
    """

    what: str
    name: str
    section: Section
    cost: Cost

    @classmethod
    def of(
        cls, what: str, section: Section, seen: Array, cost: Cost, taken: Collection[str]
    ) -> Self:
        """From the `cvs:` section of something watched and the values of it that were seen.

        `taken` are the names of the CVs that there are.

        Raises
        ------
        ValueError
            If it needs a range and no two finite values were seen.
        """
        plain = re.sub(r"\W+", "_", what).strip("_")
        names = (plain, *(f"{plain}_{n}" for n in range(2, len(taken) + 3)))
        name = next(n for n in names if n not in taken)
        found: dict[str, Any] = {**section, "bins": BINS, "reported": False}
        if section["kind"] == "coordinate":
            low, high = _range(seen)
            found["range"] = [low, high]
        return cls(what, name, found, cost)

    @property
    def in_words(self) -> str:
        """For events, results and the report."""
        return f"states are sampled along {self.what} too since round {self.cost.rounds}"

    def write(self, events: EventLog) -> None:
        """Into the events, before anything is done about it."""
        about = {"what": self.what, "name": self.name, "section": dict(self.section)}
        events.write("extend", **about, cost=asdict(self.cost))

    @classmethod
    def read(cls, run_dir: Path) -> tuple[Self, ...]:
        """All that came to a run, in order."""
        found = EventLog(run_dir / "events.jsonl").read()
        return tuple(
            cls(e["what"], e["name"], e["section"], Cost(**e["cost"]))
            for e in found
            if e["event"] == "extend"
        )


def wanted(info: RoundInfo, candidates: Mapping[str, Section]) -> str | None:
    """The candidate in which replicas of a state disagree most, once samples count; or None."""
    if info.phase != "produce":
        return None
    hidden = info.estimate.diagnostics.get("hidden", {})
    return next((what for what in hidden.get("coordinates", ()) if what in candidates), None)


def _range(seen: Array) -> tuple[float, float]:
    finite = seen[np.isfinite(seen)]
    if not len(finite) or not np.ptp(finite) > 0:
        raise ValueError("nothing that varies was seen")
    margin = MARGIN * float(np.ptp(finite))
    return float(finite.min()) - margin, float(finite.max()) + margin
