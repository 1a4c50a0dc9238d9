"""The `model:` section of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgen.models.kinds import KINDS
from msgen.orchestrator.schema import models
from msgen.orchestrator.schema.kinds import KindOf
from msgen.orchestrator.schema.models import ModelSection
from msgen.orchestrator.schema.step_models import StepDiffusion
from msgen.orchestrator.schema.trajectory_models import TrajectoryDiffusion

SECTIONS: Mapping[str, type[ModelSection]] = {
    "spline_flow": models.SplineFlow,
    "realnvp": models.RealNVP,
    "copula_flow": models.CopulaFlow,
    "cnf": models.CNF,
    "flow_matching": models.FlowMatching,
    "equivariant_flow": models.EquivariantFlow,
    "kde": models.KDE,
    "score": models.Score,
    "trajectory_diffusion": TrajectoryDiffusion,
    "step_diffusion": StepDiffusion,
}
"""Those of our own kinds, by their ``kind:``."""


ModelSpec = Annotated[ModelSection, KindOf(KINDS, ModelSection, SECTIONS)]
"""The section of any kind, those of plug-ins included."""
