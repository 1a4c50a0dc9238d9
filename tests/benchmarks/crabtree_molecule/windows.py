"""Umbrella windows along φ and ψ, started by a score model or from their neighbours."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from rows import ROOT, Row

from msgen.orchestrator.base import RoundInfo, Status
from msgen.orchestrator.loop.budget import Limits
from msgen.orchestrator.loop.job import Job
from msgen.orchestrator.loop.stop import StopFlag
from msgen.orchestrator.run import build_strategy
from msgen.orchestrator.validate import load_campaign
from msgen.systems.base import Array

CAMPAIGNS = ROOT / "configs" / "papers"
REFERENCE = ROOT / "tests" / "references" / "alanine_obc2.json"
KEPT = ROOT / "runs" / "benchmarks" / "crabtree_alanine"
BELOW = 6.0
"""kT up to which surfaces are compared."""
SEEDS = ("model", "neighbour")


@dataclass(frozen=True)
class Reference:
    """F along one CV in kT, its error, lowest bin 0."""

    name: str
    centres: Array
    f: Array
    error: Array

    @classmethod
    def read(cls, name: str) -> Reference:
        """From the file beside the script that made it."""
        found = json.loads(REFERENCE.read_text())[name]
        f, error = (np.array(found[k], dtype=np.float64) for k in ("f_kT", "stderr_kT"))
        return cls(name, np.array(found["centres"]), f, error)

    def rms(self, f: Array) -> float:
        """RMS difference below `BELOW` after the best shift; inf where a bin was never seen."""
        low = self.f < BELOW
        gap = (f - self.f)[low]
        return float(np.std(gap)) if np.isfinite(gap).all() else float("inf")


@dataclass
class Curve:
    """One campaign: after each round of production the evaluations spent, and the error."""

    cv: str
    seeds: str
    seed: int
    evaluations: list[int] = field(default_factory=list)
    f: list[list[float]] = field(default_factory=list)
    error: list[list[float]] = field(default_factory=list)
    training_s: float = 0.0
    sampling_s: float = 0.0
    seeding: dict[str, float] = field(default_factory=dict)
    unmet: list[str] = field(default_factory=list)

    def rms(self, reference: Reference) -> Array:
        """Error of each surface, shape (rounds,), kT."""
        return np.array([reference.rms(np.array(f)) for f in self.f])


class Recorder:
    """Meets `Reporter`; fills a curve."""

    def __init__(self, curve: Curve) -> None:
        self.curve = curve

    def round(self, info: RoundInfo) -> None:
        """Keep the surface as it stands."""
        c = self.curve
        c.training_s, c.sampling_s = info.cost.training_s, info.cost.sampling_s
        if info.phase != "produce":
            return
        c.evaluations.append(info.cost.energy_evaluations)
        c.f.append(info.estimate.f_kT.tolist())
        c.error.append(info.estimate.stderr_kT.tolist())
        c.seeding = {k: float(v) for k, v in info.estimate.diagnostics.get("seeds", {}).items()}
        c.unmet = list(info.unmet)
        print(f"{c.cv} {c.seeds} {c.seed}: {c.evaluations[-1]:.3g} evaluations", flush=True)

    def close(self, status: Status, reason: str) -> None:
        """Nothing is left to do."""


def campaign(cv: str, seeds: str, seed: int, evaluations: float) -> Curve:
    """Run one campaign to its end, whatever it says of convergence; kept for the next call."""
    kept = KEPT / f"{cv}-{seeds}-{seed}.json"
    if kept.exists():
        before = Curve(**json.loads(kept.read_text()))
        if before.evaluations[-1] > 0.9 * evaluations:
            return before
    found = load_campaign(
        CAMPAIGNS / f"crabtree_alanine_{cv}.yaml",
        [
            f"strategy.seeds={seeds}",
            f"seed={seed}",
            # a campaign that ends sooner has no curve to compare
            "converge={state_error: 0.001 kT, surface_error: 0.001 kT, below: 6 kT}",
        ],
    )
    curve = Curve(cv, seeds, seed)
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            run_dir=Path(folder),
            setup={
                "campaign": found.to_dict(),
                "system": found.spec_system(),
                "cvs": found.spec_cvs(),
                "states": found.spec_states(),
                "strategy": found.spec_strategy(),
                "model": found.spec_model(),
                "base_dir": str(CAMPAIGNS),
                "platform": "Reference",
                "seed": found.seed,
                "threads": 1,
            },
            build=build_strategy,
            lag=int(found.spec_strategy()["lag"]),
            limits=Limits(energy_evaluations=int(evaluations)),
        )
        job.run_inline(Recorder(curve), StopFlag())
    KEPT.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(asdict(curve)) + "\n")
    return curve


def rows_of(curves: list[Curve], reference: Reference) -> list[Row]:
    """Errors of both kinds of seeds at the evaluations that all of them reached."""
    rows = []
    cv = curves[0].cv
    last = min(c.evaluations[-1] for c in curves)
    for part in (0.25, 0.5, 1.0):
        for kind in SEEDS:
            at = [_at(c, reference, part * last) for c in curves if c.seeds == kind]
            known = [v for v in at if np.isfinite(v)]
            if known:
                what = f"{cv}, seeds: {kind}, {part * last:.2g} evaluations: RMS error"
                spread = f"± {np.std(known):.3f}, {len(known)} of {len(at)}"
                rows.append(Row(what, float(np.mean(known)), "kT", spread))
    for kind in SEEDS:
        mine = [c for c in curves if c.seeds == kind]
        for what, values, unit in (
            ("error it tells", [_told(c, reference) for c in mine], "kT"),
            ("training", [c.training_s for c in mine], "s"),
            ("sampling", [c.sampling_s for c in mine], "s"),
        ):
            rows.append(Row(f"{cv}, seeds: {kind}: {what}", float(np.mean(values)), unit))
        names = sorted({k for c in mine for k in c.seeding if k not in ("windows", "nonfinite")})
        for name in names:
            mean = float(np.mean([c.seeding.get(name, 0.0) for c in mine]))
            rows.append(Row(f"{cv}, seeds: {kind}: {name.replace('_', ' ')}", mean))
    return rows


def _at(curve: Curve, reference: Reference, evaluations: float) -> float:
    """The error when so many evaluations had been spent; inf before the first surface."""
    before = int(np.searchsorted(curve.evaluations, evaluations, side="right"))
    return float(curve.rms(reference)[before - 1]) if before else float("inf")


def _told(curve: Curve, reference: Reference) -> float:
    """The error that the campaign itself gives at its end, RMS below `BELOW`."""
    error = np.array(curve.error[-1])[reference.f < BELOW]
    return float(np.sqrt(np.nanmean(error**2)))
