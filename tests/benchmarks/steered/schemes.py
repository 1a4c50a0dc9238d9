"""All ways of moving a CV give the same free energies, at different costs.

The five valid variants of Schönle et al. (arXiv 2405.18160): asymmetric with the ratio of path
probabilities, symmetric and coin-flip, each with unadjusted or Metropolised inner steps; beside
them the CV that moves during the step, and the extended variable. Every one tunes itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rows import Row

from steered.campaigns import Run, chi_squared, mean, pooled, runs

VARIANTS = {
    "extended": "{scheme: extended}",
    "moving": "{scheme: moving}",
    "symmetric": "{scheme: symmetric}",
    "symmetric, tested": "{scheme: symmetric, inner: metropolised}",
    "coin-flip": "{scheme: coin_flip}",
    "coin-flip, tested": "{scheme: coin_flip, inner: metropolised}",
    "asymmetric": "{scheme: asymmetric}",
}


@dataclass(frozen=True)
class System:
    """A campaign whose answer is known, and what is asked of it here."""

    campaign: str
    state: str
    other: str
    exact: float
    seeds: tuple[int, ...]
    settings: tuple[str, ...] = ()


SYSTEMS = {
    "tunnel": System("steered_tunnel", "ten", "rest", float(np.log(0.7 / 0.3)), (1, 2)),
    "phi4": System(
        "steered_phi4",
        "positive",
        "rest",
        0.0,
        (1, 2),
        ("converge={state_error: 0.08 kT, surface_error: 0.4 kT, below: 4 kT}",),
    ),
}


def run(arguments: list[str]) -> list[Row]:
    """Rows; arguments are names of `SYSTEMS`."""
    out = []
    for name in arguments or SYSTEMS:
        system = SYSTEMS[name]
        found = {
            variant: runs(
                system.campaign,
                system.seeds,
                (f"strategy.path={path}", *system.settings),
                label=f"{name}, {variant}",
            )
            for variant, path in VARIANTS.items()
        }
        out += rows(system, name, found)
    return out


def rows(system: System, name: str, found: dict[str, list[Run]]) -> list[Row]:
    """Of one system: each variant's ΔF in units of its error, and its cost."""
    out, every = [], []
    for variant, some in found.items():
        f = [r.free_energy(system.other, system.state) for r in some]
        every += f
        value, error = pooled(f)
        z = (value - system.exact) / error
        told = f"{value:.3f} ± {error:.3f}, exact {system.exact:.3f}"
        out += [
            Row(f"{name}, {variant}: z of ΔF", z, "", told, "|z| < 4", bool(abs(z) < 4.0)),
            Row(f"{name}, {variant}: evaluations per crossing",
                mean([r.evaluations_per_crossing for r in some])[0], "",
                f"{mean([r.steps_per_crossing for r in some])[0]:.0f} steps"),
            Row(f"{name}, {variant}: acceptance", mean([r.acceptance for r in some])[0], "",
                f"{mean([r.steps_per_path for r in some])[0]:.0f} steps a path"),
        ]  # fmt: skip
    chi, n = chi_squared(every, system.exact), len(every)
    holds = bool(abs(chi - n) < 4.0 * np.sqrt(2.0 * n))
    out.append(Row(f"{name}: χ² of all", chi, "", f"{n} expected", f"± 4·√{2 * n}", holds))
    return out
