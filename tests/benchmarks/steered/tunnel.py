"""The Gaussian tunnel, self-tuned: 0.3 and 0.7 in two modes of 20 dimensions.

Others (Schönle et al., arXiv 2405.18160, their code): inertial paths of K = 50 by hand, 122 steps
per mode switch at an acceptance of .55; K = 100: .608.
"""

from __future__ import annotations

import numpy as np
from rows import Row

from steered.campaigns import Run, chi_squared, mean, pooled, runs

SEEDS = (1, 2, 3, 4, 5, 6)
EXACT = float(np.log(0.7 / 0.3))
"""F(rest) − F(ten), kT; what lies beyond z = 5 of the other mode is 3e-7."""
OTHERS = 122.0


def run(arguments: list[str]) -> list[Row]:
    """Rows; arguments are seeds."""
    return rows(runs("steered_tunnel", [int(a) for a in arguments] or SEEDS))


def rows(found: list[Run]) -> list[Row]:
    """Of campaigns that differ in their seed alone."""
    n = len(found)
    p, error = pooled([r.probability("ten") for r in found])
    chi = chi_squared([r.free_energy("rest", "ten") for r in found], EXACT)
    steps, spread = mean([r.steps_per_crossing for r in found])
    worst = max(r.steps_per_crossing for r in found)
    per, of = mean([r.evaluations_per_crossing for r in found])
    return [
        Row("tunnel: converged", sum(r.status == "converged" for r in found), "", f"of {n} seeds"),
        Row("tunnel: steps per mode switch", steps, "", f"± {spread:.1f}; others {OTHERS:.0f}",
            f"≤ {OTHERS:.0f}", steps <= OTHERS),
        Row("tunnel: the worst seed's", worst, "", f"others {OTHERS:.0f}",
            f"≤ {OTHERS:.0f}", worst <= OTHERS),
        Row("tunnel: path evaluations per switch", per, "", f"± {of:.1f}"),
        Row("tunnel: acceptance", mean([r.acceptance for r in found])[0], "",
            "others .55, .608"),
        Row("tunnel: steps of a path", mean([r.steps_per_path for r in found])[0], "",
            "others 50, 100"),
        Row("tunnel: P(ten)", p, "", f"± {error:.4f}; exact 0.7", "0.70 ± 0.02",
            bool(abs(p - 0.7) < 0.02)),
        Row("tunnel: χ² of ΔF over seeds", chi, "", f"{n} expected", f"± 4·√{2 * n}",
            bool(abs(chi - n) < 4.0 * np.sqrt(2.0 * n))),
        Row("tunnel: evaluations of a campaign",
            mean([r.evaluations for r in found])[0] / 1e6, "M", "with adaptation"),
    ]  # fmt: skip
