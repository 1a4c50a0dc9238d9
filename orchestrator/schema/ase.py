"""The `system:` section of what a calculator of ASE's computes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from msgen.orchestrator.schema.quantities import (
    Length,
    Rate,
    Section,
    Temperature,
    Time,
    problem,
)
from msgen.orchestrator.schema.system_section import MolecularSection


class ASECalculator(Section):
    """A calculator: one that ASE knows by name, or what a function of your own returns."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z_]\w*$")
    """As ASE calls it: emt, lj, tblite, gpaw, mace_mp …"""
    factory: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """``package.module:function``, which returns one; instead of `name`."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Given to it by name; a text that names a file beside the campaign is given as its path."""

    @model_validator(mode="after")
    def _one(self) -> ASECalculator:
        if (self.name is None) == (self.factory is None):
            what = "are both given" if self.name else "neither is given"
            raise problem(f"name and factory: {what}", "Give one of the two", at=("name",))
        return self


class ASESystem(MolecularSection):
    """A cluster or a molecule in vacuum, its energy from any calculator of ASE's."""

    kind: Literal["ase"]
    structure: str
    """Starting structure, XYZ or another file that ASE reads; PDB keeps names and bonds."""
    calculator: ASECalculator
    temperature: Temperature
    """Temperature with its unit, like 300 K."""
    timestep: Time = 0.002
    """Of Langevin dynamics; where the tuning of the other local moves begins."""
    friction: Rate = 1.0
    charge: int = 0
    """Of the whole system, in e."""
    spin: int | None = Field(default=None, ge=0)
    """Number of unpaired electrons; by default as the calculator has it."""
    confine: Length | None = None
    """Radius about the centre beyond which a wall holds the atoms; by default there is none."""
