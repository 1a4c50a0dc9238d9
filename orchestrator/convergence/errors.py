"""Errors of what is reported: the states' free energies, and the surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from msgen.orchestrator.convergence.base import Array, Criteria, ErrorSize, shown
from msgen.orchestrator.estimates import StateEstimate, SurfaceEstimate


@dataclass(frozen=True)
class StateErrors(ErrorSize):
    """Standard errors of the states' free energies.

    Attributes
    ----------
    errors : Mapping of state name to float or None
        In kT; None or NaN where unknown. The state that the others are measured against has 0.
    """

    errors: Mapping[str, float | None]

    def unmet(self, asked: Criteria) -> list[str]:
        """States whose error is larger than asked."""
        out = []
        for name, error in self.errors.items():
            value = float("nan") if error is None else error
            if not value <= asked.state_error:
                kT = " kT" if np.isfinite(value) else ""
                out.append(f"{name}: error {shown(value)}{kT}, asked {asked.state_error:.2f}")
        return out

    def lacks(self, asked: Criteria) -> float:
        """See `ErrorSize`."""
        known = [np.nan if error is None else error for error in self.errors.values()]
        worst = float(np.max(known, initial=0.0))
        return float("inf") if np.isnan(worst) else (worst / asked.state_error) ** 2


@dataclass(frozen=True)
class SurfaceError(ErrorSize):
    """Standard error of the surface.

    Attributes
    ----------
    f, stderr : Array, grid shape
        Surface and its standard error in kT, NaN where never visited.
    name : str
        What it is called where it is unmet.
    """

    f: Array
    stderr: Array
    name: str = "surface"

    def unmet(self, asked: Criteria) -> list[str]:
        """What is wrong with the errors below the height that counts."""
        if asked.surface_error is None:
            return []
        low = self._errors(asked)
        if not len(low):
            return [f"{self.name}: no bin below {asked.below:g} kT visited"]
        unknown = int(np.count_nonzero(~np.isfinite(low)))
        if unknown:
            return [f"{self.name}: error unknown in {unknown} bins below {asked.below:g} kT"]
        rms = float(np.sqrt(np.mean(low**2)))
        if rms <= asked.surface_error:
            return []
        most = f"asked {asked.surface_error:.2f}"
        return [f"{self.name} below {asked.below:g} kT: RMS error {rms:.2f} kT, {most}"]

    def lacks(self, asked: Criteria) -> float:
        """See `ErrorSize`."""
        if asked.surface_error is None:
            return 0.0
        low = self._errors(asked)
        if not len(low) or not np.isfinite(low).all():
            return float("inf")
        return float(np.mean(low**2)) / asked.surface_error**2

    def _errors(self, asked: Criteria) -> Array:
        """Of the bins below the height that counts."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.stderr[np.isfinite(self.f) & (self.f <= asked.below)])


def error_sizes(
    states: Mapping[str, StateEstimate], surfaces: Sequence[SurfaceEstimate], *, named: bool
) -> tuple[StateErrors | SurfaceError, ...]:
    """The criteria of how large errors are; `named`: surfaces are told by their CVs."""
    of_surfaces = (
        SurfaceError(s.f_kT, s.stderr_kT, *((f"surface of {s.title}",) if named else ()))
        for s in surfaces
    )
    return (StateErrors({name: s.stderr_kT for name, s in states.items()}), *of_surfaces)
