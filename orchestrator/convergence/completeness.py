"""Basins that nobody has seen: what probes found, and what their number leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgen.orchestrator.convergence.base import Criteria
from msgen.orchestrator.estimators.completeness.unseen import Unseen

MOST_TOLD = 3
"""Basins that are told one by one."""


@dataclass(frozen=True)
class Missed:
    """A basin that production does not visit.

    Attributes
    ----------
    place : str
        In words.
    times : int
        Probes that ended in it.
    """

    place: str
    times: int


@dataclass(frozen=True)
class Completeness:
    """What probes that owe nothing to the model say of a campaign.

    Attributes
    ----------
    unseen : Unseen
    missed : sequence of Missed
    learnt : sequence of Missed
        Basins for which the campaign went back.
    about : mapping
        What else is told of the probes.
    left_out : str or None
        Why none can be made, in words.
    """

    unseen: Unseen
    missed: Sequence[Missed] = ()
    learnt: Sequence[Missed] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    left_out: str | None = None

    def unmet(self, asked: Criteria) -> list[str]:
        """Basins that production does not visit; then the bound, if one is asked for."""
        if asked.unseen is None:
            return []
        n, out = self.unseen.probes, []
        for one in self.missed[:MOST_TOLD]:
            out.append(
                f"{one.times} of {n} probes ended in a basin that production never visits, "
                f"near {one.place}"
            )
        if len(self.missed) > MOST_TOLD:
            out.append(f"and {len(self.missed) - MOST_TOLD} more such basins")
        if not isinstance(asked.unseen, str) and self.unseen.bound > asked.unseen:
            why = f"{n} probes" if self.left_out is None else self.left_out
            out.append(
                f"basins that nobody has seen may catch up to {100 * self.unseen.bound:.0f} % of "
                f"probes ({why}), asked {100 * asked.unseen:g} %"
            )
        return out

    def in_words(self) -> str:
        """What probes found, and what their number leaves open."""
        n = self.unseen.probes
        if self.left_out is not None:
            return f"no probes: {self.left_out}"
        if not n:
            return "no probe was made: nothing is known of basins that nobody has seen"
        met = f"{n} probes"
        if self.learnt:
            places = "; ".join(one.place for one in self.learnt[:MOST_TOLD])
            more = "" if len(self.learnt) <= MOST_TOLD else " …"
            number = "1 basin" if len(self.learnt) == 1 else f"{len(self.learnt)} basins"
            met += f", {number} learnt from them (near {places}{more})"
        if light := sum(self.about.get(name, 0) for name in ("proposed", "released")):
            met += f", {light} of them in basins of too little weight to be visited"
        bound = 100 * self.unseen.bound
        return f"{met}; basins that nobody has seen catch less than {bound:.2g} % of them (95 %)"

    def diagnostics(self, asked: Criteria) -> dict[str, Any]:
        """The probes, the basins they found, and the bound on what they did not find."""
        if asked.unseen is None:
            return {}
        out: dict[str, Any] = {
            "said": self.in_words(),
            "made": self.unseen.probes,
            "missed": [one.place for one in self.missed],
            "learnt": [one.place for one in self.learnt],
            "unseen": self.unseen.share,
            "unseen_bound": self.unseen.bound,
            **self.about,
        }
        if self.left_out is not None:
            out["left_out"] = self.left_out
        return out
