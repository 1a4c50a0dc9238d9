"""How the estimate came about: one line per committed round in `results/history.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from msgen.orchestrator.base import RoundInfo, StateEstimate
from msgen.orchestrator.reporting.results import jsonable
from msgen.orchestrator.run_directory.atomic_files import append_line, read_lines, write_atomic

HISTORY = Path("results") / "history.jsonl"


@dataclass(frozen=True)
class HistoryPoint:
    """One round: `energy_evaluations` and `wall_s` are sums since the campaign began.

    `projected_kT` is what `RoundInfo` says: no error bar, but what the remaining time goes by.
    """

    round: int
    phase: str
    energy_evaluations: int
    wall_s: float
    states: Mapping[str, StateEstimate]
    projected_kT: float | None = None

    @classmethod
    def of(cls, info: RoundInfo) -> HistoryPoint:
        """The point that `info` adds."""
        return cls(
            info.round,
            info.phase,
            info.cost.energy_evaluations,
            info.cost.wall_s,
            dict(info.estimate.states),
            info.projected_kT,
        )


def _line(point: HistoryPoint) -> str:
    return json.dumps(jsonable(asdict(point)), allow_nan=False) + "\n"


def read_history(run_dir: Path) -> list[HistoryPoint]:
    """All rounds, oldest first; empty if none. A line cut short by a crash is left out."""
    path = Path(run_dir) / HISTORY
    points = []
    for row in read_lines(path):
        states = {n: StateEstimate(**s) for n, s in row["states"].items()}
        points.append(HistoryPoint(**{**row, "states": states}))
    return points


def append_history(run_dir: Path, point: HistoryPoint) -> None:
    """Add one round at the end."""
    path = Path(run_dir) / HISTORY
    path.parent.mkdir(parents=True, exist_ok=True)
    append_line(path, jsonable(asdict(point)), sync=False)


def rewind_history(run_dir: Path, before: int) -> list[HistoryPoint]:
    """Drop round `before` and all later ones, which a resumed run makes anew; returns the rest."""
    kept: Sequence[HistoryPoint] = [p for p in read_history(run_dir) if p.round < before]
    if (Path(run_dir) / HISTORY).is_file():
        write_atomic(Path(run_dir) / HISTORY, "".join(_line(p) for p in kept))
    return list(kept)


def time_to_convergence(history: Sequence[HistoryPoint], target_kT: float | None) -> float | None:
    """Seconds until every state's error meets `target_kT`, with σ ∝ 1/√t at the present rate.

    Only the produce phase counts: t = t_produce [(max σ / target)² − 1]. 0 if the errors are met;
    None where it cannot be told: no target, too early, or a state without an error.
    An error without ground will do: what it lacks takes no less time.
    """
    if target_kT is None or not history or history[-1].phase != "produce":
        return None
    worst = history[-1].projected_kT
    if worst is None:
        return None
    if worst <= target_kT:
        return 0.0
    first = next(i for i, p in enumerate(history) if p.phase == "produce")
    begun = history[first - 1].wall_s if first else 0.0
    return (history[-1].wall_s - begun) * ((worst / target_kT) ** 2 - 1)
