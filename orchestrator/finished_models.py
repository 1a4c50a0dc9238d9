"""Reads the model of a finished run of learned dynamics, to go ahead in another campaign."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgen.orchestrator.finished_runs import opened
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema.step_models import StepDiffusion
from msgen.orchestrator.schema.trajectory_models import TrajectoryDiffusion
from msgen.orchestrator.strategies.common.exploration_schema import EXPLORERS
from msgen.orchestrator.strategies.dynamics.schema import Dynamics

if TYPE_CHECKING:
    from msgen.actors.orders.ahead import Structures
    from msgen.models.base import Array, ModelState
    from msgen.orchestrator.strategies.common.explorer import Explorer
    from msgen.orchestrator.strategies.dynamics.state import DynamicsState
    from msgen.systems.base import CVSet, System

FIELD = (*EXPLORERS, "from")
_AXIS = ("range", "bins", "reported")
"""What makes a CV no other."""
_WIDE = 0.25
"""Part of the length of a bond by which one of the start structure may lie outside of those seen."""


def explorer_of(campaign: Campaign, base_dir: Path, system: System, cvs: CVSet) -> Explorer | None:
    """The learnt dynamics that the strategy sends ahead; None where it names none.

    Raises
    ------
    SpecError
        If there is no such run, it is not finished, or its model is of something else.
    """
    section = campaign.strategy.sends_ahead
    if section is None:
        return None
    # numpy comes with them
    from msgen.orchestrator.strategies.common.explorer import Explorer
    from msgen.systems.errors import SpecError

    name = section.run
    folder = (base_dir / name).expanduser()
    source, result = opened(FIELD, name, folder, "a campaign of strategy dynamics first")
    if not isinstance(source.strategy, Dynamics):
        what = f"is a run of strategy {source.strategy.kind}, which learns no dynamics"
        raise SpecError(FIELD, name, what, "Name the run directory of one of strategy dynamics")
    if result.status not in ("converged", "exhausted"):
        what = f"is not finished ({result.status})"
        raise SpecError(FIELD, name, what, "Let it run to its end first")
    state = _state(folder)
    if state.model is None:
        raise SpecError(FIELD, name, "has fitted no model", "Let it run for longer")
    steps = source.model.learns == "steps"
    if not steps:
        _same_cvs(campaign, source, name)
    return Explorer(
        state.model,
        source.strategy.frames if section.frames == "auto" else section.frames,
        _snippet(source),
        _structures(source, state, system, cvs, name) if steps else None,
        _conditions(campaign, source, name),
    )


def _state(folder: Path) -> DynamicsState:
    """What the run has kept, as of its last round."""
    from msgen.actors.base import decode
    from msgen.orchestrator.run_directory.checkpoint import Checkpoints
    from msgen.orchestrator.strategies.dynamics.state import DynamicsState

    _, tree, _ = Checkpoints(folder / "checkpoints").load(sys.maxsize)
    kept = tree["strategy"]
    # probes, which it makes none of, lie beside it
    return decode(DynamicsState, kept.get("strategy", kept))


def _snippet(source: Campaign) -> int:
    """Frames of the longest that it learns; a plug-in's model may have none."""
    assert isinstance(source.strategy, Dynamics)
    model = source.model
    return model.length[1] if isinstance(model, TrajectoryDiffusion) else source.strategy.frames


def _same_cvs(campaign: Campaign, source: Campaign, name: str) -> None:
    """See that frames mean the same.

    Raises
    ------
    SpecError
    """
    from msgen.systems.errors import SpecError

    here, there = _measured(campaign), _measured(source)
    if list(here) != list(there):
        what = f"has learnt snippets of {', '.join(there)}, not of {', '.join(here)}"
        raise SpecError(FIELD, name, what, "Take the same CVs in the same order")
    for cv in here:
        if here[cv] != there[cv]:
            what = f"has learnt snippets where {cv} is another CV"
            raise SpecError(FIELD, name, what, f"Define {cv} as it is defined there")


def _measured(campaign: Campaign) -> Mapping[str, Any]:
    cvs = campaign.spec_cvs()
    return {cv: {k: v for k, v in s.items() if k not in _AXIS} for cv, s in cvs.items()}


def _conditions(campaign: Campaign, source: Campaign, name: str) -> Array | None:
    """The campaign's own temperature, for a model that is conditional on it.

    Raises
    ------
    SpecError
        Where none so low or so high was gathered.
    """
    import numpy as np

    from msgen.systems.errors import SpecError

    assert isinstance(source.strategy, Dynamics)
    if not source.strategy.others:
        return None
    own = Dynamics.own_temperature(campaign)
    known = (Dynamics.own_temperature(source), *source.strategy.others)
    if not min(known) <= own <= max(known):
        what = f"has learnt temperatures from {min(known):g} to {max(known):g}, not {own:g}"
        raise SpecError(FIELD, name, what, "Name a run that has gathered below and above it")
    return np.array([[own]])


def _structures(
    source: Campaign, state: DynamicsState, system: System, cvs: CVSet, name: str
) -> Structures:
    """What a model of steps sees of this system's walkers.

    Raises
    ------
    SpecError
        Where it is of another molecule.
    """
    import numpy as np

    from msgen.actors.orders.ahead import Structures
    from msgen.systems.errors import SpecError
    from msgen.systems.topology.bond_windows import BondWindows, lengths
    from msgen.systems.topology.modelled_atoms import modelled_atoms

    model = source.model
    assert isinstance(model, StepDiffusion)
    seen = [one.structures for one in state.gathered if one.structures is not None]
    frames = np.concatenate([x.reshape(-1, *x.shape[2:]) for x in seen])

    def wrong(what: str, remedy: str) -> SpecError:
        return SpecError(FIELD, name, what, remedy)

    another = "Name a run of this very molecule"
    start = system.initial()
    if system.topology is None:
        raise wrong("has learnt steps of a molecule, and this system has no atoms", another)
    if start.box is not None:
        what = "has learnt steps of a molecule without a box, and this one lies in one"
        raise wrong(what, "Name a run whose model is trajectory_diffusion")
    atoms = modelled_atoms(system.topology, model.atoms, model.types)
    if not set(atoms.species) <= _species(state.model) or len(atoms.index) != frames.shape[1]:
        raise wrong("has learnt steps of other atoms", another)
    windows = BondWindows.of(atoms.bonds, frames.reshape(len(frames), -1))
    mine = lengths(start.positions.reshape(1, -1, 3)[:, atoms.index], atoms.bonds)
    # wide: a structure from a file has not its bonds at the lengths of the force field
    if (mine < (1 - _WIDE) * windows.low).any() or (mine > (1 + _WIDE) * windows.high).any():
        raise wrong("has seen other bond lengths than those of the start structure", another)
    _told(cvs, system, atoms.index, name)
    return Structures(model.atoms, model.types, windows.low, windows.high)


def _species(model: ModelState | None) -> set[str]:
    """Types of atoms that a model of steps knows."""
    found: Any = () if model is None else model.config.get("species", ())
    return set(found)


def _told(cvs: CVSet, system: System, index: Any, name: str) -> None:
    """See that the atoms of the model tell every CV.

    Raises
    ------
    SpecError
    """
    import numpy as np

    from msgen.systems.errors import SpecError

    seen = np.full((system.n_dof // 3, 3), np.nan)
    seen[index] = system.initial().positions.reshape(-1, 3)[index]
    for cv, value in zip(cvs.names, cvs(seen.reshape(1, -1))[0].tolist(), strict=True):
        if not np.isfinite(value):
            what = f"has learnt steps without atoms that the CV {cv} is of"
            raise SpecError(FIELD, name, what, "Name a run with model.atoms: all")
