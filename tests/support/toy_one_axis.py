"""The toy with one CV: a campaign file that is checked as any other, and a surface over its CV."""

from __future__ import annotations

import numpy as np
import toy_campaign

from msgen.actors.base import Tree
from msgen.orchestrator.base import Estimate, StateEstimate

TEXT = """\
name: toy
seed: 5
executor: inline
system: {kind: double_well}
cvs: {x: {kind: coordinate, index: 0, range: [-3, 3]}}
strategy: {kind: local}
"""


class OneAxis(toy_campaign.ToyStrategy):
    """The toy with a surface over the campaign's only CV."""

    def estimate(self, state: Tree) -> Estimate:
        done = state["round"] >= 3
        return Estimate(
            axes={"x": np.linspace(-1, 1, 4)},
            f_kT=np.array([0.0, 1.0, np.nan, 2.0]),
            stderr_kT=np.array([0.1, 0.1, np.nan, 0.2]),
            states={"A": StateEstimate(0.0, 0.0), "B": StateEstimate(1.0, 0.1)},
            diagnostics={"ess": 10.0},
            converged=done,
            unmet=() if done else ("state_error: 0.2 kT, 0.1 kT wanted",),
            standing=True,
            extent=toy_campaign.long_production(state["round"]),
        )
