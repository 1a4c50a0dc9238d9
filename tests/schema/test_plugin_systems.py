"""Systems and CVs of other distributions: read, built, told and run like ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from distributions import install
from pydantic import ValidationError

from msgen.orchestrator.cli import main_run
from msgen.orchestrator.plugins_in_use import plugins_of
from msgen.orchestrator.schema import Campaign, CampaignError, Problem
from msgen.orchestrator.schema.json_schema import json_schema
from msgen.orchestrator.schema.translate import problems_of
from msgen.orchestrator.validate import check
from msgen.systems import Walkers

SOURCE = '''
"""A chain of beads on a spring each, in kJ/mol, nm and ps, and the mean height of some of them."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import mdtraj
import numpy as np
import torch
from pydantic import Field

from msgen.orchestrator.schema import units
from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.quantities import Length, Temperature, Time
from msgen.orchestrator.schema.system_section import SystemSection
from msgen.systems import SpecError
from msgen.systems.kinds import CVKind, SystemKind
from msgen.systems.potentials.two_dimensional import TorchSystem


class BeadsSection(SystemSection):
    """Beads on springs."""

    kind: Literal["beads"]
    n: int = Field(default=2, ge=1)
    """Beads."""
    width: Length = 0.1
    temperature: Temperature
    timestep: Time = 0.01

    @property
    def own_step(self):
        return self.timestep, 1.0

    @property
    def temperature_K(self):
        return self.temperature

    @classmethod
    def kT_of(cls, given):
        try:
            return units.GAS_CONSTANT * units.parse(given.get("temperature"), "temperature")
        except units.UnitError:
            return None


class Beads(TorchSystem):
    def __init__(self, n, width, kT):
        super().__init__(np.full(3 * n, width), kT, 12.0)
        self.spring = kT / width**2
        self._topology = mdtraj.Topology()
        chain = self._topology.add_chain()
        for _ in range(n):
            residue = self._topology.add_residue("BEA", chain)
            self._topology.add_atom("B", mdtraj.element.carbon, residue)

    @property
    def topology(self):
        return self._topology

    def torch_energy(self, x):
        return 0.5 * self.spring * (x**2).sum(-1)


def build(site, *, n, width, temperature, timestep):
    if n > 1000:
        raise SpecError(("system", "n"), n, "are more than there are", "Take 1000")
    return Beads(n, width, units.GAS_CONSTANT * temperature)


class HeightSection(CVSection):
    """Mean z of some atoms."""

    kind: Literal["height"]
    atoms: list[int] = Field(min_length=1)

    @property
    def dimension(self):
        return "length"


@dataclass(frozen=True)
class Height:
    name: str
    atoms: tuple
    periodic: bool = False
    unit: str = "nm"

    def __call__(self, x):
        return x.reshape(len(x), -1, 3)[:, list(self.atoms), 2].mean(-1)


def height(name, site, *, atoms):
    if max(atoms) >= site.system.topology.n_atoms:
        raise SpecError((*site.field, "atoms"), atoms, "no such atom", "Give fewer")
    return Height(name, tuple(atoms))


BEADS = SystemKind("beads", build, atoms=True, units=True, section=BeadsSection)
HEIGHT = CVKind("height", height, "atoms", section=HeightSection)
MISNAMED = SystemKind("pearls", build, section=BeadsSection)
SECTIONLESS = SystemKind("sectionless", build)
'''
ENTRIES = {
    "msgen.systems": {"beads": "bead_plugin:BEADS"},
    "msgen.cvs": {"height": "bead_plugin:HEIGHT"},
}


@pytest.fixture
def beads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, "msgen-beads", ENTRIES, {"bead_plugin.py": SOURCE})


def tree(**changes: Any) -> dict[str, Any]:
    return {
        "system": {"kind": "beads", "temperature": "300 K", **changes},
        "cvs": {
            "z": {"kind": "height", "atoms": [0, 1], "range": ["-5 A", "5 A"]},
            "r": {"kind": "distance", "atoms": [0, 1], "range": ["0 nm", "1 nm"], "bins": 10},
        },
        "states": {"high": {"z": ["0 nm", "0.5 nm"]}},
        "strategy": {"kind": "local", "local": {"kind": "hmc", "steps": 2, "step_size": 0.02}},
        "converge": {"state_error": "1 kJ/mol"},
    }


def wrong(content: dict[str, Any]) -> Problem:
    with pytest.raises(ValidationError) as caught:
        Campaign.parse(content)
    return problems_of(caught.value)[0]


@pytest.mark.usefixtures("beads")
def test_sections_are_read_and_written_as_ours() -> None:
    campaign = Campaign.parse(tree(width="2 A"))
    assert campaign.spec_system()["width"] == pytest.approx(0.2)
    assert campaign.temperature_K == 300.0
    assert campaign.converge.state_error == pytest.approx(1 / 2.494, rel=1e-3)
    assert campaign.own_step == (0.01, 1.0)
    written = campaign.to_dict()
    assert written["system"]["timestep"] == "0.01 ps"
    assert written["cvs"]["z"]["range"] == ["-0.5 nm", "0.5 nm"]
    assert Campaign.parse(written) == campaign


@pytest.mark.usefixtures("beads")
def test_they_are_built_and_a_cv_of_atoms_takes_any_system_with_a_topology(tmp_path: Path) -> None:
    checked = check(Campaign.parse(tree()), tmp_path)
    x = np.array([[0.0, 0.0, 0.1, 0.3, 0.0, 0.5]])
    np.testing.assert_allclose(checked.cvs(x), [[0.3, 0.5]])
    assert checked.system.energy(Walkers(x))[0] == pytest.approx(0.35 / 2 / 0.01 * 2.494, rel=1e-3)


@pytest.mark.usefixtures("beads")
def test_what_is_wrong_is_told_as_of_ours(tmp_path: Path) -> None:
    typo = wrong(tree(widht="2 A"))
    assert typo.path == ("system", "widht")
    assert "Did you mean 'width'?" in typo.remedy
    assert wrong(tree(width=0.2)).problem == "the unit is missing"
    unknown = wrong(tree(kind="beeds"))
    assert unknown.path == ("system", "kind")
    assert unknown.remedy.startswith("Did you mean 'beads'? Allowed: openmm, ")
    other = tree()
    other["cvs"]["z"]["kind"] = "hight"
    assert wrong(other).path == ("cvs", "z", "kind")
    assert wrong(other).remedy.endswith("python, height")
    low = tree()
    low["cvs"]["z"]["atoms"] = []
    assert wrong(low).path == ("cvs", "z", "atoms")
    flat = tree()
    flat["system"] = {"kind": "double_well"}
    flat["converge"] = {}
    assert wrong(flat).problem == "is for molecules"
    with pytest.raises(CampaignError, match=r"system\.n: 1001 — are more than there are"):
        check(Campaign.parse(tree(n=1001)), tmp_path)


def spec_of(kind: str, **more: Any) -> dict[str, Any]:
    """A strategy as that of the beads, which have atoms and units and are stepped in batches."""
    strategy = {"kind": kind, "local": {"kind": "hmc"}, **more}
    return Campaign.parse({**tree(), "strategy": strategy}).spec_strategy()


@pytest.mark.usefixtures("beads")
def test_strategies_ask_for_atoms_where_they_mean_atoms_and_for_batches_where_they_mean_these() -> (
    None
):
    assert spec_of("umbrella")["global_steps"] == 1  # its energies come in batches
    assert spec_of("steered")["path"]["timestep"] == "auto"  # of kernels of ours
    training = {"training": {"kind": "reverse_kl"}}
    assert spec_of("importance", **training)["training"]["kind"] == "reverse_kl"
    for kind in ("flow_mcmc", "umbrella"):
        with pytest.raises(ValidationError) as caught:
            spec_of(kind, coordinates="cartesian")
        assert problems_of(caught.value)[0].problem == "of a molecule depend on how it lies"
    with pytest.raises(ValidationError) as caught:
        spec_of("metadynamics")
    assert problems_of(caught.value)[0].problem.startswith("runs through OpenMM")


@pytest.mark.usefixtures("beads")
def test_two_atoms_apart_have_no_density_in_internal_coordinates(tmp_path: Path) -> None:
    """Which `auto` says, and does not offer what it would refuse."""
    strategy = {"kind": "importance", "local": {"kind": "hmc"}}
    with pytest.raises(CampaignError, match="2 atoms have no angle"):
        check(Campaign.parse({**tree(), "strategy": strategy}), tmp_path)


@pytest.mark.usefixtures("beads")
def test_twin_that_takes_atoms_for_openmm_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Campaign, "batched", property(lambda c: not c.has_atoms))
    with pytest.raises(ValidationError):
        spec_of("umbrella")  # whose hmc it would refuse


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("bead_plugin:NOTHING", "has no attribute 'NOTHING'"),
        ("bead_plugin:HEIGHT", "is a CVKind, not a SystemKind"),
        ("bead_plugin:MISNAMED", "calls itself 'pearls'"),
        ("bead_plugin:SECTIONLESS", "its section is no SystemSection"),
    ],
)
def test_a_broken_plugin_is_one_message(
    entry: str,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    entries = {"msgen.systems": {"sectionless": entry}}
    install(monkeypatch, tmp_path, "msgen-broken", entries, {"bead_plugin.py": SOURCE})
    file = tmp_path / "campaign.yaml"
    file.write_text(yaml.safe_dump(tree(kind="sectionless")))
    assert main_run([str(file), "--output-dir", str(tmp_path / "runs")]) == 2
    told = capsys.readouterr().err
    assert "sectionless of msgen-broken 1.2.3 is broken" in told
    assert says in told
    assert "Traceback" not in told
    ours = {**tree(), "system": {"kind": "double_well"}, "cvs": {}, "states": None}
    ours["cvs"] = {"x": {"kind": "coordinate", "index": 0, "range": [-2, 2]}}
    ours["converge"] = {}
    assert Campaign.parse(ours).system.kind == "double_well"


@pytest.mark.usefixtures("beads")
def test_the_schema_is_that_of_our_own_kinds() -> None:
    assert '"beads"' not in json_schema()
    assert "HeightSection" not in json_schema()


@pytest.mark.usefixtures("beads")
def test_a_campaign_runs_and_knows_whose_code_it_ran(tmp_path: Path) -> None:
    assert {p.name for p in plugins_of(Campaign.parse(tree()))} == {"beads", "height"}
    file = tmp_path / "campaign.yaml"
    content = {**tree(), "replicas": 4, "executor": "inline", "budget": {"rounds": 4}}
    file.write_text(yaml.safe_dump({**content, "output": {"tensorboard": False}}))
    assert main_run([str(file), "--output-dir", str(tmp_path / "runs")]) == 3
    run = tmp_path / "runs" / "campaign"
    result = json.loads((run / "results" / "free_energy.json").read_text())
    assert result["temperature_K"] == 300.0
    assert result["kT_kJ_per_mol"] == pytest.approx(2.494, rel=1e-3)
    assert [cv["unit"] for cv in result["cvs"]] == ["nm", "nm"]
    record = json.loads((run / "provenance.json").read_text())
    assert {p["name"]: p["version"] for p in record["plugins"]} == {
        "beads": "1.2.3",
        "height": "1.2.3",
    }
