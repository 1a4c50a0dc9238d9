"""Rewrite the marked tables of README and docs/results.md: `make tables [ARGS=RUN…]`.

Rows and campaigns that the benchmarks have left in runs/benchmarks are taken into docs/measured
first, and run directories of the demo that are named, in place of those that were kept.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED = re.compile(r"all: .*|.*: (converged|wrong by more than 3 sigma)")
"""Rows of `traps` that its table needs; there are hundreds of others."""
BENCHMARKS = {name: re.compile(".*") for name in ("converged", "configs", "implicit")} | {
    "traps": WANTED
}
"""Those of many campaigns, and which of their rows."""


def main(runs: list[str]) -> None:
    """Take what is there, then write the pages."""
    from measured import PAGES, demo_row, keep, keep_campaigns, rewritten

    for name, wanted in BENCHMARKS.items():
        ended = sorted((ROOT / "runs" / "benchmarks" / name).glob("*.json"))
        if ended:
            keep_campaigns(name, [json.loads(one.read_text(encoding="utf-8")) for one in ended])
        path = ROOT / "runs" / "benchmarks" / f"{name}.json"
        if path.is_file():
            rows = json.loads(path.read_text(encoding="utf-8"))
            short = ("what", "value", "reference")
            keep(name, [{k: r[k] for k in short} for r in rows if wanted.fullmatch(r["what"])])
    if runs:
        keep("demo", sorted((demo_row(Path(run)) for run in runs), key=lambda row: row["seed"]))
    for page in PAGES:
        page.write_text(rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
