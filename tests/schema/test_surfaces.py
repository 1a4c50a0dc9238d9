"""`surfaces:`, patterns in `states:`, and the memory that a campaign says it needs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from msgen.orchestrator.memory import GIB, PROGRAM, Memory, memory_problems
from msgen.orchestrator.schema import Campaign, CampaignError
from msgen.orchestrator.strategies.common.blocks import MOST_BLOCKS
from msgen.orchestrator.strategies.common.replica_stretches import MOST_STRETCHES, MOST_VALUES
from msgen.orchestrator.strategies.steered.flattening import KEEP
from msgen.orchestrator.strategies.steered.sightings import MOST, Sightings
from msgen.orchestrator.validate import load


def tree(cvs: int, strategy: str = "steered", **more: Any) -> dict[str, Any]:
    """A campaign over so many CVs of a sum of double wells."""
    along = {
        f"a_{i}": {"kind": "coordinate", "index": 2 * i, "range": [-3, 3], "bins": 36}
        for i in range(cvs)
    }
    system = {"kind": "many_well", "dim": 2 * cvs}
    return {"system": system, "cvs": along, "strategy": {"kind": strategy}, **more}


def of(cvs: int, **more: Any) -> Campaign:
    return load(tree(cvs, **more))[0]


@pytest.mark.parametrize("cvs", [1, 2, 3])
def test_up_to_three_cvs_have_one_surface_on_one_grid(cvs: int) -> None:
    names = [f"a_{i}" for i in range(cvs)]
    assert of(cvs).surface_columns == ()
    assert of(cvs, surfaces=[names]).surface_columns == ()


def test_from_four_on_each_cv_and_each_with_the_next() -> None:
    columns = of(5).surface_columns
    assert columns[:5] == ((0,), (1,), (2,), (3,), (4,))
    assert columns[5:] == ((0, 1), (1, 2), (2, 3), (3, 4))
    assert len(of(12).surface_columns) == 23


def test_a_cv_that_is_not_reported_is_on_none() -> None:
    made = tree(5)
    made["cvs"]["a_2"]["reported"] = False
    assert load(made)[0].surface_columns == ((0,), (1,), (3,), (4,), (0, 1), (1, 3), (3, 4))
    with pytest.raises(CampaignError, match="is along a_2, which is not reported"):
        load({**made, "surfaces": [["a_2"]]})


def test_those_asked_for_are_in_the_order_of_the_file() -> None:
    asked = [["a_3", "a_0"], ["a_1"]]
    assert of(4, surfaces=asked).surface_columns == ((3, 0), (1,))
    assert of(2, surfaces=[["a_1"]]).surface_columns == ((1,),)
    assert of(4, surfaces=asked).to_dict()["surfaces"] == asked


@pytest.mark.parametrize(
    ("surfaces", "said"),
    [
        ([], "none is given"),
        ([[]], "names no CV"),
        ([["a_0", "a_0"]], "names a CV twice"),
        ([["a_0", "a_1", "a_2", "a_3"]], "is over 4 CVs"),
        ([["a_0"], ["b"]], "no such CV"),
        ([["a_0", "a_1"], ["a_1", "a_0"]], "is asked for twice"),
    ],
)
def test_surfaces_that_say_nothing_are_refused(surfaces: list[list[str]], said: str) -> None:
    with pytest.raises(CampaignError, match=said):
        of(4, surfaces=surfaces)


def test_a_surface_has_so_many_bins_at_most_whatever_the_others() -> None:
    made = tree(4, surfaces=[["a_0", "a_1", "a_2"], ["a_3"]])
    load(made)
    made["cvs"]["a_0"]["bins"] = 300
    with pytest.raises(CampaignError, match=r"300 · 36 · 36 = 388,800 bins"):
        load(made)
    load({**made, "surfaces": [["a_0"], ["a_1", "a_2", "a_3"]]})


@pytest.mark.parametrize("kind", ["umbrella", "parallel_tempering", "importance", "targeted"])
def test_a_strategy_that_fills_a_grid_says_which_do_not(kind: str) -> None:
    with pytest.raises(
        CampaignError, match=r"fills a grid of all CVs, here 1.68e\+06 bins"
    ) as told:
        of(4, strategy=kind)
    assert "Take auto, steered, flow_mcmc" in str(told.value)
    with pytest.raises(CampaignError, match="fills one grid of all CVs, and tells no other"):
        of(2, strategy=kind, surfaces=[["a_0"]])


def test_a_pattern_stands_for_every_cv_that_it_fits() -> None:
    low, high = [-3, 0], [0, 3]
    made = of(4, states={"up": {"a_*": high}, "mixed": {"a_*": low, "a_3": high}})
    found = made.spec_states()
    assert found is not None
    assert found["up"] == {f"a_{i}": (0.0, 3.0) for i in range(4)}
    # what is named for itself is meant by that
    assert found["mixed"] == {**{f"a_{i}": (-3.0, 0.0) for i in range(3)}, "a_3": (0.0, 3.0)}
    assert Campaign.parse(made.to_dict()).spec_states() == found
    with pytest.raises(CampaignError, match="no CV's name fits it"):
        of(4, states={"up": {"b_*": high}})


def test_borders_that_cut_space_into_too_many_cells_are_told() -> None:
    boxes = {
        f"s{k}": {f"a_{i}": [-3 + 0.1 * k, -2.95 + 0.1 * k] for i in range(8)} for k in range(3)
    }
    with pytest.raises(CampaignError, match="cut CV space into"):
        of(8, states=boxes)


def test_memory_grows_with_surfaces_and_not_with_the_product_of_cvs() -> None:
    """Twelve CVs take less than 2 GiB where a grid of them would take 10¹⁹ bytes."""
    needed = [Memory.of(of(cvs), 2 * cvs).surfaces for cvs in (4, 8, 12)]
    bins = [n * 36 + (n - 1) * 36**2 for n in (4, 12)]
    assert needed[2] / needed[0] == pytest.approx(bins[1] / bins[0], rel=0.02)
    assert Memory.of(of(12), 24).total < 2 * GIB
    assert math.prod([36.0] * 12) * 8 > 1e18


def test_memory_is_that_of_the_arrays_that_are_held() -> None:
    made = of(5, replicas=4)
    told, strata = Memory.of(made, 10), made.strategy.most_strata(made)
    assert told.walkers == 3 * 2 * np.zeros((4, 10)).nbytes
    # rounds of almost twice the samples from which they are thinned
    seen = Sightings.empty(5)
    for _ in range(KEEP):
        n = 2 * MOST - 1
        seen = seen.with_round(np.zeros((n, 5)), np.zeros(n))
    held = strata * (seen.xi.nbytes + seen.weight.nbytes)
    assert held <= told.samples < 1.5 * held
    # where stretches of time are not kept: each stratum's sums while errors are worked out
    wide = tree(4, replicas=400)
    for cv in wide["cvs"].values():
        cv["bins"] = 500
    campaign = load(wide)[0]
    blocks = min(400, MOST_BLOCKS * campaign.strategy.most_strata(campaign))
    bins = 4 * 500 + 3 * 500**2
    assert 2 * blocks * bins * MOST_STRETCHES > MOST_VALUES
    sums = 8 * campaign.strategy.most_strata(campaign) * blocks * bins
    assert Memory.of(campaign, 8).surfaces > sums


def test_what_does_not_fit_is_refused_and_says_what_needs_it() -> None:
    made = of(4, replicas=20_000)
    needed = Memory.of(made, 8).total
    assert not list(memory_problems(made, 8, needed))
    (told,) = memory_problems(made, 8, needed - 1)
    assert "GiB are there" in told.problem
    assert "fewer replicas" in told.remedy
    assert not list(memory_problems(of(2), 4, 2 * PROGRAM))
