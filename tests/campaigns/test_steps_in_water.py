"""A campaign in explicit water whose model is of the solute alone, from exact run to judgement."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from places import CONFIGS
from small_campaigns import run_here

from msgen.orchestrator.run_directory.store import Store

PAPERS = CONFIGS / "papers"
WATER = (
    "system.forcefield=[amber14-all.xml, amber14/tip4pew.xml]",
    "system.solvent={water: tip4pew, padding: 0.4 nm, ions: 3 M}",
    "system.cutoff=0.55 nm",
    "system.platform=CPU",
    "states={upper: {psi: [0 deg, 180 deg]}}",
    "replicas=8",
    "output.tensorboard=false",
)


@pytest.mark.slow
def test_the_teacher_runs_in_water_and_the_model_without(tmp_path: Path) -> None:
    """TIP4P-Ew, with its virtual sites, and ions: 150 ps in all."""
    local = "strategy={kind: local, local: {kind: langevin, steps: 150}}"
    exact = (*WATER, local, "budget.rounds=6", "converge.unseen=null", "output.trajectory=dcd")
    assert run_here(PAPERS / "score_dynamics_alanine_exact.yaml", tmp_path, *exact) == 3
    sets = (
        *WATER,
        f"strategy.free_energies={tmp_path / 'score-dynamics-alanine-exact'}",
        "model={kind: step_diffusion, atoms: heavy, types: name, width: 16, layers: 2, steps: 4}",
        "model.epochs=200",
        "strategy.frames=8",
        "strategy.local.steps=40",
        "strategy.generate.free=64",
        "strategy.hot={runs: 2, heat: 20, relax: 20, frames: 4}",
        "strategy.cycles=1",
        "output.stride=20",
    )
    assert run_here(PAPERS / "score_dynamics_alanine.yaml", tmp_path, *sets) == 3
    run = tmp_path / "score-dynamics-alanine"
    readings = json.loads((run / "results" / "free_energy.json").read_text())["diagnostics"]
    assert readings["dynamics"]["gathered_frames"] == 8 * 8
    store = Store(run / "store.zarr")
    made = store.read("roll_out/frames")
    assert made.shape == (64 * 8, 2)
    assert np.isfinite(made).all()
    assert {name for name in store.names() if name.startswith("hot/")} == {"hot/frames", "hot/run"}
    # of a fit to so little hardly a step can be: that is counted, and nothing else goes wrong
    assert 0 < readings["dynamics"]["broken"] <= 1
