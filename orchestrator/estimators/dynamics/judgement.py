"""What is told of trajectories, beside a reference where there is one: the types of the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from msgen.orchestrator.estimators.dynamics.chapman_kolmogorov import ChapmanKolmogorov
from msgen.orchestrator.estimators.dynamics.divergences import Divergence
from msgen.orchestrator.estimators.dynamics.markov import MarkovModel
from msgen.orchestrator.estimators.dynamics.passages import Crossing, Passages
from msgen.orchestrator.estimators.dynamics.readings import Curve, Reading
from msgen.orchestrator.estimators.dynamics.surfaces import SurfaceDifference
from msgen.orchestrator.estimators.dynamics.validity import Validity

T = TypeVar("T")


@dataclass(frozen=True)
class Extent:
    """How much there is: trajectories, how many of them are independent, frames, all their time."""

    trajectories: int
    independent: int
    frames: int
    stride: float
    time: float
    unit: str


@dataclass(frozen=True)
class Beside(Generic[T]):
    """One reading of the trajectories, and the same of the reference."""

    here: T
    reference: T | None = None


@dataclass(frozen=True)
class SurfaceReading:
    """F along one or two CVs, kT.

    Attributes
    ----------
    cvs : tuple of str
    axes : tuple of tuple of float
        Bin centres, by CV.
    f_kT, stderr_kT, reference_kT : tuple of (float or None)
        C-order; None where never visited, or not known.
    difference : SurfaceDifference or None
        From the reference.
    """

    cvs: tuple[str, ...]
    axes: tuple[tuple[float, ...], ...]
    f_kT: tuple[float | None, ...]
    stderr_kT: tuple[float | None, ...]
    reference_kT: tuple[float | None, ...] = ()
    difference: SurfaceDifference | None = None


@dataclass(frozen=True)
class CurveReading:
    """A curve of one CV against the lag."""

    cv: str
    curves: Beside[Curve]


@dataclass(frozen=True)
class MadeReading:
    """What is told of trajectories that a model was asked for beside free ones.

    Attributes
    ----------
    what : str
        Which they are, in words.
    paths, broken : int
        Those that are told of, and those left out.
    notes : tuple of str
    extent : Beside of Extent, or None
        None where there are none.
    surfaces, autocorrelations, crossing
        Only of what should be at equilibrium; else empty.
    displacements, transition_displacements : tuple of CurveReading
        As of `Judgement`.
    examples : tuple
        Some of them, frame by frame, a number a CV.
    """

    what: str
    paths: int
    broken: int
    notes: tuple[str, ...] = ()
    extent: Beside[Extent] | None = None
    surfaces: tuple[SurfaceReading, ...] = ()
    autocorrelations: tuple[CurveReading, ...] = ()
    displacements: tuple[CurveReading, ...] = ()
    transition_displacements: tuple[CurveReading, ...] = ()
    crossing: Beside[Crossing] | None = None
    examples: tuple[tuple[tuple[float, ...], ...], ...] = ()


@dataclass(frozen=True)
class Judgement:
    """All that is told; None or empty where there was nothing to tell it by.

    Attributes
    ----------
    extent : Beside of Extent
    units : dict of str to str
        By CV: 'rad', 'nm' or '1'.
    lag : float
        Of VAMP-2, TICA and the Markov model.
    notes : tuple of str
        What to know before any of it is used.
    surfaces : tuple of SurfaceReading
    autocorrelations, displacements, transition_displacements : tuple of CurveReading
        Displacements are squared; the last begin outside all cores.
    crossing : Beside of Crossing
    passages : tuple of Beside of Passages
        Mean first-passage times between every two cores.
    divergences : tuple of Divergence
        From the reference: of each CV, of the first two together, of slow directions.
    vamp2, vamp2_difference : Beside of Reading, Reading
    markov : Beside of MarkovModel
    chapman_kolmogorov : Beside of ChapmanKolmogorov
    validity : Validity or None
    made : tuple of MadeReading
        What else a model was asked for.
    """

    extent: Beside[Extent]
    units: dict[str, str]
    lag: float
    notes: tuple[str, ...]
    surfaces: tuple[SurfaceReading, ...]
    autocorrelations: tuple[CurveReading, ...]
    displacements: tuple[CurveReading, ...]
    transition_displacements: tuple[CurveReading, ...]
    crossing: Beside[Crossing] | None
    passages: tuple[Beside[Passages], ...]
    divergences: tuple[Divergence, ...]
    vamp2: Beside[Reading]
    vamp2_difference: Reading | None
    markov: Beside[MarkovModel] | None
    chapman_kolmogorov: Beside[ChapmanKolmogorov | None] | None
    validity: Validity | None = None
    made: tuple[MadeReading, ...] = ()
