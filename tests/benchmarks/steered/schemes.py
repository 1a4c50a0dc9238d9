"""All ways of moving a CV give the same free energies, at different costs.

The five valid variants of Schönle et al. (arXiv 2405.18160): asymmetric with the ratio of path
probabilities, symmetric and coin-flip, each with unadjusted or Metropolised inner steps; beside
them the CV that moves during the step, and the extended variable. By BAR of paths from draws of the
density, all of one length (tunnel, phi4), and as campaigns in which every one tunes itself
(campaigns).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import yaml
from rows import Row

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from steered.campaigns import Run, chi_squared, mean, pooled, runs
from steered.fields import CASES, LINEAR, Case

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
    "campaigns": System("steered_tunnel", "ten", "rest", float(np.log(0.7 / 0.3)), (1, 2)),
}
DIRECT = {"tunnel": (10.0, float(np.log(0.7 / 0.3))), "phi4": (40.0, 0.0)}
"""Steps per unit of distance, and F(below) − F(above the border) in kT."""
DT = 0.75
"""Time step, with the masses of `fields`."""


def run(arguments: list[str]) -> list[Row]:
    """Rows; arguments are names of `DIRECT` and of `SYSTEMS`."""
    out = []
    for name in arguments or (*DIRECT, *SYSTEMS):
        if name in DIRECT:
            out += direct(name)
            continue
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


def direct(name: str, seeds: tuple[int, ...] = (1, 2)) -> list[Row]:
    """ΔF of the two states of one system by each variant."""
    steps, exact = DIRECT[name]
    out: list[Row] = []
    every: list[tuple[float, float]] = []
    for variant, path in VARIANTS.items():
        found, spent, crossed = [], [], []
        for seed in seeds:
            case = CASES[name](seed)
            schedule = paths_of(case, steps, yaml.safe_load(path))
            answer, evaluations = case.difference(schedule, seed)
            found.append((answer.delta_f, answer.stderr))
            spent.append(evaluations)
            crossed.append(float(case.measure(schedule, 1000, 50 + seed)[1].mean()))
        every += found
        value, error = pooled(found)
        z = (value - exact) / error
        told = f"{value:.3f} ± {error:.3f}, exact {exact:.3f}"
        price = mean(spent)[0] / mean(crossed)[0]
        out += [
            Row(f"{name}, {variant}: z of ΔF", z, "", told, "|z| < 4", bool(abs(z) < 4.0)),
            Row(f"{name}, {variant}: evaluations per crossing", price, "", "not tuned"),
        ]
        print(f"{name}, {variant}: {told}, {price:.0f} evaluations a crossing", flush=True)
    chi, n = float(np.sum([((f - exact) / e) ** 2 for f, e in every])), len(every)
    holds = bool(abs(chi - n) < 4.0 * np.sqrt(2.0 * n))
    out.append(Row(f"{name}: χ² of all", chi, "", f"{n} expected", f"± 4·√{2 * n}", holds))
    return out


def paths_of(case: Case, steps: float, path: dict[str, str]) -> Schedule:
    """The same length for all; the extended variable takes a shorter step, for its spring."""
    dt = 0.3 if path["scheme"] == "extended" and case.name == "φ⁴" else DT
    return Schedule(
        Conditional(np.array([50.0]), LINEAR),
        dt,
        steps * DT / dt,
        case.scale,
        # the densities of asymmetric steps need noise
        friction=0.3 / DT if path["scheme"] == "asymmetric" else 0.01 / DT,
        refresh=5,
        smooth=0.0 if case.name == "φ⁴" else 1.0,
        min_steps=4,
        scheme=path["scheme"],
        metropolised=path.get("inner") == "metropolised",
    )
