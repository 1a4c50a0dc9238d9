"""Coverage of every estimator's intervals, on synthetic data whose truth is known.

`make bench NAME=coverage [ARGS="repeats=300 seed=0 part-of-a-name …"]`: the package's own
estimators and judges, at fixed length and at their own stop (`tests/support/coverage_cases`). Rows
that are there from before, of as many repeats, are kept; those that ARGS names are made again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import numpy as np
from coverage_cases.base import LEVELS, NEVER, SLACK, Case, Outcomes, band, share
from coverage_cases.registry import all_cases
from rows import ROOT, Row, publish, write

NAME = "coverage"
REPEATS = 300
TOO_WIDE = 2.5
"""Median σ over the RMS error, beyond which intervals say nothing; of two units it is 2.3."""


def rows_of(case: Case, found: Outcomes) -> list[Row]:
    """Both levels against what is asked; how many converged; bias and width beside them.

    Of a case that must never converge, how many did.
    """
    z, n = found.z, len(found.estimate)
    ended = float(np.mean(found.converged))
    if case.never:
        most = NEVER + SLACK * float(np.sqrt(NEVER * (1 - NEVER) / n))
        what, bound = f"{case.name}: converged", f"≤ {most:.2f}"
        return [Row(what, ended, "", f"{n} repeats", bound, bool(ended <= most))]
    rows = []
    for level, limit in LEVELS:
        seen = share(z, limit)
        least, most = band(case.units, level, len(z) or n)
        bound = f"≥ {least:.2f}" if most >= 1.0 else f"{least:.2f}–{most:.2f}"
        if least <= 0.0:
            bound, holds = "", None
        else:
            holds = bool(least <= seen <= most)
        rows.append(Row(f"{case.name}: within {limit:.3g} σ", seen, "", f"{n} repeats",
                        bound, holds))  # fmt: skip
    rows.append(Row(f"{case.name}: converged", ended, "", f"{n} repeats"))
    told = found.converged & np.isfinite(found.error) & np.isfinite(found.estimate)
    if told.any():
        off, sigma = found.estimate[told] - found.truth, found.error[told]
        rows.append(Row(f"{case.name}: bias", float(np.mean(off)), "kT", f"{n} repeats"))
        ratio = float(np.median(sigma) / np.sqrt(np.mean(off**2)))
        rows.append(Row(f"{case.name}: median σ/RMS error", ratio, "", f"{n} repeats",
                        f"≤ {TOO_WIDE}", bool(ratio <= TOO_WIDE)))  # fmt: skip
    return rows


def kept(repeats: int) -> dict[str, list[Row]]:
    """Rows of earlier runs with as many repeats, by case."""
    path = ROOT / "runs" / "benchmarks" / f"{NAME}.json"
    out: dict[str, list[Row]] = {}
    if path.exists():
        for row in (Row(**tree) for tree in json.loads(path.read_text())):
            if row.reference == f"{repeats} repeats":
                out.setdefault(row.what.rpartition(": ")[0], []).append(row)
    return out


def main(arguments: Sequence[str]) -> None:
    """Run what is asked for and not there, and publish all."""
    options = dict(a.split("=", 1) for a in arguments if "=" in a)
    repeats, seed = int(options.get("repeats", REPEATS)), int(options.get("seed", 0))
    wanted = [a for a in arguments if "=" not in a]
    cases, done = all_cases(), kept(repeats)
    for case in cases:
        asked = any(part in case.name for part in wanted)
        if asked or (not wanted and case.name not in done):
            print(case.name, flush=True)
            done[case.name] = rows_of(case, case.run(case.stream(seed), repeats))
            write(NAME, [row for c in cases for row in done.get(c.name, [])])
    publish(NAME, [row for c in cases for row in done.get(c.name, [])])


if __name__ == "__main__":
    main(sys.argv[1:])
