"""How well chains have mixed: split R̂, and effective samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgen.orchestrator.convergence.base import Criteria, shown


@dataclass(frozen=True)
class RHat:
    """Split R̂.

    Attributes
    ----------
    values : Mapping of str to float
        Of every observable; where replicas are stratified, the worst over states of R̂ inside each.
    """

    values: Mapping[str, float]

    def unmet(self, asked: Criteria) -> list[str]:
        """Observables in which replicas differ."""
        if asked.r_hat is None:
            return []
        if not self.values:
            return ["split R̂ unknown"]
        return [
            f"{name}: split R̂ {shown(value, 3)}, asked {asked.r_hat:g}"
            for name, value in self.values.items()
            if not value <= asked.r_hat
        ]


@dataclass(frozen=True)
class EffectiveSamples:
    """The effective number of samples, of the slowest observable.

    Attributes
    ----------
    number : float
        NaN where unknown.
    what : str
        What is counted.
    where : str
        Of what it is the worst.
    """

    number: float
    what: str = "effective samples"
    where: str = ""

    def unmet(self, asked: Criteria) -> list[str]:
        """Too few of them."""
        if asked.ess is None or self.number >= asked.ess:
            return []
        return [f"{self.what} {shown(self.number, 0)}, asked {asked.ess:g}{self.where}"]
