"""The section of parallel tempering."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import (
    SEVERAL,
    AutoQuantity,
    plain_field,
    problem,
    read_positive,
)
from msgen.orchestrator.schema.units import Quantity
from msgen.orchestrator.strategies.base import StrategySection
from msgen.orchestrator.strategies.common.rounds import BLOCKS
from msgen.orchestrator.strategies.parallel_tempering import rules

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign

HIGHEST_OF_MOLECULES, HIGHEST = 2.5, 8.0
"""Highest temperature in units of the lowest, where the campaign names none."""


def _read_temperatures(value: object) -> object:
    if value == "auto":
        return value
    if isinstance(value, list | tuple) and len(value) > 1:
        return tuple(read_positive(v) for v in value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 1:
        return value
    raise problem(
        "is neither auto, a number of temperatures nor a list of them",
        "Write auto, 6, or [320 K, 400 K, 500 K]; [1, 2, 4] in units of kT for a potential",
    )


TemperaturesSpec = Annotated[
    Literal["auto"] | int | tuple[Quantity, ...],
    *plain_field(
        _read_temperatures,
        {
            "anyOf": [{"const": "auto"}, *SEVERAL["anyOf"]],
            "examples": ["auto", 6, ["320 K", "400 K", "500 K"], [1, 2, 4]],
        },
    ),
]
"""`auto`, a number of temperatures, or all of them; see `rules`."""

ADAPT_ROUNDS = 8
"""Rounds of the adaptation; the last ones are the ladder's way into equilibrium."""


class ParallelTempering(StrategySection):
    """Walkers at several temperatures that exchange; no model, no CV in any move."""

    defaults: ClassVar[Mapping[str, object]] = {"replicas": 8}

    stretches: ClassVar[int] = BLOCKS
    resizes: ClassVar[bool] = True
    kind: Literal["parallel_tempering"]
    temperatures: TemperaturesSpec = "auto"
    """auto: as many as neighbours need to exchange in 3 of 10 trials, placed by the energies seen;
    a number of them; or all, from the system's own (molecules) or from 1 (in units of kT)."""
    highest: AutoQuantity = "auto"
    """auto: 2.5 times the system's temperature; 8 (in units of kT) for an analytic system."""

    @property
    def uses_model(self) -> bool:
        return False

    def problems(self, campaign: Campaign) -> Iterator[Problem]:
        return rules.tempering_problems(campaign, self)

    def spec(self, campaign: Campaign) -> dict[str, Any]:
        """Temperatures in units of the system's own; 'kelvin' is that one, None without units."""
        kelvin = campaign.temperature_K
        lowest = kelvin or 1.0
        asked, highest = self.temperatures, self.highest
        default = HIGHEST_OF_MOLECULES if campaign.has_units else HIGHEST
        return {
            **super().spec(campaign),
            "temperatures": [q.value / lowest for q in asked]
            if isinstance(asked, tuple)
            else asked,
            "highest": highest.value / lowest if isinstance(highest, Quantity) else default,
            "kelvin": kelvin,
        }

    def replicas_in_words(self, campaign: Campaign) -> str:
        return f"{campaign.replicas} ladders, temperatures: {self._temperatures(campaign)}"

    def _temperatures(self, campaign: Campaign) -> str:
        spec = self.spec(campaign)
        asked, kelvin = spec["temperatures"], spec["kelvin"]

        def text(tau: float) -> str:
            return f"{tau:.4g} kT" if kelvin is None else f"{tau * kelvin:.4g} K"

        if isinstance(asked, list):
            return ", ".join(text(tau) for tau in asked)
        number = "as many as exchange well" if asked == "auto" else str(asked)
        return f"{number} from {text(1.0)} to {text(spec['highest'])}"

    def walkers(self, campaign: Campaign) -> int:
        temperatures = self.temperatures
        number = len(temperatures) if isinstance(temperatures, tuple) else temperatures
        return campaign.first_replicas * (2 if isinstance(number, str) else number)

    def least_adaptation(self, campaign: Campaign) -> int:
        return ADAPT_ROUNDS

    def round_in_words(self, campaign: Campaign) -> str:
        return f"10 times {super().round_in_words(campaign)} at each temperature"
