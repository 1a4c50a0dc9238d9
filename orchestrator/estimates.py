"""Free energies after a round: what a strategy estimates, and what of it anybody is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from msgen.actors.base import Array

if TYPE_CHECKING:
    from msgen.orchestrator.estimators.dynamics.judgement import Judgement
    from msgen.orchestrator.estimators.dynamics.path_sampling import TransitionPaths


@dataclass(frozen=True)
class StateEstimate:
    f_kT: float | None
    stderr_kT: float | None


@dataclass(frozen=True)
class LogZ:
    """ln Z, Z = ∫ exp(−U/kT) dx over all coordinates in their own units, and how it was got."""

    value: float
    stderr: float | None
    method: str


@dataclass(frozen=True)
class SurfaceEstimate:
    """F over some of the CVs, whatever the others are.

    Attributes
    ----------
    axes : Mapping of CV name to bin centres
    f_kT, stderr_kT : Array, one axis per CV in order
        NaN where never visited; lowest bin 0.
    """

    axes: Mapping[str, Array]
    f_kT: Array
    stderr_kT: Array

    @property
    def title(self) -> str:
        """Its CVs, as in file names."""
        return "-".join(self.axes)


@dataclass(frozen=True)
class ProfileEstimate:
    """F along the one CV from the work at intermediate λ of `paths` paths run both ways.

    `f_kT` and `stderr_kT` are on the bins of the surface; lowest bin 0, NaN where unknown.
    """

    f_kT: Array
    stderr_kT: Array
    paths: int


class WithError(NamedTuple):
    """A free energy beside the result, in `Estimate.diagnostics`, and its standard error, kT."""

    value: float
    stderr: float | None


@dataclass(frozen=True)
class Extent:
    """How long production is.

    Attributes
    ----------
    rounds : int
        That count.
    memories : float
        Times that a replica has forgotten where it was: its length over the statistical
        inefficiency of the slowest observable. +inf where draws are independent, NaN where unknown.
    left_out : float
        Share at the beginning that no estimate rests on.
    """

    rounds: int
    memories: float
    left_out: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """Free energies after a round.

    Attributes
    ----------
    axes : Mapping of CV name to bin centres
    f_kT, stderr_kT : Array, one axis per CV in order
        NaN where never visited; lowest bin 0. Of the first surface, where several are asked for.
    states : Mapping of state name to StateEstimate
        F = −ln P(state), against the first state.
    diagnostics : Mapping
        'ess', 'r_hat', 'round_trips', 'acceptance' (per move kind), 'overlap' … JSON-able. Free
        energies in it are `WithError`, or mappings with 'stderr_kT'.
    converged, unmet
        Whether every criterion of `converge:` holds, and which do not, in words.
    log_z : LogZ or None
        Where the strategy has a proposal whose density is known.
    profile : ProfileEstimate or None
        Where steered paths were read on their way.
    ungrounded : tuple of str
        Why the errors mean nothing, in words; empty where they do. See `told`.
    standing : bool
        Whether all criteria hold by their values, the size of the errors left aside.
    extent : Extent or None
        Of the production that this rests on; None while nothing counts.
    dynamics : Judgement or None
        What trajectories told, where a round ended with a judgement of some.
    paths : TransitionPaths or None
        What transition paths told, where some were sampled.
    surfaces : tuple of SurfaceEstimate
        Those asked for, in their order; empty for the one over all CVs.
    regions : Mapping of state name to intervals by CV name
        States that were found, where they are boxes; low > high wraps around a periodic CV.
    looked : bool
        Whether looks are held against one another already, by a strategy that keeps its own.
    """

    axes: Mapping[str, Array]
    f_kT: Array
    stderr_kT: Array
    states: Mapping[str, StateEstimate]
    diagnostics: Mapping[str, Any]
    converged: bool
    unmet: tuple[str, ...]
    log_z: LogZ | None = None
    profile: ProfileEstimate | None = None
    ungrounded: tuple[str, ...] = ()
    standing: bool = False
    extent: Extent | None = None
    dynamics: Judgement | None = None
    paths: TransitionPaths | None = None
    surfaces: tuple[SurfaceEstimate, ...] = ()
    regions: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    looked: bool = False

    @property
    def each_surface(self) -> tuple[tuple[Array, Array], ...]:
        """F and its standard error of every surface."""
        if not self.surfaces:
            return ((self.f_kT, self.stderr_kT),)
        return tuple((s.f_kT, s.stderr_kT) for s in self.surfaces)

    @property
    def largest_error(self) -> float | None:
        """Of any state, as the estimator has it; None where one is not known."""
        known = [s.stderr_kT for s in self.states.values() if s.stderr_kT is not None]
        return max(known) if known and len(known) == len(self.states) else None

    def told(self) -> Estimate:
        """As anybody is told it: an error without ground is not known.

        The estimator's own errors stay where effort is allotted and length is projected by them;
        what leaves the loop is this. The state that the others are measured against has 0.
        """
        if not self.ungrounded:
            return self
        unknown = {
            name: s if s.stderr_kT == 0 else replace(s, stderr_kT=None)
            for name, s in self.states.items()
        }
        log_z, profile = self.log_z, self.profile
        if log_z is not None:
            log_z = replace(log_z, stderr=None)
        if profile is not None:
            profile = replace(profile, stderr_kT=np.full_like(profile.stderr_kT, np.nan))
        return replace(
            self,
            stderr_kT=np.full_like(self.stderr_kT, np.nan),
            states=unknown,
            diagnostics=_without_errors(self.diagnostics),
            log_z=log_z,
            profile=profile,
            surfaces=tuple(
                replace(s, stderr_kT=np.full_like(s.stderr_kT, np.nan)) for s in self.surfaces
            ),
        )


def _without_errors(told: Any) -> Any:
    """Diagnostics, whose free energies have no error that is known."""
    if isinstance(told, WithError):
        return told._replace(stderr=None)
    if isinstance(told, Mapping):
        return {
            name: None if name == "stderr_kT" else _without_errors(value)
            for name, value in told.items()
        }
    return told
