"""What is told of a trajectory: numbers with their errors, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """A number and its standard error.

    Attributes
    ----------
    value, stderr : float or None
        None where it is not known.
    why : str
        Why one of them is not; empty where both are.
    """

    value: float | None
    stderr: float | None
    why: str = ""

    @classmethod
    def of(cls, value: float, stderr: float, why: str = "") -> Reading:
        """None for what is not finite, `why` being the reason."""
        told = known(value)
        error = None if told is None else known(stderr)
        return cls(told, error, why if told is None or error is None else "")

    @classmethod
    def unknown(cls, why: str) -> Reading:
        """Nothing, for this reason."""
        return cls(None, None, why)

    def without_error(self, why: str) -> Reading:
        """The number alone."""
        return Reading(self.value, None, why)


@dataclass(frozen=True)
class Curve:
    """Numbers along an axis, each with its standard error.

    Attributes
    ----------
    x : tuple of float
    value, stderr : tuple of (float or None), same length
        None where it is not known.
    why : str
        Why some are not; empty where all are.
    """

    x: tuple[float, ...]
    value: tuple[float | None, ...]
    stderr: tuple[float | None, ...]
    why: str = ""

    @classmethod
    def of(cls, x: Array, value: Array, stderr: Array, why: str = "") -> Curve:
        """None for what is not finite, `why` being the reason."""
        told = listed(value)
        error = tuple(
            None if v is None else known(e) for v, e in zip(told, stderr.tolist(), strict=True)
        )
        return cls(tuple(x.tolist()), told, error, why if None in (*told, *error) else "")

    def arrays(self) -> tuple[Array, Array, Array]:
        """x, value and stderr, NaN for None."""
        x, value, stderr = (
            np.array(row, dtype=np.float64) for row in (self.x, self.value, self.stderr)
        )
        return x, value, stderr


def known(value: float) -> float | None:
    """`value`, None if it is not finite."""
    return float(value) if math.isfinite(value) else None


def listed(values: Array) -> tuple[float | None, ...]:
    """One after the other, None where not finite."""
    return tuple(known(v) for v in np.asarray(values, dtype=np.float64).ravel().tolist())
