"""What a trap is, and the campaign of each strategy that is tried on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trials import Ended, Trial

Section = dict[str, Any]
Truth = Mapping[str, float]

LOCAL: Section = {"kind": "hmc", "steps": 5}
FLOW: Section = {"kind": "spline_flow", "transforms": 1, "hidden": [16], "epochs": 4}
STRATEGIES: dict[str, tuple[Section, Section | None]] = {
    "steered": ({"kind": "steered", "local": LOCAL}, FLOW),
    "umbrella": ({"kind": "umbrella", "seeds": "neighbour", "relax": 200, "local": LOCAL}, None),
    "flow_mcmc": ({"kind": "flow_mcmc", "local": LOCAL}, FLOW),
    "importance": ({"kind": "importance", "local": LOCAL}, FLOW),
    "targeted": ({"kind": "targeted", "local": LOCAL}, FLOW),
    "parallel_tempering": ({"kind": "parallel_tempering", "local": LOCAL}, None),
    "local": ({"kind": "local", "local": LOCAL}, None),
    "metadynamics": ({"kind": "metadynamics"}, None),
}
"""Strategy and a small model of each; what is not said is the default."""
OF_POTENTIALS = tuple(name for name in STRATEGIES if name != "metadynamics")
REPLICAS = {"umbrella": 4, "parallel_tempering": 8}
"""Where they are walkers of one window, or ladders; 64 of the others."""
SLOWER = {"umbrella": 2.0, "parallel_tempering": 2.0, "local": 2.0}
"""Budgets of those that nothing carries over barriers, or that sample at many places at once, where
nothing is hidden: in units of a trap's."""
ON_CONFIGURATIONS = ("flow_mcmc", "importance", "targeted")
CONVERGE: Section = {"state_error": "0.2 kT", "surface_error": "1 kT", "below": "4 kT"}


@dataclass(frozen=True)
class Trap:
    """A system with a known answer, and what may go unnoticed in it.

    Attributes
    ----------
    name : str
    what : str
        In words, for the table.
    system, cvs : mapping
        Sections of the campaign.
    truth : callable
        F of states against the first, kT; called once, it may take a quadrature.
    states : mapping or None
        None: the campaign has to find them.
    strategies : sequence of str
    hidden : bool
        Whether something that matters is hidden from the CVs: not to converge is no fault there.
    seeds : int
    truth_error : float
        Of `truth`, kT, where it is another simulation's.
    sections : mapping
        What else the campaign says, and what it says of a strategy, under its name: over the rest.
    evaluations : float
        Budget.
    judge : callable or None
        z of what a campaign found, where it is not that of `truth`.
    file : path or None
        A campaign of configs/ to run as it is, in place of the sections.
    """

    name: str
    what: str
    system: Mapping[str, Any]
    cvs: Mapping[str, Any]
    truth: Callable[[], Truth]
    states: Mapping[str, Any] | None
    strategies: Sequence[str] = OF_POTENTIALS
    hidden: bool = False
    seeds: int = 3
    truth_error: float = 0.0
    converge: Mapping[str, Any] = field(default_factory=lambda: CONVERGE)
    sections: Mapping[str, Any] = field(default_factory=dict)
    evaluations: float = 3e6
    judge: Callable[[Ended], list[float]] | None = None
    file: Path | None = None

    def z(self, ended: Ended, trial: Trial) -> list[float]:
        """(F − exact)/σ of all that a campaign found; inf where an error or a state is missing."""
        return ended.z(trial.truth, trial.truth_error) if self.judge is None else self.judge(ended)

    def campaign(self, strategy: str) -> Section:
        """The campaign file's content for one strategy."""
        section, model = STRATEGIES[strategy]
        more = 1.0 if self.hidden else SLOWER.get(strategy, 1.0)
        out: Section = {
            "name": self.name.replace("_", "-"),
            "system": dict(self.system),
            "cvs": dict(self.cvs),
            "strategy": dict(section),
            "replicas": REPLICAS.get(strategy, 64),
            "converge": dict(self.converge),
            "budget": {"energy_evaluations": int(more * self.evaluations), "wall": "4 h"},
        }
        if self.states is not None:
            out["states"] = dict(self.states)
        if model is not None:
            out["model"] = dict(model)
        own = dict(self.sections)
        for name in STRATEGIES:
            of_strategy = own.pop(name, {})
            if name == strategy:
                own |= of_strategy
        for key, value in own.items():
            merges = key in ("strategy", "converge", "budget")
            out[key] = {**out[key], **value} if merges else value
        return out

    def named(self, strategy: str) -> str:
        """The name of a trial."""
        return f"{self.name}-{strategy}"

    def trials(self) -> dict[str, Trial]:
        """One of each strategy, by name."""
        truth, found = self.truth(), {}
        for strategy in self.strategies:
            name = self.named(strategy)
            campaign = self.file or self.campaign(strategy)
            found[name] = Trial(name, campaign, truth, (), self.truth_error, apart=True)
        return found


def python(factory: str, **arguments: Any) -> Section:
    """A potential of `traps_cases.potentials`."""
    return {"kind": "python", "factory": f"traps_cases.potentials:{factory}",
            "arguments": arguments}  # fmt: skip


def coordinate(index: int, low: float, high: float, bins: int = 40) -> Section:
    """A CV that is one coordinate."""
    return {"kind": "coordinate", "index": index, "range": [low, high], "bins": bins}
