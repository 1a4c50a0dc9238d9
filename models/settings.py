"""What a setting of a model may be, and how a wrong value is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from msgen.models.training.whitening import TRANSFORMS
from msgen.systems.errors import SpecError


class Setting(Protocol):
    """One key of the `model:` section."""

    def checked(self, key: str, value: Any) -> Any:
        """`value` in the type the model takes; SpecError, by name of the key, if it is none."""
        ...


@dataclass(frozen=True)
class Whole:
    """A whole number of at least `least`."""

    least: int = 1

    def checked(self, key: str, value: Any) -> int:
        """`value`, or SpecError."""
        if not _whole(value) or value < self.least:
            raise _refused(
                key,
                value,
                f"must be a whole number of at least {self.least}",
                f"Write {self.least} or more",
            )
        return int(value)


@dataclass(frozen=True)
class Number:
    """A number for which `inside` holds; `allowed` says so in words."""

    inside: Callable[[float], bool]
    allowed: str
    example: str

    def checked(self, key: str, value: Any) -> float:
        """`value`, or SpecError."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.inside(value):
            raise _refused(key, value, f"must {self.allowed}", f"Write for example {self.example}")
        return float(value)


@dataclass(frozen=True)
class Choice:
    """One of a few words; `what` is what they name."""

    words: Sequence[str]
    what: str

    def checked(self, key: str, value: Any) -> str:
        """`value`, or SpecError."""
        if value not in self.words:
            raise _refused(key, value, f"is no {self.what}", f"Use one of {', '.join(self.words)}")
        return str(value)


@dataclass(frozen=True)
class Widths:
    """Widths of hidden layers."""

    def checked(self, key: str, value: Any) -> tuple[int, ...]:
        """`value`, or SpecError."""
        widths = tuple(value) if isinstance(value, list | tuple) else ()
        if not widths or not all(_whole(w) and w > 0 for w in widths):
            raise _refused(
                key, value, "must be a list of layer widths", "Write for example [64, 64]"
            )
        return widths


SHARE = Number(lambda v: 0 <= v < 1, "lie in [0, 1)", "0.1, or 0 for none")
"""A fraction of the samples."""
AT_LEAST_0 = Number(lambda v: 0 <= v < math.inf, "be a number of at least 0", "40, or 0 for none")

TRANSFORM = Choice(tuple(TRANSFORMS), "transform of the data")
"""What becomes of linear columns before a network sees them: `msgen.models.training.whitening`."""

TRAINING: Mapping[str, Setting] = {
    "learning_rate": Number(lambda v: 0 < v < 1, "lie between 0 and 1", "5.0e-3"),
    "batch": Whole(),
    "epochs": Whole(),
    "patience": Whole(),
    "ema": Number(lambda v: 0 <= v < 1, "lie in [0, 1)", "0.98, or 0 for none"),
    "device": Choice(("cpu", "cuda", "auto"), "device"),
}
"""How a network is fitted: fields of `msgen.models.training.fitting.Training`."""


def _refused(key: str, value: Any, problem: str, remedy: str) -> SpecError:
    return SpecError(("model", key), value, problem, remedy)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
