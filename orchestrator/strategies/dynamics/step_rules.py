"""What a campaign must agree on whose model is one of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.step_models import StepDiffusion

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign
    from msgen.orchestrator.strategies.dynamics.schema import Dynamics
    from msgen.systems.base import Array, CVSet, System
    from msgen.systems.topology.modelled_atoms import Ints

_MODEL = ("model",)
_KIND = (*_MODEL, "kind")
_HOT = ("strategy", "hot")


def step_problems(campaign: Campaign, strategy: Dynamics) -> Iterator[Problem]:
    """Atoms, and nothing to be made but roll-outs."""
    hot = strategy.hot
    if not isinstance(campaign.model, StepDiffusion):
        if hot is not None:
            what = f"trains models of steps alone, and the model is {campaign.model.kind}"
            remedy = "Leave it out, or take model: {kind: step_diffusion}"
            yield Problem(_HOT, "given", what, remedy)
        return
    if hot is not None and hot.tau(own := strategy.own_temperature(campaign)) <= 1:
        what = f"is no more than the system's own ({own:g})"
        yield Problem((*_HOT, "temperature"), hot.temperature, what, "Take auto, or more than it")
    if not campaign.has_atoms:
        what = f"learns steps of a molecule, and {campaign.system.kind} has no atoms"
        yield Problem(_KIND, "step_diffusion", what, "Take trajectory_diffusion")
    if hot is not None and hot.frames <= campaign.model.past:
        what = f"hold no step that is drawn by {campaign.model.past} frames (model.past)"
        remedy = f"Take at least {campaign.model.past + 1}"
        yield Problem((*_HOT, "frames"), hot.frames, what, remedy)
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


def hot_checks(campaign: Campaign, strategy: Dynamics, system: System) -> Iterator[Problem]:
    """Structures are thrown about by what OpenMM brings."""
    if strategy.hot is not None and system.engine != "openmm":
        what = f"is for what OpenMM steps, and {campaign.system.kind} is stepped otherwise"
        yield Problem(_HOT, "given", what, "Leave it out")


def step_checks(campaign: Campaign, system: System, cvs: CVSet) -> Iterator[Problem]:
    """One molecule, if it lies in a box, and CVs of atoms that the model sees."""
    model = campaign.model
    if not isinstance(model, StepDiffusion):
        return
    import numpy as np

    from msgen.systems.topology.modelled_atoms import modelled_atoms

    topology, start = system.topology, system.initial()
    atoms = modelled_atoms(topology, model.atoms, model.types, model.solute)
    if start.box is not None and atoms.molecules > 1:
        what = f"is {atoms.molecules} molecules in a periodic box, whose images the model ignores"
        yield Problem((*_MODEL, "solute"), model.solute, what, "Name the atoms of one of them")
        return

    def read(index: Ints) -> Array:
        seen = np.full((system.n_dof // 3, 3), np.nan)
        seen[index] = start.positions.reshape(-1, 3)[index]
        return np.asarray(cvs(seen.reshape(1, -1))[0])

    whole = modelled_atoms(topology, "all", model.types, model.solute)
    of_seen, of_whole = (np.isfinite(read(some.index)) for some in (atoms, whole))
    for name, fits, would in zip(cvs.names, of_seen.tolist(), of_whole.tolist(), strict=True):
        if not fits and would:
            what = f"leaves out hydrogens that the CV {name} is of"
            yield Problem((*_MODEL, "atoms"), model.atoms, what, "Write atoms: all")
        elif not fits:
            what = f"leaves out atoms that the CV {name} is of"
            remedy = "Name them as well, or take CVs of the solute alone"
            yield Problem((*_MODEL, "solute"), model.solute, what, remedy)
