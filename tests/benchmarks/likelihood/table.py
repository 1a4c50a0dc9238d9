"""The table of docs/papers/gabrie_targets.md."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from likelihood.campaigns import METHODS, STATES
from likelihood.chains import Run

HEAD = (
    "| | acceptance | ESS per 1,000 | evaluations a sample | with training | g | flips | R̂ "
    "| P | converged | CPU s |"
)
RULE = "|---|---|---|---|---|---|---|---|---|---|---|"


def markdown(runs: Sequence[Run]) -> str:
    """One table a target, one line a method, means over seeds; R̂ the largest."""
    lines: list[str] = []
    for target in STATES:
        of = [r for r in runs if r.target == target]
        if not of:
            continue
        lines += [f"{target}:", "", HEAD, RULE]
        lines += [_line(m, mine) for m in METHODS if (mine := [r for r in of if r.method == m])]
        lines.append("")
    return "\n".join(lines)


def _line(method: str, runs: list[Run]) -> str:
    moves = [r.acceptance.get("global", r.acceptance.get("local", float("nan"))) for r in runs]
    p = [r.probability for r in runs if r.probability is not None]
    spread = f" ± {np.std(p, ddof=1) / np.sqrt(len(p)):.3f}" if len(p) > 1 else ""
    # where nothing ever changed state, an effective size would be that of no estimate
    moved = any(r.flips for r in runs)
    mixing = (
        f"{np.mean([r.rate for r in runs]):.2f}",
        _count([r.per_sample for r in runs]),
        _count([r.per_sample_all for r in runs]),
        f"{np.mean([r.g for r in runs]):.0f}",
        f"{np.mean([r.flips for r in runs]):,.0f}",
        f"{max(r.r_hat for r in runs):.2f}",
    )
    what = (
        f"{np.mean(moves):.3f}",
        *(mixing if moved else ("none", "–", "–", "–", "0", "–")),
        f"{np.mean(p):.3f}{spread if moved else ''}" if p else "–",
        f"{sum(r.converged for r in runs)}/{len(runs)}",
        f"{np.mean([r.cpu_s for r in runs]):.0f}",
    )
    return f"| {method} | {' | '.join(what)} |"


def _count(values: list[float]) -> str:
    mean = float(np.mean(values))
    return f"{mean:,.0f}" if np.isfinite(mean) else "–"
