"""The section of `auto`: which strategies it tries, and how a file says otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from msgen.orchestrator.schema import Campaign, CampaignError
from msgen.orchestrator.strategies.registry import KINDS
from msgen.orchestrator.validate import load

FILE: dict[str, Any] = {
    "system": {"kind": "double_well"},
    "cvs": {"x": {"kind": "coordinate", "index": 0, "range": [-2, 2], "bins": 20}},
    "strategy": {"kind": "auto"},
}


def read(**more: Any) -> Campaign:
    return load({**FILE, **more})[0]


def auto(**keys: Any) -> dict[str, Any]:
    return {"strategy": {"kind": "auto", **keys}}


def inside(campaign: Campaign) -> dict[str, Campaign]:
    return dict(campaign.strategy.nested(campaign))


def test_all_are_tried_that_the_campaign_allows() -> None:
    tried = set(inside(read()))
    borrowing = {n for n, kind in KINDS.own.items() if kind.section.borrows_free_energies}
    assert {"local", "steered", "umbrella", "parallel_tempering", "flow_mcmc"} <= tried
    # only for OpenMM; that lacks a surrogate; those that begin with another run; itself
    assert not tried & ({"metadynamics", "delayed_acceptance", "auto"} | borrowing)


def test_four_cvs_leave_those_that_need_no_grid() -> None:
    cvs = {f"x{i}": {"kind": "coordinate", "index": i, "range": [-3, 3]} for i in range(4)}
    system = {"kind": "gaussian_mixture", "dim": 4, "means": [-1, 1], "weights": [0.5, 0.5]}
    tried = set(inside(read(system=system, cvs=cvs)))
    assert {"local", "steered"} <= tried
    assert not tried & {"umbrella", "parallel_tempering", "importance", "targeted"}


def test_each_has_its_own_replicas_and_model() -> None:
    each = inside(read(replicas=20))
    assert [each[n].replicas for n in ("local", "steered")] == [20, 20]
    assert each["parallel_tempering"].replicas == 8
    assert each["umbrella"].model.kind == "score"
    # wrong: as many for all
    assert len({one.replicas for one in each.values()}) == 3


def test_what_a_file_names_is_what_is_tried() -> None:
    asked = {"umbrella": {"replicas": 2, "windows": {"x": 8}}, "local": {}}
    campaign = read(**auto(strategies=asked, local={"kind": "mala", "steps": 7}))
    each = inside(campaign)
    assert list(each) == ["umbrella", "local"]
    assert each["umbrella"].replicas == 2
    assert each["umbrella"].spec_strategy()["windows"] == {"x": 8}
    assert each["local"].strategy.local.steps == 7
    assert Campaign.parse(campaign.to_dict()).to_dict() == campaign.to_dict()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (auto(strategies={"stered": {}}), "Did you mean 'steered'?"),
        (auto(strategies={"umbrella": {"windows": 3}}), "strategy.strategies.umbrella.windows"),
        (auto(strategies={"metadynamics": {}}), "strategy.strategies.metadynamics"),
        (auto(strategies={}), "names no strategies"),
        (auto(strategies={"dynamics": {}}), "is no strategy that can be tried"),
        (auto(trials=2), "strategy.trials"),
        ({"replicas": {"min": 4, "max": 8}}, "replicas"),
        ({"cvs": {**FILE["cvs"], "extend": "auto"}}, "chosen on the way"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(more: dict[str, Any], said: str) -> None:
    with pytest.raises(CampaignError) as error:
        read(**more)
    assert said in str(error.value)


def test_what_is_wrong_with_the_campaign_is_told_once() -> None:
    with pytest.raises(CampaignError) as error:
        read(states={"left": {"z": [-2, 0]}})
    assert len(error.value.problems) == 1
