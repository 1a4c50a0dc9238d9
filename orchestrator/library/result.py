"""The result of a campaign, as Python reads it: numbers with their errors, arrays, figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgen.orchestrator.reporting.progress import result_lines
from msgen.orchestrator.reporting.results import RESULT, CVInfo, committed_result
from msgen.orchestrator.reporting.results import Result as Content
from msgen.orchestrator.reporting.status import ended, is_alive
from msgen.orchestrator.schema.problems import CampaignError, Problem
from msgen.orchestrator.validate import RESOLVED

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from msgen.orchestrator.base import Array, Cost, StateEstimate
    from msgen.orchestrator.reporting.samples import Samples

Status = Literal["converged", "exhausted", "running", "interrupted", "failed"]
"""'running' while a process works on it; 'interrupted' if none does and there is more to do."""


ENDS: Mapping[str, Status] = {s: s for s in ("exhausted", "interrupted", "failed")}
"""How a process can leave a run that has no round yet."""


@dataclass(frozen=True, eq=False)
class Surface:
    """The free-energy surface on a grid.

    Attributes
    ----------
    axes : mapping of CV name to Array
        Bin centres in internal units (rad, nm), in the order of the arrays' dimensions.
    f_kT, stderr_kT : Array
        Free energy in kT, the lowest bin 0, and its standard error; NaN where never visited, and
        where an error is not known.
    """

    axes: Mapping[str, Array]
    f_kT: Array
    stderr_kT: Array


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A campaign's result as it stood when it was read.

    Of a run without a committed round only `run_dir`, `status` and `reason` are known; all else
    raises `CampaignError` until there is one.

    Attributes
    ----------
    run_dir : Path
    status : {'converged', 'exhausted', 'running', 'interrupted', 'failed'}
    reason : str
        Why it ended, or what is not met yet.
    """

    run_dir: Path
    status: Status
    reason: str
    _read: Content | None

    @classmethod
    def read(cls, run_dir: Path, status: Status | None = None) -> Result:
        """What `run_dir` holds; `status` where the caller knows how it ended."""
        content = committed_result(run_dir) if (run_dir / RESULT).is_file() else None
        alive = is_alive(run_dir)
        end = ended(run_dir) if content is None and not alive else None
        if status is None:
            status = "running" if content is None else content.status
            if end is not None and end[0] in ENDS:
                status = ENDS[end[0]]
            elif status == "running" and not alive:
                status = "interrupted"
        reason = "no round committed yet" if content is None else content.reason
        reason = reason if end is None else f"{reason}: {end[1]}"
        return cls(run_dir, status, reason, content)

    @property
    def _content(self) -> Content:
        return self._read or committed_result(self.run_dir)

    @property
    def campaign(self) -> str:
        """The campaign's name."""
        return self._content.header.campaign

    @property
    def cvs(self) -> tuple[CVInfo, ...]:
        """Name, periodicity and unit of the collective variables, in the surface's order."""
        return self._content.header.cvs

    @property
    def sampled(self) -> tuple[CVInfo, ...]:
        """All that `samples` tell, in the order of their columns: CVs that are not reported too."""
        return self._content.header.sampled

    @property
    def temperature_K(self) -> float | None:
        """None for a potential without a temperature of its own."""
        return self._content.header.temperature_K

    @property
    def kT_kJ_per_mol(self) -> float | None:
        """None for a potential whose energies carry no unit."""
        return self._content.header.kT_kJ_per_mol

    @property
    def free_energies(self) -> Mapping[str, StateEstimate]:
        """F = −ln P(state) in kT against the first state; what is not known is None."""
        return self._content.estimate.states

    @property
    def surface(self) -> Surface:
        """The free energy along the CVs; the first, where several surfaces are asked for."""
        estimate = self._content.estimate
        return Surface(estimate.axes, estimate.f_kT, estimate.stderr_kT)

    @property
    def surfaces(self) -> tuple[Surface, ...]:
        """All surfaces that were asked for; the one over all CVs where none were."""
        shown = self._content.estimate.surfaces
        return tuple(Surface(s.axes, s.f_kT, s.stderr_kT) for s in shown) or (self.surface,)

    @property
    def diagnostics(self) -> Mapping[str, Any]:
        """ESS, R-hat, acceptance and what else the strategy reports."""
        return self._content.estimate.diagnostics

    @property
    def unmet(self) -> tuple[str, ...]:
        """The criteria of convergence that do not hold, in words."""
        return tuple(self._content.estimate.unmet)

    @property
    def ungrounded(self) -> tuple[str, ...]:
        """Why no error is known, in words; empty where the errors have ground."""
        return self._content.estimate.ungrounded

    @property
    def cost(self) -> Cost:
        """Rounds, energy evaluations and times so far."""
        return self._content.cost

    def samples(self) -> Samples:
        """CV samples with their equilibrium weights: what ``msgen export`` writes."""
        from msgen.orchestrator.reporting.export import read_samples
        from msgen.orchestrator.reporting.samples import Samples

        return read_samples(self.run_dir, self._content) or Samples.empty(
            len(self._content.header.sampled)
        )

    def to_xarray(self, samples: bool = False) -> xarray.Dataset:
        """Surface and states as a Dataset over the CVs and ``state``.

        Variables ``f_kT`` and ``stderr_kT`` over the CVs, ``state_f_kT`` and ``state_stderr_kT``
        over the states; NaN where not known. Goes to NetCDF and Zarr as it is.

        Parameters
        ----------
        samples : bool
            Also what `samples` gives: ``sample_cvs`` over ``sample`` and ``cv``, ``weight``,
            ``replica`` and ``round`` over ``sample``.

        Raises
        ------
        ModuleNotFoundError
            Without xarray, which is optional: ``pip install 'msgen[xarray]'``.
        """
        from msgen.orchestrator.library.datasets import dataset

        return dataset(self, samples)

    def plot(self) -> Figure:
        """The surface beside its error map; a line with its band where there is one CV.

        Raises
        ------
        ValueError
            If no bin was visited yet.
        """
        from msgen.orchestrator.reporting.plots import drawable, surface_figure

        content = self._content
        if not drawable(content.estimate):
            raise ValueError("there is nothing to plot yet: no bin of the surface was visited")
        return surface_figure(content)

    def __repr__(self) -> str:
        if self._read is None:
            return f"{self.run_dir}: {self.status} — {self.reason}"
        head = f"{self._read.header.campaign}: {self.status} — {self.reason}"
        return "\n".join([head, *result_lines(self._read.estimate)])

    def _repr_html_(self) -> str:
        from msgen.orchestrator.library.notebook import page

        return page(self, self._read)


def run_directory(path: str | PathLike[str]) -> Path:
    """`path`, if msgen made it.

    Raises
    ------
    CampaignError
        If it is no run directory; names the nearest one below it.
    """
    path = Path(path)
    if not path.is_dir():
        what = "is not a directory" if path.exists() else "does not exist"
        remedy = "Give a run directory, like runs/alanine-dipeptide"
        raise CampaignError("command line", [Problem(("DIR",), str(path), what, remedy)])
    if not (path / RESOLVED).exists():
        runs = sorted(p.parent.name for p in path.glob(f"*/{RESOLVED}"))
        remedy = f"Did you mean {path / runs[0]}?" if runs else "Give a directory msgen-run made"
        what = f"holds no {RESOLVED}"
        raise CampaignError("command line", [Problem(("DIR",), str(path), what, remedy)])
    return path


def load(run_dir: str | PathLike[str]) -> Result:
    """The result in a run directory as it stands, also while the campaign runs.

    Raises
    ------
    CampaignError
        If it is no run directory, or its result was written by another version of msgen.
    """
    return Result.read(run_directory(run_dir))
