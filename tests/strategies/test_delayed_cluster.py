"""delayed_acceptance with a flow of atoms that no bond joins: what suits it, and a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driving import Drive

from msgen.actors.orders.delayed import DelayedRecord
from msgen.models.continuous import equivariant_flow
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema.problems import dotted
from msgen.orchestrator.schema.translate import problems_of
from msgen.orchestrator.strategies.delayed_acceptance import strategy
from msgen.systems import build_cvs, build_system

SECTION = (
    "strategy={kind: delayed_acceptance, moves: 1, local: {kind: hmc, steps: 4, leapfrog: 5},"
    " surrogate: {kind: symmetry_functions, members: 1, width: 8, updates: 30},"
    " flow: {walks: 1, moves: 2, broad: 0.1}}"
)
MODEL = "model={kind: equivariant_flow, layers: 1, width: 8, steps: 2}"


@pytest.mark.slow
def test_a_cluster_is_driven_through_all_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of so few updates that hardly a proposal is a cluster; what is held and told is seen here."""
    monkeypatch.setattr(equivariant_flow, "UPDATES", 10)
    monkeypatch.setattr(equivariant_flow, "MEASURED", 16)
    monkeypatch.setattr(strategy, "MOST_ADAPT", 7)
    structure = "system.structure=examples/ag6.xyz"
    drive = Drive.of("examples/silver_cluster", structure, SECTION, MODEL, "replicas=2").produce(1)
    seen = drive.steps[1].segments[0].read(DelayedRecord).recent
    assert seen is not None
    centres = seen.reshape(-1, 6, 3).mean(axis=1)
    # the model sees centres as wide as all else
    assert 0.3 < centres.std() * np.sqrt(6) / seen.std() < 3.0
    last = drive.steps[-1].segments[0]
    assert last.counts["flow_proposed"] > 0
    held = last.samples["frame_log_weight"]
    assert np.isfinite(held).all()
    assert len(last.samples["draw_log_weight"]) == len(held)
    found = drive.strategy.estimate(drive.state)
    assert set(found.diagnostics["estimators"]) == {"counts", "bar", "tfep", "tfep_back"}


def campaign(**more: Any) -> Campaign:
    tree: dict[str, Any] = {
        "name": "a",
        "system": {"kind": "ase", "structure": "a.xyz", "calculator": {"name": "emt"},
                   "temperature": "500 K"},
        "cvs": {"d": {"kind": "distance", "atoms": [0, 1], "range": ["0 nm", "1 nm"]}},
        "strategy": {"kind": "delayed_acceptance", "surrogate": {"kind": "symmetry_functions"},
                     "flow": {}},
        "model": {"kind": "equivariant_flow"},
    }  # fmt: skip
    return Campaign.parse({**tree, **more})


BONDED = """\
ATOM      1  C1  TRI     1       0.000   0.000   0.000  1.00  0.00           C
ATOM      2  C2  TRI     1       1.500   0.000   0.000  1.00  0.00           C
ATOM      3  C3  TRI     1       2.000   1.400   0.000  1.00  0.00           C
CONECT    1    2
CONECT    2    1    3
CONECT    3    2
END
"""


@pytest.mark.parametrize(
    ("model", "atoms", "said"),
    [
        ("equivariant_flow", "3\n\nAg 0 0 0\nAg 2.7 0 0\nAg 1.3 2.3 0\n", None),
        ("spline_flow", "3\n\nAg 0 0 0\nAg 2.7 0 0\nAg 1.3 2.3 0\n", "no bonds join"),
        ("equivariant_flow", "3\n\nAg 0 0 0\nAg 2.7 0 0\nAu 1.3 2.3 0\n", "Ag and Au"),
        ("equivariant_flow", BONDED, "bonds join these"),
    ],
)
def test_what_the_model_takes_the_atoms_for_must_be_so(
    tmp_path: Path, model: str, atoms: str, said: str | None
) -> None:
    name = "a.pdb" if atoms is BONDED else "a.xyz"
    (tmp_path / name).write_text(atoms)
    section = {"kind": "ase", "structure": name, "calculator": {"name": "emt"},
               "temperature": "500 K"}  # fmt: skip
    made = campaign(system=section, model={"kind": model})
    system = build_system(made.spec_system(), tmp_path)
    cvs = build_cvs(made.spec_cvs(), system, tmp_path)
    found = made.strategy.checks(made, tmp_path, system, cvs)
    if said is None:
        assert found == []
        return
    (problem,) = found
    assert dotted(problem.path) == "model.kind"
    assert said in problem.problem


def test_atoms_are_in_three_dimensions() -> None:
    with pytest.raises(ValueError, match="inconsistent") as caught:
        campaign(model={"kind": "equivariant_flow", "space": 2})
    assert "model.space" in [dotted(p.path) for p in problems_of(caught.value)]
