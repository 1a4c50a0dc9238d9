"""ΔF of two states by counting, by BAR over all paths and by umbrella windows, at equal cost.

Every method is a campaign of the same file, run inline with the same number of energy evaluations,
exploration and tuning included, and criteria that it cannot meet. ΔF = F(state) − F(rest) in kT.
Beside the error that a campaign reports stands the true one, against a reference.

`make bench NAME=steered_systems ARGS=equal_cost`: an analytic double well, whose ΔF is known. The
parts of dimer and polymer call `compare` with cases of their own; `tabled` reads what they kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from exact_populations import exact_state_probability
from rows import ROOT, Row

from msgen.systems.base import CVSet
from msgen.systems.cvs.torch_cvs import Coordinate
from msgen.systems.potentials.two_dimensional import DoubleWell
from steered.campaigns import Run, kept, runs, together

NEVER = "converge={state_error: 1.0e-6 kT, surface_error: 1.0e-6 kT}"
"""Nothing stops before its budget."""
METHODS = {
    "MD": "counting, local moves alone",
    "chain": "counting, chain of steered moves",
    "BAR": "BAR over all paths",
    "umbrella": "umbrella windows",
}


@dataclass(frozen=True)
class Case:
    """A campaign with two states, `state` and the rest, and how each method runs it.

    Attributes
    ----------
    name : str
        Of the rows.
    campaign : str or Path
        Of configs/papers, or a file; its strategy is `steered`.
    state : str
        The state that the campaign names.
    reference : tuple of float
        ΔF = F(state) − F(rest) in kT, and its standard error.
    budget : float
        Energy evaluations of every campaign.
    settings : Mapping of method to settings
        `key=value` of methods of `METHODS`, on top of the file; 'MD' and 'umbrella' have to set a
        strategy. A method that is not there is not run.
    wall : str
        Most wall time of a campaign.
    """

    name: str
    campaign: str | Path
    state: str
    reference: tuple[float, float]
    budget: float
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wall: str = "30 min"

    def label(self, method: str) -> str:
        """Under which the runs of a method are kept."""
        return f"{self.name} {self.budget / 1e6:g} M {method}"

    def all_settings(self, method: str) -> tuple[str, ...]:
        """Those of every method, then its own."""
        budget = f"budget={{energy_evaluations: {self.budget:.0f}, wall: {self.wall}}}"
        return (NEVER, budget, *self.settings[method])


def judged(case: Case, method: str, found: Sequence[Run]) -> list[Row]:
    """One method over its seeds: reported error, true error, and whether they agree."""
    at = f"{case.name}, ΔF by {METHODS[method]}"
    value, error = case.reference
    spent = float(np.mean([r.evaluations for r in found]))
    miss, said = misses(case, found)
    n = len(miss)
    about = f"{n} of {len(found)} seeds, {spent / 1e6:.2f} M evaluations"
    if not n:
        return [Row(f"{at}: seeds that know it", 0.0, "", about)]
    chi = float(np.sum(miss**2 / (said**2 + error**2)))
    most = n + 4.0 * np.sqrt(2.0 * n)
    rows = [
        Row(f"{at}: mean", float(miss.mean() + value), "kT", f"{value:.3f} ± {error:.3f}"),
        Row(f"{at}: reported error, RMS", _rms(said), "kT", about),
        Row(f"{at}: true error, RMS", _rms(miss), "kT", about),
        Row(f"{at}: χ²", chi, "", f"{n} expected", f"< {most:.1f}", bool(chi < most)),
    ]
    if np.isfinite([r.acceptance for r in found]).all():
        accepted = float(np.mean([r.acceptance for r in found]))
        rows.append(Row(f"{at}: acceptance of paths", accepted))
    return rows


def misses(case: Case, found: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """ΔF − reference and the reported error of the seeds that know both, kT."""
    values = np.array([r.free_energy(case.state, "rest") for r in found]).reshape(-1, 2)
    known = values[np.isfinite(values).all(axis=1) & (values[:, 1] > 0)]
    return known[:, 0] - case.reference[0], known[:, 1]


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def table(case: Case, found: Mapping[str, Sequence[Run]]) -> str:
    """The methods side by side, as a Markdown table."""
    value, error = case.reference
    what = f"ΔF of {case.name}, {value:.3f} ± {error:.3f} kT, by"
    lines = [
        f"| {what} | kT | reported error | true error, RMS | evaluations | seeds |",
        "|---|---|---|---|---|---|",
    ]
    for method, some in found.items():
        miss, said = misses(case, some)
        figures = "– | – | –"
        if len(miss):
            figures = f"{miss.mean() + value:.3f} | {_rms(said):.3f} | {_rms(miss):.3f}"
        spent = f"{np.mean([r.evaluations for r in some]) / 1e6:.2f} M"
        lines.append(f"| {METHODS[method]} | {figures} | {spent} | {len(miss)} of {len(some)} |")
    return "\n".join(lines)


def compare(case: Case, seeds: Sequence[int], methods: Sequence[str] = tuple(METHODS)) -> list[Row]:
    """All methods over all seeds, told and kept as they come, and the table of them."""
    chosen = [m for m in methods if m in case.settings]
    each = [(case.all_settings(m), case.label(m)) for m in chosen]
    jobs = [
        partial(runs, case.campaign, [seed], settings, label=label)
        for settings, label in each
        for seed in seeds
    ]
    done = [one for some in together(jobs) for one in some]
    found = {m: done[k * len(seeds) : (k + 1) * len(seeds)] for k, m in enumerate(chosen)}
    print(table(case, found), flush=True)
    return [row for method, some in found.items() for row in judged(case, method, some)]


def tabled(case: Case, seeds: Sequence[int]) -> str:
    """The table of whatever earlier runs of `compare` have kept of these seeds."""
    found = {m: [r for s in seeds if (r := kept(case.label(m), s))] for m in case.settings}
    return table(case, {method: some for method, some in found.items() if some})


def double_well(budget: float = 4e6) -> Case:
    """The analytic case."""
    cvs = CVSet((Coordinate("x", 0),))
    p = exact_state_probability(DoubleWell(), cvs, {"x": (-2.0, 0.0)})
    local = "local: {kind: hmc, steps: 20}"
    windows = f"strategy={{kind: umbrella, seeds: neighbour, windows: {{x: 12}}, {local}}}"
    settings = {
        "MD": (f"strategy={{kind: local, {local}}}",),
        "chain": ("strategy.stratify=off", "strategy.flatten=0 kT"),
        "BAR": (),
        "umbrella": (windows, "replicas=4"),
    }
    reference = (float(-np.log(p / (1 - p))), 0.0)
    config = ROOT / "configs" / "double_well.yaml"
    return Case("double well", config, "left", reference, budget, settings)


def run(arguments: list[str]) -> list[Row]:
    """The analytic case over some seeds, three by default."""
    return compare(double_well(), range(1, 1 + (int(arguments[0]) if arguments else 3)))
