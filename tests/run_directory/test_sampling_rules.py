"""Runs that a mend of the sampling touches are refused, the others go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from msgen.orchestrator.run_directory import provenance, sampling_rules
from msgen.orchestrator.run_directory.sampling_rules import OtherRulesError
from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.strategies.base import Mend, StrategyKind
from msgen.orchestrator.strategies.registry import KINDS
from msgen.systems.plugins import Registry

ANALYTIC = Campaign.parse(
    {
        "system": {"kind": "double_well"},
        "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2, 2]}},
        "strategy": {"kind": "local"},
    }
)
MENDS = (
    Mend("first", "the first was wrong", lambda campaign, platform: campaign.has_atoms is False),
    Mend("second", "the second was wrong", lambda campaign, platform: platform == "CPU"),
)
OWN = Mend("own", "its own was wrong")


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mends of all strategies, and one of 'local'."""
    monkeypatch.setattr(sampling_rules, "COMMON", MENDS)
    local = replace(KINDS["local"], mends=(OWN,))
    kinds = {name: replace(kind, mends=()) for name, kind in KINDS.own.items()}
    changed = Registry(KINDS.group, StrategyKind, {**kinds, "local": local})
    monkeypatch.setattr(sampling_rules, "KINDS", changed)


@pytest.mark.parametrize(
    ("rules", "platform", "found"),
    [
        (None, None, ["first", "own"]),
        ([], "CPU", ["first", "second", "own"]),
        (["first"], "CPU", ["second", "own"]),
        (["first", "own"], "Reference", []),
        (["first", "second", "own"], "CPU", []),
    ],
)
def test_mends_after_it_began_that_touch_it(
    rules: list[str] | None, platform: str | None, found: list[str], mended: None
) -> None:
    recorded = {} if rules is None else {"rules": rules}
    touching = sampling_rules.touching(recorded, ANALYTIC, platform)
    assert [mend.key for mend in touching] == found
    assert sampling_rules.known(ANALYTIC) == ["first", "second", "own"]


def test_a_mend_of_another_strategy_touches_nothing(mended: None) -> None:
    other = ANALYTIC.model_copy(
        update={"strategy": ANALYTIC.strategy.model_copy(update={"kind": "targeted"})}
    )
    assert [mend.key for mend in sampling_rules.touching({}, other, None)] == ["first"]


def test_a_refusal_names_the_mend_and_the_version(tmp_path: Path, mended: None) -> None:
    recorded = {"versions": {"msgen": "0.0.9"}}
    with pytest.raises(OtherRulesError, match=r"0\.0\.9, before it was mended that the first was"):
        sampling_rules.admit(recorded, ANALYTIC, None, tmp_path)
    with pytest.raises(OtherRulesError, match="by a later msgen"):
        sampling_rules.admit({**recorded, "rules": ["third"]}, ANALYTIC, None, tmp_path)
    sampling_rules.admit(
        {**recorded, "rules": ["first", "second", "own"]}, ANALYTIC, "CPU", tmp_path
    )


def test_a_run_is_known_by_the_rules_it_was_begun_with(tmp_path: Path) -> None:
    given = {"campaign": "a", "seed": 1, "platform": None, "deterministic": True}
    provenance.write(tmp_path, **given, rules=sampling_rules.known(ANALYTIC))
    recorded = provenance.read(tmp_path)
    assert recorded["rules"] == sampling_rules.known(ANALYTIC)
    sampling_rules.admit(recorded, ANALYTIC, "CPU", tmp_path)


def test_keys_of_mends_are_not_taken_twice() -> None:
    mends = [*sampling_rules.COMMON, *(m for kind in KINDS.own.values() for m in kind.mends)]
    keys = [mend.key for mend in mends]
    assert len(set(keys)) == len(keys)


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
    found = [mend.key for mend in sampling_rules.touching({}, campaign, "Reference")]
    assert ("rigid-ghmc" in found) == touched
    polymer = campaign.system.model_copy(update={"kind": "polymer"})
    other = campaign.model_copy(update={"system": polymer})
    assert "rigid-ghmc" not in [m.key for m in sampling_rules.touching({}, other, None)]


@pytest.mark.parametrize("platform", [None, "Reference", "CPU", "OpenCL", "CUDA", "HIP"])
def test_runs_whose_orders_shared_their_noise_are_refused(
    tmp_path: Path, platform: str | None
) -> None:
    recorded = {"rules": ["angles"]}
    if platform in (None, "Reference"):
        sampling_rules.admit(recorded, ANALYTIC, platform, tmp_path)
        return
    with pytest.raises(OtherRulesError, match="drew the same noise"):
        sampling_rules.admit(recorded, ANALYTIC, platform, tmp_path)
