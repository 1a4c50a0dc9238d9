"""Runs that a mend of the sampling touches are refused, the others go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from msgen.orchestrator.run_directory import provenance, sampling_rules
from msgen.orchestrator.run_directory.sampling_rules import Mend, OtherRulesError
from msgen.orchestrator.schema import Campaign

ANALYTIC = Campaign.parse(
    {
        "system": {"kind": "double_well"},
        "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2, 2]}},
        "strategy": {"kind": "local"},
    }
)
MENDS = (
    Mend("the first was wrong", lambda campaign, platform: campaign.strategy.kind == "local"),
    Mend("the second was wrong", lambda campaign, platform: platform == "CPU"),
)


@pytest.mark.parametrize(
    ("rules", "platform", "found"),
    [(None, None, [0]), (0, "CPU", [0, 1]), (1, "CPU", [1]), (1, "Reference", []), (2, "CPU", [])],
)
def test_mends_after_it_began_that_touch_it(
    rules: int | None, platform: str | None, found: list[int]
) -> None:
    recorded = {} if rules is None else {"rules": rules}
    touching = sampling_rules.touching(recorded, ANALYTIC, platform, MENDS)
    assert touching == [MENDS[i] for i in found]


def test_a_refusal_names_the_mend_and_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling_rules, "MENDS", MENDS)
    recorded = {"versions": {"msgen": "0.0.9"}}
    with pytest.raises(OtherRulesError, match=r"0\.0\.9, before it was mended that the first was"):
        sampling_rules.admit(recorded, ANALYTIC, None, tmp_path)
    with pytest.raises(OtherRulesError, match="by a later msgen"):
        sampling_rules.admit({**recorded, "rules": 3}, ANALYTIC, None, tmp_path)
    sampling_rules.admit({**recorded, "rules": 2}, ANALYTIC, "CPU", tmp_path)


def test_a_run_is_known_by_the_rules_it_was_begun_with(tmp_path: Path) -> None:
    given = {"campaign": "a", "seed": 1, "platform": None, "deterministic": True}
    provenance.write(tmp_path, **given, rules=len(sampling_rules.MENDS))
    assert provenance.read(tmp_path)["rules"] == len(sampling_rules.MENDS)


@pytest.mark.parametrize(("local", "touched"), [("ghmc", True), ("langevin", False)])
def test_ghmc_of_a_molecule_is_not_what_it_was(local: str, touched: bool) -> None:
    campaign = Campaign.parse(
        {
            "system": {
                "kind": "openmm",
                "structure": "water.pdb",
                "forcefield": ["tip3p.xml"],
                "temperature": "300 K",
            },
            "cvs": {"d": {"kind": "distance", "atoms": [0, 3], "range": ["0 nm", "1 nm"]}},
            "strategy": {"kind": "local", "local": {"kind": local}},
        }
    )
    found = sampling_rules.touching({"rules": 5}, campaign, "Reference", sampling_rules.MENDS[:6])
    assert bool(found) == touched
    polymer = campaign.system.model_copy(update={"kind": "polymer"})
    other = campaign.model_copy(update={"system": polymer})
    assert not sampling_rules.touching({"rules": 5}, other, None, sampling_rules.MENDS[:6])


@pytest.mark.parametrize("platform", [None, "Reference", "CPU", "OpenCL", "CUDA", "HIP"])
def test_runs_whose_orders_shared_their_noise_are_refused(
    tmp_path: Path, platform: str | None
) -> None:
    recorded = {"rules": 1}
    if platform in (None, "Reference"):
        sampling_rules.admit(recorded, ANALYTIC, platform, tmp_path)
        return
    with pytest.raises(OtherRulesError, match="drew the same noise"):
        sampling_rules.admit(recorded, ANALYTIC, platform, tmp_path)
