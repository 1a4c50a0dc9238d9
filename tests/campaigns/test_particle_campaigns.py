"""The dimer and the polymer in campaigns, and what is known of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest
from places import REFERENCES, TESTS
from sections import build_system, refused

from msgen.orchestrator.cli import main_run
from msgen.orchestrator.reporting.export import export
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.schema import systems as schema
from msgen.systems.kinds import SYSTEM_KINDS
from msgen.systems.openmm.dimer import Dimer
from msgen.systems.openmm.polymer import Polymer
from msgen.systems.openmm.system import OpenMMSystem


def build(spec: dict[str, Any]) -> OpenMMSystem:
    system = build_system(spec, TESTS)
    assert isinstance(system, OpenMMSystem)
    return system


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "dimer", "particles": 1}, "particles"),
        ({"kind": "dimer", "particles": 400}, "particles"),
        ({"kind": "dimer", "box": 2.0}, "box"),
        ({"kind": "dimer", "start": "folded"}, "start"),
        ({"kind": "dimer", "kT": 0.0}, "kT"),
        ({"kind": "polymer", "solvent": 50}, "box"),
        ({"kind": "polymer", "box": 5.5}, "solvent"),
        ({"kind": "polymer", "alpha": -1.0}, "alpha"),
    ],
)
def test_what_cannot_be_built_is_refused(change: dict[str, Any], field: str) -> None:
    problem = refused({"platform": "Reference", "kT": 1.0, **change}, TESTS)
    assert problem.path == ("system", field)
    assert problem.remedy


def test_the_schema_and_the_builder_know_the_same_kinds() -> None:
    assert set(schema.SECTIONS) == set(SYSTEM_KINDS.own)
    stepped = {name for name, kind in SYSTEM_KINDS.own.items() if kind.openmm}
    assert stepped == {"openmm", "alkane", "dimer", "polymer"}
    for kind in ("dimer", "polymer"):
        tree = {
            "system": {"kind": kind, "kT": 2.0, "timestep": "4 fs"},
            "cvs": {"r": {"kind": "distance", "atoms": [0, 1], "range": ["0.5 nm", "6 nm"]}},
            "strategy": {"kind": "steered"},
            "converge": {"state_error": "0.5 kJ/mol"},
        }
        campaign = Campaign.parse(tree)
        assert campaign.through_openmm
        assert not campaign.batched
        assert campaign.converge.state_error == pytest.approx(0.25)
        assert campaign.strategy.local.kind == "langevin"
        assert campaign.spec_strategy()["path"]["timestep"] == pytest.approx(0.004)
        tree["strategy"]["path"] = {"scheme": "moving"}
        # free of restraints a path may take longer steps than the local moves: that is tuned
        assert Campaign.parse(tree).spec_strategy()["path"]["timestep"] == "auto"
        assert Campaign.parse(campaign.to_dict()) == campaign
        built = build({**campaign.spec_system(), "platform": "Reference"})
        assert built.kT == pytest.approx(2.0)
        assert built.timestep == pytest.approx(0.004)


@pytest.mark.filterwarnings("ignore:All-NaN slice")  # nothing counts yet in so short a run
@pytest.mark.parametrize(
    "strategy",
    [
        "{kind: local, local: {kind: ghmc, steps: 20}}",
        "{kind: parallel_tempering, temperatures: 2, local: {kind: langevin, steps: 20}}",
        "{kind: metadynamics, local: {kind: langevin, steps: 20}, width: 0.2 nm}",
    ],
)
def test_campaigns_keep_the_plane(strategy: str, tmp_path: Path) -> None:
    system = {"kind": "dimer", "particles": 20, "box": 6.7, "platform": "Reference"}
    path = tmp_path / "flat.yaml"
    path.write_text(
        "seed: 2\nexecutor: inline\n"
        "system: {kind: dimer, particles: 20, box: 6.7, platform: Reference}\n"
        "cvs: {r: {kind: distance, atoms: [0, 1], range: [0.5 nm, 6 nm]}}\n"
        "states: {stretched: {r: [3.1225 nm, 6 nm]}}\n"
        f"strategy: {strategy}\nreplicas: 2\nbudget: {{energy_evaluations: 2.0e+4, rounds: 6}}\n"
        "output: {trajectory: dcd, tensorboard: false}\n"
    )
    assert main_run([str(path), "--output-dir", str(tmp_path)]) == 3
    written = export(tmp_path / "flat")
    dcd = next(p for p in written if p.suffix == ".dcd")
    frames = mdtraj.load(str(dcd), top=build(system).topology).xyz
    assert len(frames) > 4
    assert (frames[:, :, 2] == 0).all()
    assert np.ptp(frames[:, :, 0], axis=0).min() > 0


def reference(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REFERENCES / f"{kind}.json").read_text())
    return found


@pytest.mark.parametrize("kind", ["dimer", "polymer"])
def test_the_reference_knows_the_bare_term(kind: str) -> None:
    """F with the solute's own term is F without it and the term, but for its change over a bin."""
    known = reference(kind)
    r = np.array(known["centres"])
    model = Dimer() if kind == "dimer" else Polymer()
    u = (model.bond_energy(r) if isinstance(model, Dimer) else model.end_energy(r)) / (
        known["system"]["kT"]
    )
    f, without = (np.array(known[way]["f_kT"], dtype=float) for way in ("flat", "without_own_term"))
    near = np.isfinite(f) & (f < 4.0)
    off = (f - without - u)[near]
    assert near.sum() > 20
    assert np.ptp(off) < 0.1
    twin = (f - without - u / known["system"]["kT"])[near]
    assert kind == "dimer" or np.ptp(twin) > 0.4, "kT divided by twice went unnoticed"


@pytest.mark.parametrize("kind", ["dimer", "polymer"])
def test_two_ways_to_the_reference_agree(kind: str) -> None:
    """Long plain MD, and MD without the own term, which is added afterwards; within 4σ."""
    known = reference(kind)
    flat, plain = known["flat_as_plain"], known["plain"]
    sigma = np.hypot(flat["delta_f_stderr_kT"], plain["delta_f_stderr_kT"])
    assert sigma < 0.2
    assert abs(flat["delta_f_kT"] - plain["delta_f_kT"]) < 4 * sigma
    a, b, e, g = (np.array(p[k], dtype=float) for p in (flat, plain) for k in ("f_kT", "stderr_kT"))
    # each is against its own least bin: the mean difference is theirs
    near = np.isfinite(a) & np.isfinite(e) & (b < 0.3) & (g < 0.3)
    off = (a - e)[near] - np.average((a - e)[near], weights=1 / (b**2 + g**2)[near])
    assert near.sum() > 30
    assert (np.abs(off) < 4.5 * np.hypot(b, g)[near]).all()
