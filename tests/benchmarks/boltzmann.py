"""Alanine dipeptide by models of the whole molecule, beside steered moves in the CVs.

`make bench NAME=boltzmann [ARGS="seeds strategy…"]`. A Boltzmann generator in internal coordinates,
trained by the adaptive loop (`flow_mcmc`; its proposals by themselves, reweighted, tell the states
too), BAR between the two φ basins with a flow each (`targeted`), and the `steered` demo, all from
one structure to the same criteria, against the reference of `tests/references/`.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rows import ROOT, Row, publish

CAMPAIGNS = {
    "flow_mcmc": "configs/papers/gabrie_alanine.yaml",
    "targeted": "configs/papers/gabrie_free_energy_alanine.yaml",
    "steered": "configs/alanine_dipeptide.yaml",
}
RUN = "import sys; from msgen.orchestrator.cli import main_run; sys.exit(main_run(sys.argv[1:]))"
REFERENCE = json.loads((ROOT / "tests/references/alanine_dipeptide.json").read_text())
SURFACE = np.array([[np.nan if v is None else v for v in row] for row in REFERENCE["f_kT"]])
CRITERIA = (
    "converge={state_error: 0.1 kT, surface_error: 0.2 kT, below: 5 kT}",
    "output.tensorboard=false",
    "output.trajectory=none",
)


@dataclass(frozen=True)
class Outcome:
    """What one campaign ended with; free energies in kT."""

    status: str
    delta_f: float
    stderr: float
    rms: float
    cost: dict[str, float]
    diagnostics: dict[str, object]
    log_z: str
    reweighted: tuple[float, float] | None

    @property
    def z(self) -> float:
        """Error in units of what is told, the reference's own included."""
        error = self.delta_f - float(REFERENCE["delta_f_kT"])
        return error / float(np.hypot(self.stderr, REFERENCE["stderr_kT"]))


def run(kind: str, seed: int) -> Outcome:
    """One campaign in this process's place, inline."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", RUN, str(ROOT / CAMPAIGNS[kind]), "--executor", "inline"]
        command += ["--output-dir", folder, "--set", f"seed={seed}"]
        for text in CRITERIA:
            command += ["--set", text]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 3):
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-2000:]}")
        (result,) = Path(folder).glob("*/results/free_energy.json")
        found = json.loads(result.read_text())
    c7ax, rest = found["states"]["C7ax"], found["states"]["rest"]
    f = [[np.nan if v is None else v for v in row] for row in found["surface"]["f_kT"]]
    gap = (np.array(f) - SURFACE)[(SURFACE < 5.0) & np.isfinite(np.array(f))]
    known, alone = found["log_z"], found["diagnostics"].get("reweighted")
    return Outcome(
        found["status"],
        c7ax["f_kT"] - rest["f_kT"],
        float(np.hypot(c7ax["stderr_kT"] or 0.0, rest["stderr_kT"] or 0.0)),
        float(np.std(gap)),
        found["cost"],
        found["diagnostics"],
        f"{known['value']:.2f} ± {known['stderr'] or math.nan:.2f}" if known else "",
        (-alone["rest"]["f_kT"], alone["rest"]["stderr_kT"] or math.nan) if alone else None,
    )


def rows(kind: str, outcomes: list[Outcome]) -> list[Row]:
    """One strategy over its seeds."""

    def mean(name: str) -> float:
        return float(np.mean([o.cost[name] for o in outcomes]))

    chi = float(np.sum([o.z**2 for o in outcomes]))
    n = len(outcomes)
    out = [
        Row(f"{kind}: converged", sum(o.status == "converged" for o in outcomes), "", f"of {n}"),
        Row(f"{kind}: F(C7ax) − F(rest)", float(np.mean([o.delta_f for o in outcomes])), "kT",
            f"reference {REFERENCE['delta_f_kT']:.3f} ± {REFERENCE['stderr_kT']:.3f}"),
        Row(f"{kind}: error told", float(np.mean([o.stderr for o in outcomes])), "kT"),
        Row(f"{kind}: χ² of {n} seeds", chi, "", f"{n} expected", f"± 4·√{2 * n}",
            bool(abs(chi - n) < 4.0 * np.sqrt(2.0 * n))),
        Row(f"{kind}: RMS of the surface below 5 kT", float(np.mean([o.rms for o in outcomes])),
            "kT"),
        Row(f"{kind}: energy evaluations", mean("energy_evaluations") / 1e6, "M"),
        Row(f"{kind}: sampling", mean("sampling_s"), "s"),
        Row(f"{kind}: training", mean("training_s"), "s"),
    ]  # fmt: skip
    alone = [o.reweighted for o in outcomes if o.reweighted]
    if alone:
        value, error = np.mean(alone, axis=0)
        out.append(
            Row(f"{kind}: the same from reweighted proposals", value, "kT", f"± {error:.3f}")
        )
    accepted = [dict(o.diagnostics["acceptance"]).get("global") for o in outcomes]
    if all(accepted):
        out.append(Row(f"{kind}: acceptance of global moves", float(np.mean(accepted)), ""))
    return out


def main(seeds: int, kinds: list[str]) -> None:
    table: list[Row] = []
    for kind in kinds:
        outcomes = []
        for seed in range(1, seeds + 1):
            o = run(kind, seed)
            outcomes.append(o)
            print(
                f"{kind} seed {seed}: {o.status}, ΔF {o.delta_f:.3f} ± {o.stderr:.3f}, surface "
                f"{o.rms:.3f}, {o.cost['energy_evaluations'] / 1e6:.2f} M, sampling "
                f"{o.cost['sampling_s']:.0f} s, training {o.cost['training_s']:.0f} s, "
                f"ln Z {o.log_z}, {o.reweighted}",
                flush=True,
            )
        table += rows(kind, outcomes)
    publish("boltzmann", table)


if __name__ == "__main__":
    chosen = sys.argv[2:] or list(CAMPAIGNS)
    if unknown := set(chosen) - set(CAMPAIGNS):
        sys.exit(f"no such strategy here: {', '.join(unknown)}; there are {', '.join(CAMPAIGNS)}")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, chosen)
