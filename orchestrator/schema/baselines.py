"""Strategies that learn no model: what the others are to be held against."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from msgen.orchestrator.schema.quantities import (
    AutoQuantity,
    FreeEnergy,
    Section,
    TemperaturesSpec,
    Width,
)
from msgen.orchestrator.strategies.common.local_schema import Langevin, LocalSpec


class ParallelTempering(Section):
    """Walkers at several temperatures that exchange; no model, no CV in any move."""

    kind: Literal["parallel_tempering"]
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """By default langevin for molecules, hmc for analytic systems."""
    temperatures: TemperaturesSpec = "auto"
    """auto: as many as neighbours need to exchange in 3 of 10 trials, placed by the energies seen;
    a number of them; or all, from the system's own (molecules) or from 1 (in units of kT)."""
    highest: AutoQuantity = "auto"
    """auto: 2.5 times the system's temperature; 8 (in units of kT) for an analytic system."""


class Metadynamics(Section):
    """Well-tempered metadynamics through OpenMM, its bias frozen in production; molecules."""

    kind: Literal["metadynamics"]
    local: LocalSpec = Field(default_factory=lambda: Langevin(kind="langevin"))
    """langevin or ghmc."""
    height: FreeEnergy = 0.5
    """Height of the first hills, of each walker."""
    bias_factor: float = Field(default=10.0, gt=1, allow_inf_nan=False)
    """γ: the CVs are sampled as though at γ times the temperature."""
    width: Width = "auto"
    """σ of a hill, one for all CVs, or one for each of the CVs to bias by name (two at most); auto:
    all CVs, an eighteenth of the range of each."""
    frequency: int = Field(default=200, ge=1)
    """Steps of a walker between two hills."""
