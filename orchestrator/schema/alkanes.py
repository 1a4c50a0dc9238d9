"""The section of `kind: alkane`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from msgen.orchestrator.schema.quantities import Rate, Temperature, Time
from msgen.orchestrator.schema.system_section import MolecularSection


class Alkane(MolecularSection):
    """A linear alkane in vacuum with the OPLS all-atom force field; no files are needed."""

    kind: Literal["alkane"]
    carbons: int = Field(ge=2, le=20)
    """2 ethane, 3 propane, 4 butane, 5 pentane …"""
    temperature: Temperature
    """Temperature with its unit, like 300 K."""
    timestep: Time = 0.001
    friction: Rate = 10.0
    """At 10 /ps positions alone are nearly Markov after 1 ps; at 1 /ps velocities remember."""
    constraints: Literal["None", "HBonds"] = "None"
    platform: Literal["auto", "Reference", "CPU", "OpenCL", "CUDA", "HIP"] = "auto"
    """auto: the fastest in a short measurement, once a campaign."""
