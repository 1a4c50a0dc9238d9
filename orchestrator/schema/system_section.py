"""What the `system:` section of every kind says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from msgen.orchestrator.schema import units
from msgen.orchestrator.schema.quantities import Section

TIMESTEP, FRICTION = 0.02, 1.0
"""Of a system without units that leaves them open."""


class SystemSection(Section):
    """The `system:` section of one kind: its keys and their defaults.

    A plug-in derives from it, with a field ``kind: Literal["its_name"]``.
    """

    if TYPE_CHECKING:  # a field of each kind, at its own place among the others

        @property
        def kind(self) -> str: ...

    @property
    def temperature_K(self) -> float | None:
        """None for a system without units."""
        return None

    @property
    def own_step(self) -> tuple[float, float]:
        """Time step and friction of dynamics where the strategy leaves them to the system."""
        return TIMESTEP, FRICTION

    @classmethod
    def kT_of(cls, given: Mapping[str, Any]) -> float | None:
        """kJ/mol per kT, of a section as a file has it, not validated yet.

        None where it cannot be told, and for a system without units: free energies of its
        campaigns are in kT only.
        """
        return None


class MolecularSection(SystemSection):
    """What molecules and clusters have: a temperature, and perhaps bonds that may be rigid."""

    if TYPE_CHECKING:  # fields of each kind, at their own places

        @property
        def temperature(self) -> float: ...
        @property
        def timestep(self) -> float: ...
        @property
        def friction(self) -> float: ...

    @property
    def temperature_K(self) -> float | None:
        """Of the thermostat."""
        return self.temperature

    @property
    def own_step(self) -> tuple[float, float]:
        """The system's own."""
        return self.timestep, self.friction

    @classmethod
    def kT_of(cls, given: Mapping[str, Any]) -> float | None:
        """Of a `temperature` with its unit."""
        try:
            temperature = units.parse(given.get("temperature"), "temperature")
        except units.UnitError:
            return None
        return units.GAS_CONSTANT * temperature or None

    @field_validator("constraints", mode="before", check_fields=False)
    @classmethod
    def _none_word(cls, value: Any) -> Any:
        return "None" if value is None or value == "none" else value
