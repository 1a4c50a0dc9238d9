"""φ⁴ on 64 sites, the first Haar coefficient as CV, proposals and paths learnt.

Others (Schönle et al., arXiv 2405.18160, their code, proposals given by hand): K = 1,300,
acceptance .483, 5,580 steps per switch.
"""

from __future__ import annotations

import numpy as np
from rows import Row

from steered.campaigns import Run, chi_squared, mean, pooled, runs

SEEDS = (1, 2, 3)
OTHERS, ASKED = 5580.0, 5000.0


def run(arguments: list[str]) -> list[Row]:
    """Rows; arguments are seeds."""
    return rows(runs("steered_phi4", [int(a) for a in arguments] or SEEDS))


def rows(found: list[Run], name: str = "φ⁴") -> list[Row]:
    """Of campaigns that differ in their seed alone."""
    n = len(found)
    p, error = pooled([r.probability("positive") for r in found])
    chi = chi_squared([r.free_energy("positive", "rest") for r in found], 0.0)
    steps, spread = mean([r.steps_per_crossing for r in found])
    worst = max(r.steps_per_crossing for r in found)
    per, of = mean([r.evaluations_per_crossing for r in found])
    return [
        Row(f"{name}: converged", sum(r.status == "converged" for r in found), "",
            f"of {n} seeds"),
        Row(f"{name}: steps per switch", steps, "", f"± {spread:.0f}; others {OTHERS:.0f}",
            f"≤ {ASKED:.0f}", steps <= ASKED),
        Row(f"{name}: the worst seed's", worst, "", f"others {OTHERS:.0f}",
            f"≤ {ASKED:.0f}", worst <= ASKED),
        Row(f"{name}: path evaluations per switch", per, "", f"± {of:.0f}"),
        Row(f"{name}: acceptance", mean([r.acceptance for r in found])[0], "", "others .483"),
        Row(f"{name}: steps of a path", mean([r.steps_per_path for r in found])[0], "",
            "others 1,300"),
        Row(f"{name}: P(positive)", p, "", f"± {error:.4f}; exact 0.5", "0.50 ± 0.03",
            bool(abs(p - 0.5) < 0.03)),
        Row(f"{name}: χ² of ΔF over seeds", chi, "", f"{n} expected", f"± 4·√{2 * n}",
            bool(abs(chi - n) < 4.0 * np.sqrt(2.0 * n))),
        Row(f"{name}: evaluations of a campaign",
            mean([r.evaluations for r in found])[0] / 1e6, "M", "with adaptation"),
    ]  # fmt: skip
