"""The learnt dynamics that goes ahead in a campaign: what a finished run has, or its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgen.orchestrator.finished_runs import opened
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema.problems import Path as Where
from msgen.orchestrator.schema.step_models import StepDiffusion
from msgen.orchestrator.schema.trajectory_models import TrajectoryDiffusion
from msgen.orchestrator.strategies.common.exploration_schema import EXPLORERS

if TYPE_CHECKING:
    from msgen.actors.base import Tree
    from msgen.actors.orders.ahead import Structures
    from msgen.models.base import Array
    from msgen.orchestrator.strategies.common.exploration_schema import Explorers
    from msgen.orchestrator.strategies.common.explorer import Explorer
    from msgen.orchestrator.strategies.common.learnt_run import LearntRun
    from msgen.systems.base import CVSet, System
    from msgen.systems.topology.modelled_atoms import ModelledAtoms

FIELD = (*EXPLORERS, "from")
_AXIS = ("range", "bins", "reported")
"""What makes a CV no other."""
_THERMAL = ("temperature", "kT")
_WIDE = 0.25
"""Part of its length by which a bond of the start structure may lie outside of those seen."""


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
    if section.run is None:
        return _own(section, campaign, system, cvs)
    # numpy comes with them
    from msgen.actors.codec import CodecError
    from msgen.orchestrator.run_directory.atomic_files import RunDirectoryError
    from msgen.orchestrator.strategies.common.explorer import Explorer
    from msgen.systems.errors import SpecError

    name = section.run
    folder = (base_dir / name).expanduser()
    source, result = opened(FIELD, name, folder, "a campaign of strategy dynamics first")
    if result.status not in ("converged", "exhausted"):
        what = f"is not finished ({result.status})"
        raise SpecError(FIELD, name, what, "Let it run to its end first")
    try:
        learnt = source.strategy.learnt_run(source, _kept(folder))
    except (RunDirectoryError, CodecError) as error:
        what = f"keeps nothing that can be read: {error}"
        raise SpecError(FIELD, name, what, "Run it again with this version of msgen") from None
    if learnt is None:
        what = f"is a run of strategy {source.strategy.kind}, which learns no dynamics"
        raise SpecError(FIELD, name, what, "Name the run directory of one of strategy dynamics")
    if learnt.model is None:
        raise SpecError(FIELD, name, "has fitted no model", "Let it run for longer")
    steps = learnt.learns == "steps"
    if not steps:
        _same_cvs(campaign, source, name)
    # a snippet begins with the walker's own frame
    auto = learnt.frames if steps else learnt.snippet - 1
    return Explorer(
        learnt.model,
        auto if section.frames == "auto" else section.frames,
        learnt.snippet,
        _structures(source, learnt, system, cvs, name) if steps else None,
        _conditions(campaign, learnt, name),
    )


def _own(section: Explorers, campaign: Campaign, system: System, cvs: CVSet) -> Explorer:
    """One that the search fits.

    Raises
    ------
    SpecError
        Where steps of this system cannot be learnt.
    """
    from msgen.orchestrator.strategies.common.explorer import Explorer, Learning
    from msgen.systems.topology.modelled_atoms import modelled_atoms

    learn = section.learn
    assert learn is not None
    model, atoms = learn.model, None
    if isinstance(model, StepDiffusion):
        where = (*EXPLORERS, "learn", "model")
        _without_box(system, (*where, "kind"), model.kind)
        _of_one_frame(model, where)
        atoms = modelled_atoms(system.topology, model.atoms, model.types)
        _tells(cvs, system, atoms, (*where, "atoms"), model.atoms)
    snippet = model.length[1] if isinstance(model, TrajectoryDiffusion) else learn.frames
    auto = learn.frames if atoms is not None else snippet - 1
    return Explorer(
        None,
        auto if section.frames == "auto" else section.frames,
        snippet,
        learning=Learning(model.spec(), learn.frames, atoms),
    )


def _of_one_frame(model: StepDiffusion, where: Where, run: str | None = None) -> None:
    """See that a walker, which is one structure of all atoms, is all that the model asks for.

    Raises
    ------
    SpecError
    """
    from msgen.systems.errors import SpecError

    for key, value, plain, what in (
        ("past", model.past, 1, "asks for frames before the present one, which a walker has not"),
        ("solute", model.solute, "auto", "sees a part of the system, and a walker is all of it"),
    ):
        if value == plain:
            continue
        if run is None:
            raise SpecError((*where, key), value, what, f"Write {key}: {plain}")
        remedy = f"Name a run whose model has {key}: {plain}"
        raise SpecError(where, run, f"has a model of {key}: {value}, which {what}", remedy)


def _kept(folder: Path) -> Tree:
    """The state of the run's strategy as of its last round."""
    from msgen.orchestrator.run_directory.checkpoint import Checkpoints

    _, tree, _ = Checkpoints(folder / "checkpoints").load(sys.maxsize)
    # that of its probes lies beside it
    kept: Tree = tree["strategy"].get("strategy", tree["strategy"])
    return kept


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


def _conditions(campaign: Campaign, learnt: LearntRun, name: str) -> Array | None:
    """The campaign's own temperature, for a model that is conditional on it.

    Raises
    ------
    SpecError
        Where none so low or so high was gathered.
    """
    import numpy as np

    from msgen.systems.errors import SpecError

    if not learnt.temperatures:
        return None
    system = campaign.spec_system()
    own = next((float(system[key]) for key in _THERMAL if key in system), 1.0)
    low, high = min(learnt.temperatures), max(learnt.temperatures)
    if not low <= own <= high:
        what = f"has learnt temperatures from {low:g} to {high:g}, not {own:g}"
        raise SpecError(FIELD, name, what, "Name a run that has gathered below and above it")
    return np.array([[own]])


def _structures(
    source: Campaign, learnt: LearntRun, system: System, cvs: CVSet, name: str
) -> Structures:
    """What a model of steps sees of this system's walkers.

    Raises
    ------
    SpecError
        Where it is of another molecule.
    """

    from msgen.actors.orders.ahead import Structures
    from msgen.systems.errors import SpecError
    from msgen.systems.topology.bond_windows import BondWindows, lengths
    from msgen.systems.topology.modelled_atoms import modelled_atoms

    model, frames, start = source.model, learnt.structures, system.initial()
    assert isinstance(model, StepDiffusion)
    assert frames is not None

    def wrong(what: str, remedy: str = "Name a run of this very molecule") -> SpecError:
        return SpecError(FIELD, name, what, remedy)

    if system.topology is None:
        raise wrong("has learnt steps of a molecule, and this system has no atoms")
    _without_box(system, FIELD, name)
    _of_one_frame(model, FIELD, name)
    atoms = modelled_atoms(system.topology, model.atoms, model.types)
    known: Any = {} if learnt.model is None else learnt.model.config
    if not set(atoms.species) <= set(known["species"]) or len(atoms.index) != frames.shape[1]:
        raise wrong("has learnt steps of other atoms")
    windows = BondWindows.of(atoms.bonds, frames.reshape(len(frames), -1))
    seen = start.positions.reshape(-1, 3)[atoms.index]
    mine = lengths(seen.reshape(1, -1), atoms.bonds)
    # wide: a structure from a file has not its bonds at the lengths of the force field
    if (mine < (1 - _WIDE) * windows.low).any() or (mine > (1 + _WIDE) * windows.high).any():
        raise wrong("has seen other bond lengths than those of the start structure")
    _tells(cvs, system, atoms, FIELD, name)
    return Structures(model.atoms, model.types, windows.low, windows.high)


def _without_box(system: System, field: Where, value: str) -> None:
    """See that a model of steps can be of the system.

    Raises
    ------
    SpecError
    """
    from msgen.systems.errors import SpecError

    if system.initial().box is not None:
        what = "is of molecules without a box, and this one lies in one"
        raise SpecError(field, value, what, "Take one whose model is trajectory_diffusion")


def _tells(cvs: CVSet, system: System, atoms: ModelledAtoms, field: Where, value: str) -> None:
    """See that the atoms of a model of steps tell every CV.

    Raises
    ------
    SpecError
    """
    import numpy as np

    from msgen.systems.errors import SpecError

    full = np.full((system.n_dof // 3, 3), np.nan)
    full[atoms.index] = system.initial().positions.reshape(-1, 3)[atoms.index]
    for cv, told in zip(cvs.names, cvs(full.reshape(1, -1))[0].tolist(), strict=True):
        if not np.isfinite(told):
            what = f"leaves out atoms that the CV {cv} is of"
            raise SpecError(field, value, what, "Take one with model.atoms: all")
