"""Solvent is simulated and never learnt: what is gathered, fitted and rolled out is the solute."""

from __future__ import annotations

from typing import Any

import mdtraj
import numpy as np
import pytest
from places import CONFIGS
from worker_setup import setup_of_dynamics

from msgen.actors.base import WorkOrder, encode
from msgen.actors.context import WorkerContext
from msgen.actors.orders.fit import FitRecord
from msgen.actors.orders.steps import FitStepsPayload, Learnt, RollOutPayload, RollOutRecord
from msgen.actors.orders.trajectories import FollowPayload, FollowRecord
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.roles import steps
from msgen.actors.roles.steps import cvs_of
from msgen.actors.worker import Worker
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema.problems import dotted
from msgen.orchestrator.schema.step_models import StepDiffusion
from msgen.orchestrator.strategies.dynamics.step_rules import step_checks
from msgen.orchestrator.strategies.dynamics.stepping import in_words
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs
from msgen.systems.topology.bond_windows import BondWindows
from msgen.systems.topology.modelled_atoms import modelled_atoms
from msgen.systems.topology.solvent import solute, symbol

SETS = (
    (
        "model={kind: step_diffusion, atoms: heavy, types: name, width: 8, layers: 1, epochs: 3, "
        "steps: 2}"
    ),
    "system.forcefield=[amber14-all.xml, amber14/tip4pew.xml]",
    "system.solvent={water: tip4pew, padding: 0.4 nm, ions: 3 M}",
    "system.cutoff=0.55 nm",
    "system.platform=CPU",
)
HEAVY = (1, 4, 5, 6, 8, 10, 14, 15, 16, 18)


def campaign(*sets: str) -> Campaign:
    return load_campaign(CONFIGS / "papers" / "score_dynamics_alanine.yaml", [*SETS, *sets])


@pytest.fixture(scope="module")
def context() -> WorkerContext:
    return WorkerContext(setup_of_dynamics(campaign(), base_dir=str(CONFIGS / "papers")))


def residue(top: Any, chain: Any, name: str, *symbols: str) -> list[Any]:
    made = top.add_residue(name, chain)
    element = {"VS": mdtraj.element.virtual}
    return [
        top.add_atom(f"{s}{k}", element.get(s) or mdtraj.element.get_by_symbol(s), made)
        for k, s in enumerate(symbols)
    ]


def test_solvent_is_told_by_what_it_is_and_not_by_its_name() -> None:
    """SOL is a water of GROMACS and a solute elsewhere; a virtual site makes it no other."""
    top = mdtraj.Topology()
    chain = top.add_chain()
    ends = residue(top, chain, "SOL", "C", "H", "H"), residue(top, chain, "LIG", "O")
    top.add_bond(ends[0][0], ends[1][0])  # one atom, and bound: no ion
    for name, atoms in (("SOL", "OHH"), ("WAT", "HOH"), ("X", "OHH"), ("NA", ("Na",))):
        residue(top, chain, name, *atoms)
    residue(top, chain, "HOH", "O", "H", "H", "VS")
    assert solute(top).tolist() == [0, 1, 2, 3]
    # twin: by name the solute would be a water
    assert {a.residue.name for a in top.atoms if a.index in (0, 4)} == {"SOL"}
    water = top.subset(range(4, 7))
    assert solute(water).tolist() == [0, 1, 2]  # nothing but solvent: all of it


def test_the_solute_alone_is_gathered_learnt_and_rolled_out(context: WorkerContext) -> None:
    by, system = Worker(context.setup, context), context.system
    start, box = system.initial().positions, system.initial().box
    symbols = [symbol(a) for a in system.topology.atoms]
    assert symbols.count("") > 20
    assert "Na" in symbols
    atoms = modelled_atoms(system.topology, "heavy", "name")
    assert tuple(atoms.index.tolist()) == HEAVY
    assert atoms.molecules == 1
    ids = np.arange(2)
    walkers = WalkerRows(np.repeat(start, 2, axis=0), box=np.repeat(box, 2, axis=0))
    followed = by.execute(
        WorkOrder.of(0, FollowPayload(walkers, ids, ids, 6, 1, atoms=atoms.index))
    )
    record = followed.read(FollowRecord)
    seen, last = record.structures, record.walkers.positions
    assert seen is not None
    assert last is not None
    assert seen.shape == (2, 6, 10, 3)
    assert last.shape == (2, system.n_dof)
    np.testing.assert_array_equal(seen[:, -1], last.reshape(2, -1, 3)[:, list(HEAVY)])
    fitted = by.execute(WorkOrder.of(1, FitStepsPayload(Learnt(seen, np.ones(2)))))
    model = fitted.read(FitRecord).model
    assert model is not None
    assert {str(s).split(":")[0] for s in model.config["species"]} == {"ACE", "ALA", "NME"}
    by.publish(0, encode(model))
    windows = BondWindows.of(atoms.bonds, seen.reshape(12, -1))
    wide = {"low": windows.low - 1, "high": windows.high + 9}
    payload = RollOutPayload(first=0, cycle=0, begin=seen[:, -1], frames=2, **wide)
    made = by.execute(WorkOrder.of(2, payload, model_version=0)).read(RollOutRecord)
    assert made.paths.shape == (2, 2, 2)
    assert np.isfinite(made.paths).all()


def test_cvs_are_those_of_the_whole_system(
    context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the solute's atoms alone, however many rows are taken at once."""
    system = context.system
    atoms = modelled_atoms(system.topology, "heavy", "name")
    x = system.initial().positions.reshape(1, 1, -1, 3)[:, :, atoms.index]
    moved = x + 0.01 * np.random.default_rng(1).standard_normal((3, 4, 10, 3))
    once = cvs_of(context, atoms, moved)
    np.testing.assert_allclose(
        cvs_of(context, atoms, x)[0], context.cvs(system.initial().positions), atol=1e-12
    )
    monkeypatch.setattr(steps, "AT_ONCE", 5 * system.n_dof)
    np.testing.assert_allclose(cvs_of(context, atoms, moved), once, atol=1e-12)


@pytest.mark.parametrize(
    ("sets", "where", "what"),
    [
        ((), None, ""),
        (
            ("cvs.psi={kind: distance, atoms: [8, 40], range: [0 nm, 1 nm]}",),
            "model.solute",
            "that the CV psi is of",
        ),
        (("model.solute=all",), "model.solute", "molecules in a periodic box"),
        (("model.solute=resSeq 2 and resname ALA",), "model.solute", "that the CV phi is of"),
    ],
)
def test_what_the_model_cannot_see_is_refused(
    context: WorkerContext, sets: tuple[str, ...], where: str | None, what: str
) -> None:
    asked = campaign("states={alpha: {phi: [-180 deg, 0 deg]}}", *sets)
    cvs = build_cvs(asked.spec_cvs(), context.system, CONFIGS)
    problems = list(step_checks(asked, context.system, cvs))
    assert {dotted(p.path) for p in problems} == ({where} if where else set())
    assert all(what in p.problem for p in problems[:1])


def test_it_is_said_that_roll_outs_are_of_the_solute(context: WorkerContext) -> None:
    topology = context.system.topology
    for sets, told in (((), True), (("model.solute=all",), False)):
        model = campaign(*sets).model
        assert isinstance(model, StepDiffusion)
        atoms = modelled_atoms(topology, model.atoms, model.types, model.solute)
        words = in_words(model, atoms, topology)
        assert len(words) == told
        assert all(f"the solute alone, 10 of {topology.n_atoms} atoms" in w for w in words)
