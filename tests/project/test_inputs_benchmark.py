"""The benchmark of input formats: every format is a campaign, and its verdicts go both ways."""

from __future__ import annotations

from pathlib import Path

import inputs
import numpy as np
import pytest
import yaml
from alanine_molecule import AMBER99SB
from inputs_parts.formats import FORMATS, split
from places import CONFIGS
from sections import build_system
from trials import Ended

from msgen.orchestrator.schema import Campaign


def test_every_format_is_a_campaign(tmp_path: Path) -> None:
    named = [path for one in FORMATS for path in map(str, one.system.values())]
    for suffix in (".psf", ".prmtop", ".top", ".pdb", ".cif", ".xml", ".crd", ".gro", ".rst7"):
        assert any(name.endswith(suffix) for name in named), suffix
    for one in FORMATS:
        Campaign.parse({"name": "a", **one.campaign(1000)})
    for trial in inputs.trials(tmp_path, 1000):
        Campaign.parse({"name": "a", **yaml.safe_load(Path(str(trial.campaign)).read_text())})


def test_a_topology_is_split_where_molecules_begin(tmp_path: Path) -> None:
    (tmp_path / "ala5.top").write_text("[ defaults ]\n[ moleculetype ]\nA 3\n")
    split(tmp_path)
    assert (tmp_path / "itp" / "types.itp").read_text() == "[ defaults ]\n"
    assert (
        (tmp_path / "split.top").read_text().startswith('#include "types.itp"\n#ifdef MOLECULE\n[')
    )


@pytest.mark.parametrize(("stiffness", "holds"), [(1e-6, True), (100.0, False)])
def test_another_energy_does_not_hold(stiffness: float, holds: bool) -> None:
    """The same molecule; and with a restraint, as if a format had lost or added a term."""
    one = build_system(AMBER99SB, CONFIGS)
    tied = [{"atoms": "all", "stiffness": f"{stiffness} kJ/mol/nm^2"}]
    rows = inputs.compared("x", build_system({**AMBER99SB, "restraints": tied}, CONFIGS), one)
    assert [row.holds for row in rows] == [holds] * 2


@pytest.mark.parametrize(("f", "holds"), [(1.25, True), (1.9, False), (None, None)])
def test_free_energies_are_held_to_their_errors(f: float | None, holds: bool | None) -> None:
    error = None if f is None else 0.1
    states = dict.fromkeys(inputs.CAMPAIGNS, (1.0, 0.1))
    ended = {
        f"format{k}": Ended(f"format{k}", 1, "exhausted", "", {"rest": states[k]})
        for k in inputs.CAMPAIGNS[:-1]
    }
    last = f"format{inputs.CAMPAIGNS[-1]}"
    ended[last] = Ended(last, 1, "exhausted", "", {"rest": (f, error)})
    rows = inputs.free_energies(ended)
    assert [row.holds for row in rows] == [True] * 2 + [holds]
    assert np.isfinite(rows[0].value)
