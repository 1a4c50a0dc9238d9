"""Each reason against convergence, alone, in its words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from msgen.orchestrator.convergence.judge import Criteria, Passages, judge

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


@pytest.mark.parametrize("case", [FREE, STRATIFIED])
def test_all_met(case: dict[str, Any]) -> None:
    assert judge(Criteria(), **case) == (True, ())


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
    assert judge(Criteria(), **{**case, **change}) == (False, (reason,))


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
    assert judge(Criteria(), **{**FREE, **change}) == (False, reasons)


def test_a_state_never_left_cannot_converge_however_little_is_asked() -> None:
    nothing = Criteria(1e9, None, 8.0, None, None, 0, 0.0)
    done, unmet = judge(nothing, **{**FREE, "passages": {"C7eq": Passages(0, 0)}})
    assert not done
    assert unmet == ("C7eq: never left", "C7ax: never left")
    assert judge(nothing, **FREE)[0]


def test_stratified_states_must_be_joined_by_overlapping_works() -> None:
    three = {**STRATIFIED, "state_errors": {"a": 0.0, "b": 0.05, "c": 0.05}}
    ok = {("a", "b"): 0.2, ("c", "b"): 0.1}
    assert judge(Criteria(), **{**three, "overlaps": ok}) == (True, ())
    _, unmet = judge(Criteria(), **{**three, "overlaps": {**ok, ("a", "c"): 0.01}})
    assert unmet == ("a to c: overlap of forward and reverse work 0.010, asked 0.03",)
    _, unmet = judge(Criteria(), **{**three, "overlaps": {**ok, ("a", "c"): NAN}})
    assert unmet == ("a to c: overlap of forward and reverse work unknown, asked 0.03",)
    _, unmet = judge(Criteria(), **{**three, "overlaps": {("a", "b"): 0.2}})
    assert unmet == ("c: no works join it to a",)
    _, unmet = judge(Criteria(), **{**three, "overlaps": None})
    assert unmet == ("b: no works join it to a", "c: no works join it to a")


@pytest.mark.parametrize("case", [FREE, STRATIFIED])
def test_a_single_state_never_converges(case: dict[str, Any]) -> None:
    done, unmet = judge(Criteria(), **{**case, "state_errors": {"C7eq": 0.0}})
    assert not done
    assert unmet == ("only 1 state known: there is no difference to converge",)


def test_reasons_add_up_and_what_is_not_asked_is_not_held() -> None:
    case = {**FREE, "ess": 1.0, "r_hat": {"phi": 3.0}, "surface_err": np.full(5, 9.0)}
    assert len(judge(Criteria(), **case)[1]) == 3
    lax = Criteria(surface_error=None, r_hat=None, ess=None)
    assert judge(lax, **case) == (True, ())
