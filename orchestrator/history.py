"""How the estimate came about: one line per committed round in `results/history.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from msgen.orchestrator.base import RoundInfo, StateEstimate
from msgen.orchestrator.files import append_line, read_lines, write_atomic
from msgen.orchestrator.results import jsonable

HISTORY = Path("results") / "history.jsonl"


@dataclass(frozen=True)
class HistoryPoint:
    """One round: `energy_evaluations` and `wall_s` are sums since the campaign began."""

    round: int
    phase: str
    energy_evaluations: int
    wall_s: float
    states: Mapping[str, StateEstimate]

    @classmethod
    def of(cls, info: RoundInfo) -> HistoryPoint:
        """The point that `info` adds."""
        return cls(
            info.round,
            info.phase,
            info.cost.energy_evaluations,
            info.cost.wall_s,
            dict(info.estimate.states),
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
