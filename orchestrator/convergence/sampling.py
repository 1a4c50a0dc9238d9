"""How well chains have mixed: split R̂, and effective samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgen.orchestrator.convergence.base import Criteria, shown
from msgen.orchestrator.estimators.left_out import Bounded


@dataclass(frozen=True)
class RHat:
    """Split R̂.

    Attributes
    ----------
    values : Mapping of str to Bounded
        Of every observable; where replicas are stratified, the worst over states of R̂ inside each.
    """

    values: Mapping[str, Bounded]

    def unmet(self, asked: Criteria) -> list[str]:
        """Observables in which replicas differ, or may do so."""
        if asked.r_hat is None or not self.values:
            return self.ungrounded(asked)
        out = self.ungrounded(asked)
        for name, r_hat in self.values.items():
            if r_hat.value <= asked.r_hat and not r_hat.bound <= asked.r_hat:
                up_to = f"{r_hat.value:.3f}, up to {shown(r_hat.bound, 3)} by replicas left out"
                out.append(f"{name}: split R̂ {up_to}, asked {asked.r_hat:g}")
        return out

    def ungrounded(self, asked: Criteria) -> list[str]:
        """Observables in which replicas differ."""
        if asked.r_hat is None:
            return []
        if not self.values:
            return ["split R̂ unknown"]
        return [
            f"{name}: split R̂ {shown(r_hat.value, 3)}, asked {asked.r_hat:g}"
            for name, r_hat in self.values.items()
            if not r_hat.value <= asked.r_hat
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
