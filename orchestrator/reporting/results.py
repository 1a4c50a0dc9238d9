"""The result of a campaign on disk: `results/free_energy.json`, `fes.csv` and PLUMED's files.

Free energies are in kT; PLUMED's are in kJ/mol where the system has a temperature. A value that
is not known (a bin never visited, an error that cannot be estimated) is NaN in memory, null in
JSON, empty in CSV and inf in `fes.dat`: an infinite error weighs nothing in whatever is fitted
to the surface, where nan would spoil all of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

from msgen.orchestrator.base import (
    Cost,
    Estimate,
    LogZ,
    ProfileEstimate,
    StateEstimate,
    SurfaceEstimate,
)
from msgen.orchestrator.run_directory.atomic_files import write_atomic
from msgen.orchestrator.schema.problems import CampaignError, Problem

ResultStatus = Literal["converged", "exhausted", "running", "failed"]
"""An interrupted campaign is 'running': it goes on when it is resumed, and `reason` says so."""
Region = Mapping[str, tuple[float, float]]
"""A state as an interval per CV, in the CV's unit; lo > hi wraps around a periodic CV."""

SCHEMA_VERSION = 1
RESULT = Path("results") / "free_energy.json"


@dataclass(frozen=True)
class CVInfo:
    """Name, periodicity and unit ('rad', 'nm' or '1') of one collective variable."""

    name: str
    periodic: bool
    unit: str

    @property
    def column(self) -> str:
        """Head of its column in a table: name_unit, or the name alone where there is no unit."""
        return self.name if self.unit == "1" else f"{self.name}_{self.unit}"


@dataclass(frozen=True)
class RunHeader:
    """What holds for the whole campaign.

    Attributes
    ----------
    campaign : str
        The campaign's name.
    temperature_K, kT_kJ_per_mol : float or None
        None for an analytic system, whose energies carry no unit.
    cvs : tuple of CVInfo
        In the order of the surface's axes; those reported, where several surfaces are asked for.
    sampled : tuple of CVInfo
        All that samples tell, in the order of their columns: those, and CVs that are not reported.
    regions : Mapping of state name to Region
        The states the campaign file defines, and found ones that are boxes; may be empty.
    """

    campaign: str
    temperature_K: float | None
    kT_kJ_per_mol: float | None
    cvs: tuple[CVInfo, ...]
    regions: Mapping[str, Region] = field(default_factory=dict)
    sampled: tuple[CVInfo, ...] = ()

    def __post_init__(self) -> None:
        if not self.sampled:
            object.__setattr__(self, "sampled", self.cvs)


@dataclass(frozen=True)
class Result:
    """A campaign's result so far: what `free_energy.json` holds."""

    header: RunHeader
    status: ResultStatus
    reason: str
    estimate: Estimate
    cost: Cost

    @property
    def each_surface(self) -> tuple[Result, ...]:
        """The result as though each of the surfaces asked for were the only one."""
        return tuple(self._along(surface) for surface in self.estimate.surfaces) or (self,)

    def _along(self, surface: SurfaceEstimate) -> Result:
        """With states that the CVs of a surface tell apart, and no others."""
        known, own = {cv.name: cv for cv in self.header.cvs}, surface.axes.keys()
        regions = {name: box for name, box in self.header.regions.items() if box.keys() <= own}
        estimate = replace(
            self.estimate,
            axes=surface.axes,
            f_kT=surface.f_kT,
            stderr_kT=surface.stderr_kT,
            surfaces=(),
            states={n: s for n, s in self.estimate.states.items() if n in regions},
        )
        header = replace(
            self.header, cvs=tuple(known[name] for name in surface.axes), regions=regions
        )
        return replace(self, header=header, estimate=estimate)


def jsonable(value: Any) -> Any:
    """`value` as plain JSON types; numpy arrays become lists, what is not finite becomes None."""
    if isinstance(value, np.ndarray):
        plain = value.astype(object)
        if value.dtype.kind == "f":
            plain[~np.isfinite(value)] = None
        return plain.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    return value


def to_json(result: Result) -> dict[str, Any]:
    """The content of `results/free_energy.json`."""
    header, estimate = result.header, result.estimate
    states: dict[str, Any] = {}
    for name, state in estimate.states.items():
        states[name] = {"f_kT": state.f_kT, "stderr_kT": state.stderr_kT}
        region = header.regions.get(name) or estimate.regions.get(name)
        if region:
            states[name]["region"] = {cv: list(b) for cv, b in region.items()}
    content = {
        "schema_version": SCHEMA_VERSION,
        "campaign": header.campaign,
        "status": result.status,
        "reason": result.reason,
        "temperature_K": header.temperature_K,
        "kT_kJ_per_mol": header.kT_kJ_per_mol,
        "cvs": [asdict(c) for c in header.cvs],
        **(
            {} if header.sampled == header.cvs else {"sampled": [asdict(c) for c in header.sampled]}
        ),
        "surface": {
            "axes": estimate.axes,
            "f_kT": estimate.f_kT,
            "stderr_kT": estimate.stderr_kT,
        },
        **({"surfaces": [vars(s) for s in shown]} if (shown := estimate.surfaces) else {}),
        "states": states,
        "profile": _profile(estimate),
        "log_z": None if estimate.log_z is None else asdict(estimate.log_z),
        "diagnostics": {
            **estimate.diagnostics,
            "converged": estimate.converged,
            "unmet": estimate.unmet,
            "ungrounded": estimate.ungrounded,
        },
        "cost": asdict(result.cost),
    }
    return cast("dict[str, Any]", jsonable(content))


def _profile(estimate: Estimate) -> dict[str, Any] | None:
    """F along the one CV from the works of paths, beside counting: the surface."""
    p = estimate.profile
    if p is None:
        return None
    return {
        "axes": estimate.axes,
        "bidirectional": {"f_kT": p.f_kT, "stderr_kT": p.stderr_kT},
        "counting": {"f_kT": estimate.f_kT, "stderr_kT": estimate.stderr_kT},
        "paths": p.paths,
    }


def write_result(run_dir: Path, result: Result) -> Path:
    """Rewrite `results/free_energy.json` atomically; returns its path."""
    path = Path(run_dir) / RESULT
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(to_json(result), allow_nan=False) + "\n")
    return path


def read_result(run_dir: Path) -> Result:
    """The result in a run directory, complete or still running.

    Raises
    ------
    FileNotFoundError
        If no round has been committed there yet.
    SpecError
        If the file was written by a version of msgen with another layout.
    """
    path = Path(run_dir) / RESULT
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no result yet; the first comes after the first round")
    content = json.loads(path.read_text(encoding="utf-8"))
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        raise _spec_error(
            ("schema_version",),
            version,
            f"{path} has a layout this msgen does not know",
            f"read it with the msgen that wrote it; this one reads version {SCHEMA_VERSION}",
        )
    if content["status"] not in get_args(ResultStatus):
        raise _spec_error(
            ("status",), content["status"], f"{path} is damaged", "resume the run to rewrite it"
        )
    states = {
        name: StateEstimate(s["f_kT"], s["stderr_kT"]) for name, s in content["states"].items()
    }
    regions = {
        name: {cv: _interval(*ends) for cv, ends in s["region"].items()}
        for name, s in content["states"].items()
        if "region" in s
    }
    diagnostics = dict(content["diagnostics"])
    converged, unmet = diagnostics.pop("converged"), diagnostics.pop("unmet")
    # results of before told every error, with ground or without
    ungrounded = diagnostics.pop("ungrounded", ())
    return Result(
        RunHeader(
            content["campaign"],
            content["temperature_K"],
            content["kT_kJ_per_mol"],
            tuple(CVInfo(**c) for c in content["cvs"]),
            regions,
            tuple(CVInfo(**c) for c in content.get("sampled", ())),
        ),
        content["status"],
        content["reason"],
        Estimate(
            **vars(_read_surface(content["surface"])),
            states=states,
            diagnostics=diagnostics,
            converged=converged,
            unmet=tuple(unmet),
            # results of before log Z was reported have no such key
            log_z=LogZ(**content["log_z"]) if content.get("log_z") else None,
            profile=_read_profile(content.get("profile")),
            ungrounded=tuple(ungrounded),
            surfaces=tuple(_read_surface(s) for s in content.get("surfaces", ())),
        ),
        Cost(**content["cost"]),
    )


def _interval(low: float | None, high: float | None) -> tuple[float, float]:
    """An interval of a region; null is where nothing limits it."""
    return (
        -math.inf if low is None else float(low),
        math.inf if high is None else float(high),
    )


def _read_surface(content: Mapping[str, Any]) -> SurfaceEstimate:
    axes = {k: np.asarray(v, dtype=np.float64) for k, v in content["axes"].items()}
    f, err = (np.asarray(content[name], dtype=np.float64) for name in ("f_kT", "stderr_kT"))
    return SurfaceEstimate(axes, f, err)


def _read_profile(content: Mapping[str, Any] | None) -> ProfileEstimate | None:
    if not content:
        return None
    f, err = (
        np.asarray(content["bidirectional"][name], dtype=np.float64)
        for name in ("f_kT", "stderr_kT")
    )
    return ProfileEstimate(f, err, int(content["paths"]))


def _spec_error(field: tuple[str, ...], value: object, problem: str, remedy: str) -> Exception:
    from msgen.systems.errors import SpecError  # brings torch, which `status` does not wait for

    return SpecError(field, value, problem, remedy)


def committed_result(run_dir: Path) -> Result:
    """What `read_result` gives, for the command line.

    Raises
    ------
    CampaignError
        If no round has been committed yet, or another version of msgen wrote the result.
    """
    try:
        return read_result(run_dir)
    except (FileNotFoundError, ValueError) as error:
        remedy = "Wait for the first round, or give another run directory"
        problem = Problem(("DIR",), str(run_dir), str(error), remedy)
        raise CampaignError("command line", [problem]) from None
