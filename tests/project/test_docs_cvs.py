"""docs/cv_kinds.md shows every kind of CV of molecules, and its examples are valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest
import yaml
from foreign_atoms import villin
from places import ROOT

from msgen.orchestrator.schema import Campaign
from msgen.systems.build import build_cvs
from msgen.systems.kinds import CV_KINDS

PAGE = (ROOT / "docs" / "cv_kinds.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, Any] = {
    name: section
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for name, section in yaml.safe_load(text)["cvs"].items()
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_built(name: str, tmp_path: Path) -> None:
    system = villin()
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "own.py").write_text(code)
    way = np.random.default_rng(0).normal(size=system.positions.shape)
    path = system.positions + 0.03 * np.arange(6)[:, None, None] * way
    mdtraj.Trajectory(path, system.topology).save_pdb(str(tmp_path / "path.pdb"))
    campaign = Campaign.parse(
        {
            "system": {"kind": "openmm", "structure": "a.pdb", "forcefield": ["amber14-all.xml"],
                       "temperature": "300 K"},
            "cvs": {name: EXAMPLES[name]},
            "strategy": {"kind": "umbrella", "windows": {name: 4}},
        }
    )  # fmt: skip
    value = build_cvs(campaign.spec_cvs(), system, tmp_path)(system.initial().positions)[0, 0]
    section = campaign.cvs[name]
    if section.range is not None:
        assert section.range[0].value <= value <= section.range[1].value


def test_every_kind_of_atoms_has_its_words() -> None:
    kinds = {k for k, kind in CV_KINDS.own.items() if kind.of == "atoms"}
    shown = set(re.findall(r"`(\w+)`", PAGE)) | {s["kind"] for s in EXAMPLES.values()}
    assert kinds - shown == {"radius_of_gyration", "principal_radius"}  # in the table of systems.md
