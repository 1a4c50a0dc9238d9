"""What the moves of a solute did, as a campaign reports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def report_moves(
    known: Mapping[str, Any], totals: Mapping[str, float], steps: int
) -> dict[str, Any]:
    """Diagnostics with acceptance by direction, and what a crossing costs.

    Crossings are counted by their expectation Σ min(1, e^r) over the paths that ended in another
    state, which has less noise than counting those that were accepted; their cost is that of all
    paths. Draws that could not be placed, or that the screen kept none of, began no path.

    Parameters
    ----------
    known : Mapping
        Diagnostics so far.
    totals : Mapping
        Summed counts of `msgen.actors.solute.sampler`.
    steps : int
        Of a path.
    """
    paths = totals.get("global_proposed", 0.0) - totals.get("refused", 0.0)
    if not paths:
        return dict(known)
    crossed, spent = totals["between_expected"], totals["global_evaluations"]
    by_direction = {
        name: totals[f"{name}_expected"] / totals[f"{name}_proposed"]
        for name in ("within", "between")
        if totals[f"{name}_proposed"]
    }
    return {
        **known,
        "acceptance": {**known.get("acceptance", {}), **by_direction},
        "paths": paths,
        "broken_paths": totals["broken"],
        "refused_draws": totals["refused"],
        "crossings": crossed,
        "steps_per_path": steps,
        "evaluations_per_path": spent / paths,
        "path_steps_per_crossing": steps * paths / crossed if crossed else None,
        "path_evaluations_per_crossing": spent / crossed if crossed else None,
    }
