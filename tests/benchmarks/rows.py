"""Rows of a benchmark: printed as a table, kept as runs/benchmarks/NAME.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from places import ROOT


@dataclass(frozen=True)
class Row:
    """One figure; `bound` says in words what it must satisfy, `holds` whether it does."""

    what: str
    value: float
    unit: str = ""
    reference: str = ""
    bound: str = ""
    holds: bool | None = None


def publish(name: str, rows: Sequence[Row]) -> Path:
    """Print the table and write the file."""
    width = max((len(r.what) for r in rows), default=0)
    for r in rows:
        verdict = "" if r.holds is None else ("holds" if r.holds else "DOES NOT HOLD")
        figure = f"{r.value:>10.4g} {r.unit:<8}"
        print(f"{r.what:<{width}}  {figure} {r.reference:<20} {r.bound:<10} {verdict}")
    path = write(name, rows)
    print(f"written: {path.relative_to(ROOT)}")
    return path


def write(name: str, rows: Sequence[Row]) -> Path:
    """The file alone, for a benchmark that goes on."""
    path = ROOT / "runs" / "benchmarks" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n")
    return path
