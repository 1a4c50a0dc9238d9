"""What a finished run has learnt of the dynamics, and for which systems that may go ahead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import CONFIGS

from msgen.models.base import ModelState
from msgen.orchestrator import finished_models as module
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema.step_models import StepDiffusion
from msgen.orchestrator.strategies.common.learnt_ahead import Followed, structures_of
from msgen.orchestrator.strategies.common.learnt_run import LearntRun
from msgen.orchestrator.validate import load_campaign
from msgen.systems import build_cvs, build_system
from msgen.systems.base import CVSet, System
from msgen.systems.errors import SpecError
from msgen.systems.openmm.alkanes import Alkane
from msgen.systems.topology.modelled_atoms import Which, modelled_atoms

PAPERS = CONFIGS / "papers"
STEPS = load_campaign(PAPERS / "score_dynamics_butane.yaml", ["model.atoms=heavy"])
EVERY = load_campaign(PAPERS / "score_dynamics_butane.yaml", ["model.atoms=all"])
SPECIES = {"C", "H", "CH2", "CH3", "CH", "O", "N", "NH"}


def frames(carbons: int, which: Which = "heavy") -> np.ndarray:
    """Structures whose bonds are a little longer and shorter than at rest."""
    alkane = Alkane(carbons)
    atoms = modelled_atoms(alkane.molecule().topology, which, "element")
    x = alkane.stretched()[atoms.index]
    return x + 0.004 * np.random.default_rng(carbons).standard_normal((30, *x.shape))


def learnt(carbons: int = 4, which: Which = "heavy") -> LearntRun:
    model = ModelState({"kind": "step_diffusion", "species": sorted(SPECIES)}, {})
    return LearntRun(model, "steps", 30, 0, structures=frames(carbons, which))


def built(file: Path, *sets: str) -> tuple[System, CVSet]:
    campaign = load_campaign(file, sets)
    system = build_system(campaign.spec_system(), file.parent, platform="Reference")
    return system, build_cvs(campaign.spec_cvs(), system, file.parent)


@pytest.fixture(scope="module")
def butane() -> tuple[System, CVSet]:
    return built(PAPERS / "score_dynamics_butane_exact.yaml")


def told(source: Campaign, run: LearntRun, here: tuple[System, CVSet]) -> str:
    with pytest.raises(SpecError) as caught:
        module._structures(source, run, *here, "runs/learnt")
    assert caught.value.field == ("strategy", "explore", "explorers", "from")
    return f"{caught.value.problem}: {caught.value.remedy}"


def test_steps_of_this_molecule_go_ahead(butane: tuple[System, CVSet]) -> None:
    run = learnt()
    made = module._structures(STEPS, run, *butane, "runs/learnt")
    assert (made.atoms, made.types) == ("heavy", "element")
    assert run.structures is not None
    seen = np.linalg.norm(np.diff(run.structures, axis=1), axis=2)
    assert (made.low < seen.min(axis=0)).all()
    assert (made.high > seen.max(axis=0)).all()


def test_steps_of_another_molecule_do_not(butane: tuple[System, CVSet]) -> None:
    assert "steps of other atoms" in told(STEPS, learnt(5), butane)
    strange = replace(learnt(), model=ModelState({"species": ["CH2"]}, {}))
    assert "steps of other atoms" in told(STEPS, strange, butane)
    # as many atoms of the same types, but in another order
    mixed = learnt()
    assert mixed.structures is not None
    shuffled = replace(mixed, structures=mixed.structures[:, [0, 2, 1, 3]])
    assert "other bond lengths" in told(STEPS, shuffled, butane)
    well = built(CONFIGS / "double_well.yaml")
    assert "this system has no atoms" in told(STEPS, learnt(), well)
    # twin: of the very molecule nothing is said
    module._structures(STEPS, mixed, *butane, "runs/learnt")


def test_cvs_are_of_atoms_that_steps_have() -> None:
    hydrogens = "cvs={t: {kind: dihedral, atoms: [4, 0, 1, 2]}}"
    here = built(PAPERS / "score_dynamics_butane_exact.yaml", hydrogens, "states=null")
    assert "leaves out atoms that the CV t is of" in told(STEPS, learnt(), here)
    module._structures(EVERY, learnt(which="all"), *here, "runs/learnt")


def test_a_model_of_temperatures_is_asked_at_the_campaigns_own() -> None:
    campaign = load_campaign(PAPERS / "dynamics_diffusion_exact.yaml", ["system.kT=1.2"])
    one = LearntRun(None, "trajectories", 16, 8)
    assert module._conditions(campaign, one, "x") is None
    several = replace(one, temperatures=(1.0, 1.5))
    assert np.array_equal(module._conditions(campaign, several, "x"), [[1.2]])
    with pytest.raises(SpecError, match=r"from 1\.3 to 1\.5, not 1\.2"):
        module._conditions(campaign, replace(one, temperatures=(1.3, 1.5)), "x")


def test_a_search_learns_steps_of_its_own_molecule() -> None:
    """And of no other system; of atoms that tell its CVs."""
    learn = "{learn: {model: {kind: step_diffusion, atoms: heavy}, frames: 20}}"
    sets = ("strategy={kind: steered, local: {kind: langevin}}",
            f"strategy.explore.explorers={learn}")  # fmt: skip
    file = PAPERS / "score_dynamics_butane_exact.yaml"
    explorer = module.explorer_of(load_campaign(file, sets), PAPERS, *built(file))
    assert explorer is not None
    assert explorer.learning is not None
    assert explorer.learning.atoms is not None
    assert explorer.learning.atoms.species == ("CH3", "CH2", "CH2", "CH3")
    assert (explorer.frames, explorer.model) == (20, None)
    seen = learnt().structures
    assert seen is not None
    made = structures_of(explorer, Followed(np.zeros((5, 6, 1)), seen.reshape(5, 6, 4, 3)))
    other = module._structures(STEPS, learnt(), *built(file), "x")
    assert made is not None
    assert np.array_equal(made.low, other.low)
    assert structures_of(explorer, Followed(np.zeros((5, 6, 1)))) is None
    hydrogens = "cvs={t: {kind: dihedral, atoms: [4, 0, 1, 2]}}"
    more = (*sets, hydrogens, "states=null")
    with pytest.raises(SpecError, match="leaves out atoms that the CV t is of"):
        module.explorer_of(
            load_campaign(file, more), PAPERS, *built(file, hydrogens, "states=null")
        )


@pytest.mark.parametrize("asked", [{"past": 2}, {"solute": [0, 1]}])
def test_a_walker_is_one_structure_of_all_atoms(
    asked: dict[str, Any], butane: tuple[System, CVSet]
) -> None:
    model = STEPS.model
    assert isinstance(model, StepDiffusion)
    of_more = STEPS.model_copy(update={"model": model.model_copy(update=asked)})
    assert f"a model of {next(iter(asked))}" in told(of_more, learnt(), butane)
    learn = f"{{learn: {{model: {{kind: step_diffusion, atoms: heavy, {str(asked)[1:-1]}}}}}}}"
    sets = ("strategy={kind: steered, local: {kind: langevin}}",
            f"strategy.explore.explorers={learn}".replace("'", ""))  # fmt: skip
    file = PAPERS / "score_dynamics_butane_exact.yaml"
    with pytest.raises(SpecError) as caught:
        module.explorer_of(load_campaign(file, sets), PAPERS, *built(file))
    assert caught.value.field[-1] == next(iter(asked))
