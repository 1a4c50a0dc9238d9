"""The `targeted` strategy: free energies of states through a model of each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from msgen.orchestrator.schema.quantities import Section
from msgen.orchestrator.strategies.common.exploration_schema import ExploreSpec
from msgen.orchestrator.strategies.common.local_schema import HMC, LocalSpec

BIJECTIVE = ("spline_flow", "realnvp", "copula_flow", "cnf", "flow_matching")


class Targeted(Section):
    """A model of the full configuration for each state; free energies by Bennett's estimator."""

    kind: Literal["targeted"]
    local: LocalSpec = Field(default_factory=lambda: HMC(kind="hmc"))
    """By default langevin for molecules, hmc for analytic systems."""
    estimator: Literal["deep_bar", "bar", "tfep"] = "deep_bar"
    """What the result is: deep_bar sets each state against its own model and knows ln Z; bar and
    tfep map states onto each other, with samples of both ends or of the first state only. All that
    can be known is in the diagnostics."""
    draws: int = Field(default=4, ge=1)
    """Draws of the state's model for each configuration that is kept of a replica."""
    map: Literal["auto", "models", "interpolant", "none"] = "auto"
    """How kept configurations go to other states: through the latent variables of both models, by a
    stochastic interpolant between the samples of the first state and those of each other one, or
    not; auto: models where they are flows, else none."""
    rest: Literal["sample", "leave_out"] = "sample"
    """Whether what no named state holds is a state as well, or left out of everything."""
    coordinates: Literal["auto", "cartesian", "internal"] = "auto"
    """What the models see of a configuration; auto: internal for molecules, else cartesian."""
    lag: int = Field(default=1, ge=1, le=100)
    """Round r uses the models fitted on rounds up to r − lag."""
    explore: ExploreSpec = Field(default_factory=ExploreSpec)

    def mapped(self, model_kind: str) -> Literal["models", "interpolant", "none"]:
        """How configurations are mapped, with models of this kind."""
        if self.map == "auto":
            return "models" if model_kind in BIJECTIVE else "none"
        return self.map
