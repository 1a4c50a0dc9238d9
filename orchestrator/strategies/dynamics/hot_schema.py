"""Short runs from heated or scrambled structures, which train a model of steps and nothing else."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from msgen.orchestrator.schema.quantities import AutoQuantity, Section


class Hot(Section):
    """Structures thrown about, relaxed, and followed at the system's own temperature."""

    runs: int = Field(default=32, ge=1)
    """A cycle, as many from exact samples of every state."""
    by: Literal["heat", "torsions", "both"] = "both"
    """heat: at `temperature`; torsions: every free bond turned by any angle, and clashes relaxed;
    both: one run so, the next so."""
    temperature: AutoQuantity = "auto"
    """Of the heat; auto: twice the system's own."""
    heat: int = Field(default=2000, ge=1)
    """Steps at it."""
    relax: int = Field(default=2000, ge=0)
    """Steps at the system's own temperature before anything is recorded."""
    frames: int = Field(default=16, ge=2)
    """Of each run, `output.stride` steps apart."""

    def tau(self, own: float) -> float:
        """`temperature` in units of the system's own."""
        return 2.0 if isinstance(self.temperature, str) else self.temperature.value / own

    def evaluations(self, stride: int) -> int:
        """Energy evaluations a cycle, at the most."""
        hottest = 0 if self.by == "torsions" else self.heat
        return self.runs * (hottest + self.relax + self.frames * stride)
