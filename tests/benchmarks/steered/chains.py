"""Chains of steered moves of the dimer and the polymer, held against their references.

An acceptance is over all proposals, most of which stay in their state; that of the crossings alone
stands beside it. Free energies are held against `tests/references/NAME.json`.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rows import ROOT, Row

from msgen.orchestrator.estimators.works.bar import bar
from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.run_directory.store import Store
from steered.campaigns import (
    NAN,
    Run,
    chi_squared,
    describe,
    kept,
    mean,
    note,
    pooled,
    spared,
    together,
)
from steered.campaigns import run as campaign
from steered.equal_cost import Case, compare, judged, tabled

WAYS = {"counting": 4.0, "bidirectional": 7.0}
"""How F along the CV is told, and up to which height it is held against the reference, kT."""
SHORT = "budget={energy_evaluations: 7.0e+5, wall: 20 min}"
"""Of a scan: enough for an acceptance, not for a free energy."""


def paths_of(folder: Path) -> dict[str, np.ndarray]:
    """Columns of all paths of production, of a run directory."""
    store = Store(folder / "store.zarr")
    # the first round of production lets the walkers forget the adaptation
    produced = [p.round for p in read_history(folder) if p.phase == "produce"][1:]
    wanted = ("work", "protocol_work", "lambda_start", "lambda_stop", "path_replica")
    return {name: store.read(f"sample/{name}", produced[0]) for name in wanted}


def figures(paths: dict[str, np.ndarray], border: float) -> dict[str, Any]:
    """Acceptance of all paths, of those that stay and of those that cross, and BAR over these.

    BAR takes every path from a state, those that stay with infinite work: so their number needs no
    mass of q inside each state.
    """
    chance = np.exp(-np.clip(paths["work"], 0.0, None))
    begin, end = (paths[k].reshape(-1) < border for k in ("lambda_start", "lambda_stop"))
    cross = begin != end
    w = np.where(cross, paths["work"], np.inf)
    blocks = paths["path_replica"].astype(np.int64)
    found = bar(w[begin], w[~begin], forward_blocks=blocks[begin], reverse_blocks=blocks[~begin])

    def told(which: np.ndarray) -> list[float]:
        n = int(which.sum())
        spread = float(chance[which].std() / np.sqrt(max(n, 1)))
        return [float(chance[which].mean()), spread, n]

    finite = np.isfinite(paths["work"])
    return {
        "all": told(np.ones(len(chance), dtype=bool)),
        "stays": told(~cross),
        "crosses": told(cross),
        "up": told(begin & ~end),
        "down": told(~begin & end),
        "dissipated": [
            float(paths["protocol_work"][finite & a & b].mean())
            for a, b in ((begin, ~end), (~begin, end))
        ],
        # F(compact) − F(rest)
        "bar": [-found.delta_f, found.stderr],
    }


@dataclass(frozen=True)
class Chain:
    """A campaign of a chain over two states, parted at `border` of one CV.

    Attributes
    ----------
    name : str
        Of the rows, and of the reference.
    campaign : str
        Of configs/papers.
    cv, state : str
        The CV, and the state below the border.
    border : float
    others : dict
        Bounds by their figures: 'acceptance' at least, 'steps' and 'failures' at most.
    """

    name: str
    campaign: str
    cv: str
    state: str
    border: float
    others: dict[str, float] = field(default_factory=dict)

    def told(
        self, label: str, seed: int, settings: Sequence[str] = (), again: bool = True
    ) -> Run | None:
        """A campaign with the figures of its paths among its diagnostics; else what is kept."""
        if not again:
            return kept(label, seed)
        if old := spared(label, seed, settings):
            return old
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            one = campaign(self.campaign, seed, settings, keep=Path(folder))
            done = Path(folder) / "run"
            result = json.loads((done / "results" / "free_energy.json").read_text())
            # a stratified campaign has no crossings to accept
            about = figures(paths_of(done), self.border) if np.isfinite(one.crossings) else {}
        seen = {**one.diagnostics, "figures": about, **self.surfaces(result)}
        one = replace(one, diagnostics=seen)
        print(f"{label} {describe(one)}, {time.perf_counter() - began:.0f} s", flush=True)
        note(one, label, settings)
        return one

    def several(
        self, label: str, seeds: Sequence[int], settings: Sequence[str], only_kept: bool
    ) -> list[Run]:
        """Over seeds; those that are kept if no more is wanted."""
        told = [partial(self.told, label, seed, settings, not only_kept) for seed in seeds]
        return [one for one in together(told) if one is not None]

    def reference(self) -> dict[str, Any]:
        """The long runs of tests/references/particles.py."""
        path = ROOT / "tests" / "references" / f"{self.name}.json"
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def difference(self) -> tuple[float, float]:
        """F(state) − F(rest) of the reference and its error, kT."""
        flat = self.reference()["flat"]
        return -float(flat["delta_f_kT"]), float(flat["delta_f_stderr_kT"])

    def surface_error(self, one: Run, way: str, below: float) -> tuple[float, float]:
        """RMS difference of F from the reference below a height, kT, and what both errors say.

        The constant between them is the mean difference, each bin as precise as it is; NaN where
        a way tells nothing.
        """
        surface = one.diagnostics.get(way)
        if surface is None:
            return NAN, NAN
        known = self.reference()
        pair, error = (np.array(known["flat"][k], dtype=np.float64) for k in ("f_kT", "stderr_kT"))
        centres, d = np.array(known["centres"]), np.array(surface["d"])
        f, own = (np.array(surface[k], dtype=np.float64) for k in ("f_kT", "stderr_kT"))
        width, fine = d[1] - d[0], centres[1] - centres[0]
        exact, spread = np.full(len(d), np.nan), np.full(len(d), np.nan)
        for i, x in enumerate(d):
            mine = np.abs(centres - x) < 0.5 * width
            if mine.sum() == round(width / fine) and np.isfinite(pair[mine]).all():
                exact[i] = -np.log(np.exp(-pair[mine]).mean())
                spread[i] = error[mine].mean()
        low = (exact - np.nanmin(exact) < below) & np.isfinite(f) & np.isfinite(own) & (own > 0)
        variance = own[low] ** 2 + spread[low] ** 2
        miss = f[low] - exact[low]
        miss = miss - np.sum(miss / variance) / np.sum(1.0 / variance)
        return float(np.sqrt(np.mean(miss**2))), float(np.sqrt(np.mean(variance)))

    def surfaces(self, result: dict[str, Any]) -> dict[str, Any]:
        """F by counting, and from the works of the paths where the campaign tells it."""
        ways = {"counting": result["surface"], **(result.get("profile") or {})}
        d = result["surface"]["axes"][self.cv]
        return {
            name: {"d": d, **{k: ways[name][k] for k in ("f_kT", "stderr_kT")}}
            for name in WAYS
            if name in ways
        }

    def accepted(self, name: str, found: list[Run], asked: bool = False) -> list[Row]:
        about = [r.diagnostics["figures"] for r in found]
        each = [a["all"][0] for a in about]
        bars = [tuple(a["bar"]) for a in about]
        spread = ", ".join(f"{v:.3f}" for v in each)
        steps = mean([r.steps_per_path for r in found])[0]
        broke = mean([r.failures for r in found])[0]
        failed = sum(r.diagnostics.get("constraint_failures", 0.0) for r in found)
        least, longest, most = (
            self.others.get(k) if asked else None for k in ("acceptance", "steps", "failures")
        )
        return [
            Row(f"{name}: acceptance of all proposals", mean(each)[0], "", f"seeds {spread}",
                f"≥ {least}" if least else "", min(each) >= least if least else None),
            Row(f"{name}: of those that stay", mean([a["stays"][0] for a in about])[0]),
            Row(f"{name}: of those that cross", mean([a["crosses"][0] for a in about])[0], "",
                f"± {mean([a['crosses'][1] for a in about])[0]:.3f} each seed"),
            Row(f"{name}: steps of a path", steps, "", "others 400",
                f"≤ {longest}" if longest else "", steps <= longest if longest else None),
            Row(f"{name}: steps per crossing", *_with(mean([r.steps_per_crossing for r in found]))),
            Row(f"{name}: path evaluations per crossing",
                *_with(mean([r.evaluations_per_crossing for r in found]))),
            Row(f"{name}: paths that broke, each a rejection", 100 * broke, "%", f"{failed:.0f} "
                "projections", f"≤ {100 * most:g} %" if most else "",
                broke <= most if most else None),
            *self.judged(name, found),
            Row(f"{name}: ΔF by BAR over the crossings", *_bar(bars)),
        ]  # fmt: skip

    def judged(self, name: str, found: list[Run]) -> list[Row]:
        """What campaigns give for ΔF and F along the CV, against the reference."""
        n, (exact, error) = len(found), self.difference()
        miss = [(r.free_energy(self.state, "rest")) for r in found]
        value, said = pooled(miss)
        chi = chi_squared([(f, float(np.hypot(e, error))) for f, e in miss], exact)
        bound = n + 4 * np.sqrt(2 * n)
        return [
            Row(f"{name}: converged", sum(r.status == "converged" for r in found), "", f"of {n}"),
            Row(f"{name}: ΔF", value, "kT", f"± {said:.3f}; {exact:.3f} ± {error:.3f}"),
            Row(f"{name}: χ² over seeds", chi, "", f"{n} expected", f"< {bound:.1f}",
                bool(chi < bound)),
            *self._surface_rows(name, found),
            Row(f"{name}: evaluations of a campaign",
                mean([r.evaluations for r in found])[0] / 1e6, "M", "with adaptation"),
        ]  # fmt: skip

    def _surface_rows(self, name: str, found: list[Run]) -> list[Row]:
        rows = []
        for way, height in WAYS.items():
            off = np.array([self.surface_error(r, way, height) for r in found])
            if np.isfinite(off).all():
                miss, said = np.sqrt((off**2).mean(axis=0))
                what = f"{name}: F by {way} below {height:g} kT, RMS off"
                rows.append(Row(what, float(miss), "kT", f"errors say {said:.3f}"))
        return rows

    def acceptance(self, seeds: Sequence[int], only_kept: bool) -> list[Row]:
        """The campaign as it stands."""
        found = self.several(self.name, seeds, (), only_kept)
        return self.accepted(f"{self.name}, K = 400", found, asked=True) if found else []

    def tuned(self, seeds: Sequence[int], only_kept: bool) -> list[Row]:
        """Length, time step and friction of the paths left to the tuner."""
        settings = tuple(f"strategy.path.{k}=auto" for k in ("steps", "timestep", "friction"))
        found = self.several(f"{self.name} self-tuned", seeds, settings, only_kept)
        return self.accepted(f"{self.name}, self-tuned", found) if found else []

    def cold(self, seeds: Sequence[int], only_kept: bool) -> list[Row]:
        """From the compact state alone and nothing pushed out of it."""
        settings = ("strategy.explore.pushes=0",)
        found = self.several(f"{self.name} cold", seeds, settings, only_kept)
        return self.accepted(f"{self.name}, without pushes", found) if found else []

    def scan(self, lengths: Sequence[int], seeds: Sequence[int], only_kept: bool) -> list[Row]:
        """Acceptance and cost against the length of the path."""
        rows = []
        for steps in lengths:
            settings = (f"strategy.path.steps={steps}", SHORT)
            found = self.several(f"{self.name} K {steps}", seeds, settings, only_kept)
            if not found:
                continue
            about = [r.diagnostics["figures"] for r in found]
            name = f"{self.name}, K = {steps}"
            values = [mean([a[k][0] for a in about]) for k in ("all", "crosses")]
            cost = mean([r.evaluations_per_crossing for r in found])
            up, down = (np.mean([a["dissipated"][k] for a in about]) for k in (0, 1))
            rows += [
                Row(f"{name}: acceptance", values[0][0], "", f"± {values[0][1]:.3f}"),
                Row(f"{name}: of those that cross", values[1][0], "", f"± {values[1][1]:.3f}"),
                Row(f"{name}: dissipated up and down, mean", 0.5 * float(up + down), "kT"),
                Row(f"{name}: path evaluations per crossing", cost[0], "", f"± {cost[1]:.0f}"),
            ]
        return rows


def at_equal_cost(case: Case, seeds: Sequence[int], only_kept: bool) -> list[Row]:
    """ΔF by counting, by BAR and by umbrella windows."""
    if not only_kept:
        return compare(case, seeds)
    print(tabled(case, seeds), flush=True)
    found = {m: [r for s in seeds if (r := kept(case.label(m), s))] for m in case.settings}
    return [row for m, some in found.items() if some for row in judged(case, m, some)]


def parts(
    arguments: Sequence[str],
    rows: Mapping[str, Callable[[Sequence[int], bool], list[Row]]],
    seeds: Sequence[int],
) -> list[Row]:
    """The parts that are named, all by default; numbers are seeds, `kept` runs nothing."""
    chosen = [int(a) for a in arguments if a.isdigit()] or seeds
    wanted = [a for a in arguments if a in rows] or list(rows)
    return [row for part in wanted for row in rows[part](chosen, "kept" in arguments)]


def _with(value: tuple[float, float]) -> tuple[float, str, str]:
    return value[0], "", f"± {value[1]:.0f}"


def _bar(values: Sequence[tuple[float, float]]) -> tuple[float, str, str]:
    value, error = pooled(values)
    return value, "kT", f"± {error:.3f}"
