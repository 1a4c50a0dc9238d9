"""Each reason against convergence, alone, in its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import pytest

from msgen.orchestrator.convergence.base import Criteria, Criterion
from msgen.orchestrator.convergence.errors import StateErrors, SurfaceError
from msgen.orchestrator.convergence.judge import judge
from msgen.orchestrator.convergence.sampling import EffectiveSamples, RHat
from msgen.orchestrator.convergence.states import NeverFound, TwoStates
from msgen.orchestrator.convergence.temperatures import ExchangeAcceptance, TemperatureTrips
from msgen.orchestrator.convergence.transitions import Passages, Transitions
from msgen.orchestrator.convergence.weights import MissedStates, WeightTail
from msgen.orchestrator.convergence.windows import StuckWindows, WalkerTravel, WindowGaps
from msgen.orchestrator.convergence.works import WorkOverlaps
from msgen.orchestrator.estimators.left_out import Bounded

FREE: dict[str, Any] = {
    "state_errors": {"C7eq": 0.0, "C7ax": 0.08},
    "surface_f": np.array([0.0, 1.0, 7.0, 12.0, np.nan]),
    "surface_err": np.array([0.05, 0.1, 0.3, 3.0, np.nan]),
    "r_hat": {"phi": 1.01, "psi": 1.02},
    "ess": 400.0,
    "stratified": False,
    "round_trips": {("C7eq", "C7ax"): 11},
    "passages": {"C7eq": Passages(12, 11), "C7ax": Passages(11, 11)},
}
STRATIFIED: dict[str, Any] = {
    **{k: v for k, v in FREE.items() if k not in ("round_trips", "passages")},
    "stratified": True,
    "overlaps": {("C7eq", "C7ax"): 0.3},
}
NAN = float("nan")
K = TypeVar("K")


def judged(asked: Criteria, **known: Any) -> tuple[bool, tuple[str, ...]]:
    """What replicas are held to that move freely, or that are kept in their states."""
    states = list(known["state_errors"])
    joined: Criterion = Transitions(
        states, known.get("round_trips") or {}, known.get("passages") or {}
    )
    if known["stratified"]:
        joined = WorkOverlaps(states, sure(known["overlaps"] or {}))
    verdict = judge(
        asked,
        [
            StateErrors(known["state_errors"]),
            SurfaceError(known["surface_f"], known["surface_err"]),
            RHat(sure(known["r_hat"])),
            EffectiveSamples(known["ess"]),
            TwoStates(len(states)),
            joined,
        ],
    )
    return verdict.converged, verdict.unmet


def sure(values: Mapping[K, float]) -> dict[K, Bounded]:
    """As good as its bound."""
    return {name: Bounded(value, value) for name, value in values.items()}


@pytest.mark.parametrize("case", [FREE, STRATIFIED])
def test_all_met(case: dict[str, Any]) -> None:
    assert judged(Criteria(), **case) == (True, ())


BOTH: list[tuple[dict[str, Any], str]] = [
    ({"state_errors": {"C7eq": 0.0, "C7ax": 0.21}}, "C7ax: error 0.21 kT, asked 0.10"),
    ({"state_errors": {"C7eq": 0.0, "C7ax": None}}, "C7ax: error unknown, asked 0.10"),
    ({"state_errors": {"C7eq": 0.0, "C7ax": NAN}}, "C7ax: error unknown, asked 0.10"),
    (
        {"surface_err": np.array([0.1, 0.1, 0.6, 3.0, NAN])},
        "surface below 8 kT: RMS error 0.36 kT, asked 0.20",
    ),
    (
        {"surface_err": np.array([0.1, NAN, 0.1, 3.0, NAN])},
        "surface: error unknown in 1 bins below 8 kT",
    ),
    ({"surface_f": np.full(5, NAN)}, "surface: no bin below 8 kT visited"),
    ({"r_hat": {"phi": 1.01, "psi": 1.2}}, "psi: split R̂ 1.200, asked 1.05"),
    ({"r_hat": {"phi": NAN}}, "phi: split R̂ unknown, asked 1.05"),
    ({"r_hat": {}}, "split R̂ unknown"),
    ({"ess": 80.0}, "effective samples 80, asked 100"),
    ({"ess": NAN}, "effective samples unknown, asked 100"),
]


@pytest.mark.parametrize("case", [FREE, STRATIFIED])
@pytest.mark.parametrize(("change", "reason"), BOTH)
def test_one_thing_missing(case: dict[str, Any], change: dict[str, Any], reason: str) -> None:
    assert judged(Criteria(), **{**case, **change}) == (False, (reason,))


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (
            {"round_trips": {("C7ax", "C7eq"): 9}},
            ("C7eq to C7ax: 9 round trips, asked 10",),
        ),
        ({"round_trips": None}, ("C7eq to C7ax: 0 round trips, asked 10",)),
        (
            {"passages": {"C7eq": Passages(3, 2), "C7ax": Passages(2, 0)}},
            ("C7ax: left 2 times but never re-entered",),
        ),
        ({"passages": {"C7eq": Passages(3, 2)}}, ("C7ax: never left",)),
        ({"passages": None}, ("C7eq: never left", "C7ax: never left")),
    ],
)
def test_free_replicas_must_come_and_go(change: dict[str, Any], reasons: tuple[str, ...]) -> None:
    assert judged(Criteria(), **{**FREE, **change}) == (False, reasons)


def test_a_state_never_left_cannot_converge_however_little_is_asked() -> None:
    nothing = Criteria(1e9, None, 8.0, None, None, 0, 0.0)
    done, unmet = judged(nothing, **{**FREE, "passages": {"C7eq": Passages(0, 0)}})
    assert not done
    assert unmet == ("C7eq: never left", "C7ax: never left")
    assert judged(nothing, **FREE)[0]


def test_stratified_states_must_be_joined_by_overlapping_works() -> None:
    three = {**STRATIFIED, "state_errors": {"a": 0.0, "b": 0.05, "c": 0.05}}
    ok = {("a", "b"): 0.2, ("c", "b"): 0.1}
    assert judged(Criteria(), **{**three, "overlaps": ok}) == (True, ())
    _, unmet = judged(Criteria(), **{**three, "overlaps": {**ok, ("a", "c"): 0.01}})
    assert unmet == ("a to c: overlap of forward and reverse work 0.010, asked 0.03",)
    _, unmet = judged(Criteria(), **{**three, "overlaps": {**ok, ("a", "c"): NAN}})
    assert unmet == ("a to c: overlap of forward and reverse work unknown, asked 0.03",)
    _, unmet = judged(Criteria(), **{**three, "overlaps": {("a", "b"): 0.2}})
    assert unmet == ("c: no works join it to a",)
    _, unmet = judged(Criteria(), **{**three, "overlaps": None})
    assert unmet == ("b: no works join it to a", "c: no works join it to a")


@pytest.mark.parametrize("case", [FREE, STRATIFIED])
def test_a_single_state_never_converges(case: dict[str, Any]) -> None:
    done, unmet = judged(Criteria(), **{**case, "state_errors": {"C7eq": 0.0}})
    assert not done
    assert unmet == ("only 1 state known: there is no difference to converge",)


def test_reasons_add_up_and_what_is_not_asked_is_not_held() -> None:
    case = {**FREE, "ess": 1.0, "r_hat": {"phi": 3.0}, "surface_err": np.full(5, 9.0)}
    assert len(judged(Criteria(), **case)[1]) == 3
    lax = Criteria(surface_error=None, r_hat=None, ess=None)
    assert judged(lax, **case) == (True, ())


WINDOWS = [
    (StuckWindows(["w1 differs", "w2 differs"]), ("w1 differs", "w2 differs")),
    (
        StuckWindows([f"w{i} differs" for i in range(5)]),
        ("w0 differs", "w1 differs", "w2 differs", "and 2 more windows or observables like this"),
    ),
    (WindowGaps(["no overlap of a and b"]), ("no overlap of a and b",)),
    (WalkerTravel(True, None), ()),
    (WalkerTravel(False, 10), ()),
    (
        WalkerTravel(False, 9),
        (
            (
                "9 round trips of walkers between the ends of the windows, asked 10 "
                "where they descend from one start"
            ),
        ),
    ),
    (
        WalkerTravel(False, None),
        (
            (
                "all walkers descend from one start and windows do not exchange, so that their "
                "agreement proves nothing: take seeds: model, or exchange: on"
            ),
        ),
    ),
    (
        EffectiveSamples(80.0, where=" in every window"),
        ("effective samples 80, asked 100 in every window",),
    ),
]
TEMPERATURES = [
    (ExchangeAcceptance({"1–2": 0.3}), ()),
    (ExchangeAcceptance({"1–2": 0.01}), ("1–2: 0.01 of the exchanges accepted, asked 0.03",)),
    (ExchangeAcceptance({"1–2": NAN}), ("1–2: unknown of the exchanges accepted, asked 0.03",)),
    (TemperatureTrips(10), ()),
    (
        TemperatureTrips(2),
        ("2 round trips of walkers between the lowest and highest temperature, asked 10",),
    ),
]
HEAVY = "asked that k̂ + 1.64 σ be at most 0.7; what was never drawn may decide"
DRAWS = [
    (MissedStates(["mode collapse suspected in a"]), ("mode collapse suspected in a",)),
    (NeverFound(["a", "b"]), ("a: never found", "b: never found")),
    (WeightTail({"all draws": (0.5, 0.1), "a": (-0.3, 0.4)}), ()),
    (
        WeightTail({"all draws": (0.4, 0.05), "a": (0.6, 0.1)}),
        (f"tail of the weights, a: k̂ 0.60 ± 0.10, {HEAVY}",),
    ),
    (
        WeightTail({"a": (NAN, NAN)}),
        ("tail of the weights, a: too few draws to tell how heavy it is",),
    ),
    (EffectiveSamples(3.0, "effective draws"), ("effective draws 3, asked 100",)),
]


@pytest.mark.parametrize(("criterion", "reasons"), [*WINDOWS, *TEMPERATURES, *DRAWS])
def test_each_criterion_in_its_words(criterion: Criterion, reasons: tuple[str, ...]) -> None:
    assert judge(Criteria(), [criterion]).unmet == reasons


def test_reasons_are_told_in_the_order_of_the_list() -> None:
    gap, tail = WindowGaps(["a gap"]), WeightTail({"a": (2.0, 0.1)})
    assert [r[:5] for r in judge(Criteria(), [gap, tail]).unmet] == ["a gap", "tail "]
    assert [r[:5] for r in judge(Criteria(), [tail, gap]).unmet] == ["tail ", "a gap"]
