"""Strategies of other distributions in a campaign file: read, checked, written, told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from distributions import install
from places import CONFIGS
from pydantic import ValidationError

from msgen.orchestrator.dry_run import plan
from msgen.orchestrator.plugins_in_use import plugins_of
from msgen.orchestrator.reporting.status import other_plugin
from msgen.orchestrator.run_directory import provenance
from msgen.orchestrator.schema import Campaign, Problem
from msgen.orchestrator.schema.json_schema import json_schema
from msgen.orchestrator.schema.models import EquivariantFlow
from msgen.orchestrator.schema.translate import problems_of
from msgen.orchestrator.strategies.base import ModelUse
from msgen.orchestrator.strategies.common.exploration_schema import ExploreSpec, explore_problems
from msgen.orchestrator.strategies.flow_mcmc.schema import FlowMCMC
from msgen.orchestrator.strategies.registry import GROUP
from msgen.orchestrator.strategies.steered.schema import Steered
from msgen.orchestrator.validate import check

SOURCE = '''
from typing import ClassVar, Literal
from pydantic import Field
from msgen.orchestrator.schema.problems import Problem
from msgen.orchestrator.schema.quantities import Time
from msgen.orchestrator.strategies.base import StrategyKind, StrategySection

class Tempest(StrategySection):
    """A strategy that nobody needs."""

    defaults: ClassVar = {"replicas": 3}
    kind: Literal["tempest"]
    waves: int = Field(default=4, ge=1)
    """How many."""
    period: Time = 0.25

    @property
    def uses_model(self):
        return False

    def problems(self, campaign):
        if self.waves > campaign.first_replicas:
            yield Problem(("strategy", "waves"), self.waves, "is too many", "Take fewer")

    def round_in_words(self, campaign):
        return f"{self.waves} waves"

KIND = StrategyKind("tempest", Tempest, lambda problem, system, campaign: None)
'''


@pytest.fixture
def tempest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {GROUP: {"tempest": "tempest_plugin:KIND"}}
    install(monkeypatch, tmp_path, "msgen-tempest", entry, {"tempest_plugin.py": SOURCE})


def tree(**strategy: Any) -> dict[str, Any]:
    return {
        "system": {"kind": "double_well"},
        "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2.0, 2.0]}},
        "strategy": strategy,
    }


def wrong(content: dict[str, Any]) -> list[Problem]:
    with pytest.raises(ValidationError) as caught:
        Campaign.parse(content)
    return problems_of(caught.value)


@pytest.mark.usefixtures("tempest")
def test_a_section_is_read_and_written_as_one_of_ours() -> None:
    campaign = Campaign.parse(tree(kind="tempest", waves=2, period="5 fs"))
    assert campaign.replicas == 3
    assert campaign.spec_strategy()["period"] == 0.005
    assert campaign.spec_strategy()["local"]["kind"] == "hmc"
    written = campaign.to_dict()
    assert written["strategy"]["period"] == "0.005 ps"
    assert Campaign.parse(written) == campaign
    assert not campaign.uses_model
    checked = check(campaign, Path())
    assert "2 waves" in plan(checked)


@pytest.mark.usefixtures("tempest")
def test_what_is_wrong_is_told_as_of_one_of_ours() -> None:
    (typo,) = wrong(tree(kind="tempest", wave=2))
    assert typo.path == ("strategy", "wave")
    assert "Did you mean 'waves'?" in typo.remedy
    (rule,) = wrong(tree(kind="tempest", waves=4))
    assert (rule.path, rule.problem) == (("strategy", "waves"), "is too many")
    (low,) = wrong(tree(kind="tempest", waves=0))
    assert low.path == ("strategy", "waves")
    assert "greater than or equal to 1" in low.problem
    (unit,) = wrong(tree(kind="tempest", period="3 nm"))
    assert unit.path == ("strategy", "period")
    (inner,) = wrong(tree(kind="tempest", local={"kind": "hmc", "step": 3}))
    assert inner.path == ("strategy", "local", "step")


@pytest.mark.usefixtures("tempest")
def test_an_unknown_kind_is_told_those_of_plugins() -> None:
    (unknown,) = wrong(tree(kind="tempets"))
    assert unknown.path == ("strategy", "kind")
    assert unknown.problem == "unknown kind"
    assert unknown.remedy.startswith("Did you mean 'tempest'? Allowed: auto, steered, ")
    assert unknown.remedy.endswith("transition_paths, tempest")


def test_without_the_plugin_its_kind_is_unknown() -> None:
    (unknown,) = wrong(tree(kind="tempest"))
    assert (unknown.path, unknown.problem) == (("strategy", "kind"), "unknown kind")
    assert "tempest" not in unknown.remedy


@pytest.mark.parametrize("source", ["import nothing_of_the_kind\n", "KIND = 3\n"])
def test_a_broken_plugin_stops_its_own_campaigns_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    entry = {GROUP: {"broken": "broken_plugin:KIND"}}
    install(monkeypatch, tmp_path, "msgen-broken", entry, {"broken_plugin.py": source})
    assert Campaign.parse(tree(kind="local")).strategy.kind == "local"
    (told,) = wrong(tree(kind="broken"))
    assert told.path == ("strategy", "kind")
    assert "broken of msgen-broken 1.2.3 is broken" in told.problem
    (typo,) = wrong(tree(kind="local", lokal=1))
    assert typo.path == ("strategy", "lokal")


@pytest.mark.usefixtures("tempest")
def test_the_schema_is_that_of_our_own_kinds() -> None:
    assert "tempest" not in json_schema()


@pytest.mark.usefixtures("tempest")
def test_provenance_knows_whose_code_ran(tmp_path: Path) -> None:
    given: dict[str, Any] = {"campaign": "a", "seed": 1, "platform": None, "deterministic": True}
    plugins = plugins_of(Campaign.parse(tree(kind="tempest", waves=1)))
    for name in ("run", "ours"):
        (tmp_path / name).mkdir()
    record = provenance.write(tmp_path / "run", plugins=plugins, **given)
    (brought,) = record["plugins"]
    assert brought == {
        "group": GROUP, "name": "tempest", "distribution": "msgen-tempest", "version": "1.2.3",
    }  # fmt: skip
    assert record["versions"]["msgen-tempest"] == "1.2.3"
    assert "plugins" not in provenance.write(tmp_path / "ours", **given)
    old = json.loads((tmp_path / "run" / provenance.FILE).read_text())
    old["plugins"][0]["version"] = old["versions"]["msgen-tempest"] = "1.2.2"
    ((plugin, was),) = provenance.changes(old, plugins)
    assert (plugin.name, was) == ("tempest", "msgen-tempest 1.2.2")
    assert list(provenance.changes(record, plugins)) == []
    assert list(provenance.changes({}, plugins)) == []
    told = {"group": GROUP, "name": "tempest", "was": was, "now": plugin.brought_by}
    assert other_plugin(told) == (
        "the run began with tempest (msgen.strategies) of msgen-tempest 1.2.2 and goes on with "
        "msgen-tempest 1.2.3"
    )


def test_remedies_name_a_strategy_by_what_its_section_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def remedies() -> list[str]:
        campaign = Campaign.parse(yaml.safe_load((CONFIGS / "double_well.yaml").read_text()))
        searchless = next(explore_problems(campaign, ExploreSpec(pushes=0), chain=False))
        of_cvs = next(EquivariantFlow(kind="equivariant_flow").problems(campaign, ModelUse("cvs")))
        return [searchless.remedy, of_cvs.remedy]

    first = ["{kind: steered, stratify: off}", "{kind: flow_mcmc}"]
    assert all(name in told for name, told in zip(first, remedies(), strict=True))
    # the twin: a section that says otherwise is another remedy
    monkeypatch.setattr(Steered, "finds_states_as", "{kind: wander}")
    monkeypatch.setattr(FlowMCMC, "models_configurations", False)
    others = ["{kind: wander}", "{kind: importance}"]
    assert all(name in told for name, told in zip(others, remedies(), strict=True))
