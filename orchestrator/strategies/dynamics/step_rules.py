"""What a campaign must agree on whose model is one of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.step_models import StepDiffusion

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.dynamics.schema import Dynamics
    from msgen.systems.base import CVSet, System

_KIND = ("model", "kind")


def step_problems(campaign: Campaign, strategy: Dynamics) -> Iterator[Problem]:
    """Atoms, and nothing to be made but roll-outs."""
    if not isinstance(campaign.model, StepDiffusion):
        return
    if not campaign.has_atoms:
        what = f"learns steps of a molecule, and {campaign.system.kind} has no atoms"
        yield Problem(_KIND, "step_diffusion", what, "Take trajectory_diffusion")
    asked = strategy.generate
    whole = {
        "length": asked.length,
        "inpaint": asked.inpaint,
        "vary": asked.vary,
    }
    for key, value in whole.items():
        if value:
            what = "is for models of whole trajectories; step_diffusion is rolled out freely"
            remedy = "Leave it out, or take model: {kind: trajectory_diffusion}"
            yield Problem(("strategy", "generate", key), key, what, remedy)


def step_checks(campaign: Campaign, system: System, cvs: CVSet) -> Iterator[Problem]:
    """A molecule without a box, whose CVs are of atoms that the model sees."""
    model = campaign.model
    if not isinstance(model, StepDiffusion):
        return
    import numpy as np

    from msgen.systems.topology.modelled_atoms import modelled_atoms

    start = system.initial()
    if start.box is not None:
        what = "learns steps of a molecule without a box, and this one lies in one"
        yield Problem(_KIND, model.kind, what, "Take trajectory_diffusion")
        return
    atoms = modelled_atoms(system.topology, model.atoms, model.types)
    seen = np.full((system.n_dof // 3, 3), np.nan)
    seen[atoms.index] = start.positions.reshape(-1, 3)[atoms.index]
    for name, value in zip(cvs.names, cvs(seen.reshape(1, -1))[0].tolist(), strict=True):
        if not np.isfinite(value):
            what = f"leaves out hydrogens that the CV {name} is of"
            yield Problem(("model", "atoms"), model.atoms, what, "Write atoms: all")
