"""Barriers that no CV sees: along y, or across a CV that lies askew."""

from __future__ import annotations

from functools import partial
from typing import Any

from traps_cases.base import OF_POTENTIALS, Trap, coordinate, python
from traps_cases.quadrature import quadrature

X = {"x": coordinate(0, -2.0, 2.0)}
LEFT = {"left": {"x": [-2, 0]}}
HALF = {"left": [(-9.0, 0.0)]}
BOX = [(-3.0, 3.0), (-3.0, 3.0)]
GIVEN: dict[str, Any] = {
    "strategy": {"path": {"steps": 60, "friction": 0.3, "timestep": 0.05, "width": 0.25,
                          "profile": "off"}},
}  # fmt: skip
"""A path that needs no tuning, so that few evaluations reach production."""
LOOSE = {"state_error": "0.5 kT", "surface_error": "2 kT", "below": "2 kT", "r_hat": 1.2,
         "round_trips": 2, "ess": 20}  # fmt: skip


def _double(name: str, what: str, **more: Any) -> Trap:
    """U = 5(x²−1)² + h(y²−1)² − 0.7y + xy, h and the start among `arguments`."""
    arguments = more.pop("arguments", {})
    truth = partial(quadrature, "hidden", arguments, BOX, HALF)
    return Trap(name, what, python("hidden", **arguments), X, truth, LEFT, hidden=True, **more)


def _rotated(angle: float) -> Trap:
    arguments = {"angle": angle}
    return Trap(
        f"askew_{angle:.0f}",
        f"a barrier of 6 kT along a line {angle:.0f} degrees off the CV",
        python("rotated", **arguments), X,
        partial(quadrature, "rotated", arguments, BOX, HALF), LEFT,
    )  # fmt: skip


def issue_rows() -> list[Trap]:
    """The hidden double well by the two strategies that were seen to be wrong, ten seeds."""
    return [
        _double("hidden_y", "a double well of 10 kT in y, which no CV sees",
                strategies=("importance", "steered"), seeds=10, evaluations=5e6),
        _double("hidden_y_given", "the same, and a path that is given", strategies=("steered",),
                seeds=10, sections=GIVEN),
    ]  # fmt: skip


def traps() -> list[Trap]:
    """More of them, by every strategy."""
    others = [s for s in OF_POTENTIALS if s not in ("importance", "steered")]
    return [
        _double("hidden_y_others", "the same by the other strategies", strategies=others),
        *(
            _double(f"hidden_y_{h:.0f}", f"a double well of {h:.0f} kT in y, which no CV sees",
                    arguments={"height": h})
            for h in (4.0, 7.0)
        ),
        _double("hidden_y_minor", "a start in the minor state of a hidden y, 7 kT",
                arguments={"height": 7.0, "tilt": 2.0, "start": [-1.0, -1.0]}),
        _double("hidden_y_loose", "loose criteria, and 7 kT in a hidden y",
                arguments={"height": 7.0}, converge=LOOSE),
        _double("hidden_y_even", "a hidden y of two equal wells, 8 kT, that changes nothing",
                arguments={"height": 8.0, "tilt": 0.0, "coupling": 0.0}),
        _rotated(30.0),
        _rotated(60.0),
    ]  # fmt: skip
