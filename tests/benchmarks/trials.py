"""Campaigns of known answer, run to their own end, many seeds of each; finished ones are kept.

What a campaign gave lies in runs/benchmarks/NAME/TRIAL-SEED.json and is not run again, so that a
benchmark of hundreds can be made piece by piece; remove the folder for a fresh one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from places import ROOT
from rows import Row

import msgen

KEPT = ROOT / "runs" / "benchmarks"


@dataclass(frozen=True)
class Trial:
    """A campaign whose answer is known.

    Attributes
    ----------
    name : str
    campaign : path or mapping
        The campaign file, or its content.
    truth : mapping
        F of states against the first, kT.
    settings : tuple of str
        KEY=VALUE, as the command line has them.
    """

    name: str
    campaign: Path | Mapping[str, Any]
    truth: Mapping[str, float]
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a trial with one seed ended.

    Attributes
    ----------
    status, reason
        As `msgen.Result` has them; 'error' and the message where there is no result.
    states : mapping
        [F, σ] of each state, kT; null where not known.
    unmet : tuple of str
    evaluations, rounds : int
    cpu_s : float
    """

    trial: str
    seed: int
    status: str
    reason: str
    states: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    unmet: Sequence[str] = ()
    evaluations: int = 0
    rounds: int = 0
    cpu_s: float = 0.0

    @property
    def converged(self) -> bool:
        return self.status == "converged"

    def z(self, truth: Mapping[str, float]) -> list[float]:
        """(F − exact)/σ of the states with an exact answer; inf where an error is missing."""
        found = []
        for state, exact in truth.items():
            f, error = self.states.get(state, (None, None))
            known = f is not None and error is not None and error > 0
            found.append((f - exact) / error if known else np.inf)
        return found


def run(trial: Trial, seed: int) -> Ended:
    """One campaign, in this process."""
    base: dict[str, Any] = {"trial": trial.name, "seed": seed}
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        settings = (*trial.settings, "output.tensorboard=false", f"seed={seed}")
        try:
            result = msgen.run(
                trial.campaign, output_dir=folder, overrides=settings, executor="inline", quiet=True
            )
            states = {name: (one.f_kT, one.stderr_kT) for name, one in result.free_energies.items()}
            cost, unmet = result.cost, tuple(result.unmet)
        except Exception as error:  # a campaign that fails is a row of the table, not its end
            return Ended(**base, status="error", reason=f"{type(error).__name__}: {error}")
        return Ended(
            **base,
            status=result.status,
            reason=result.reason,
            states=states,
            unmet=unmet,
            evaluations=cost.energy_evaluations,
            rounds=cost.rounds,
            cpu_s=round(time.process_time() - begun, 1),
        )


def run_all(
    benchmark: str, trials: Iterable[Trial], seeds: Mapping[str, Sequence[int]]
) -> Iterator[Ended]:
    """Every trial with each of its seeds, one process a core; finished ones from the disk.

    Parameters
    ----------
    benchmark : str
        Names the folder under runs/benchmarks.
    trials : iterable of Trial
    seeds : mapping
        Of each trial's name.
    """
    folder = KEPT / benchmark
    folder.mkdir(parents=True, exist_ok=True)
    asked = [(trial, seed) for trial in trials for seed in seeds[trial.name]]
    missing = []
    for trial, seed in asked:
        path = folder / f"{trial.name}-{seed}.json"
        if path.exists():
            yield Ended(**json.loads(path.read_text()))
        else:
            missing.append((trial, seed))
    spawn = multiprocessing.get_context("spawn")  # torch does not survive a fork
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, mp_context=spawn, max_tasks_per_child=8) as pool:
        waited = {pool.submit(run, trial, seed) for trial, seed in missing}
        for done in as_completed(waited):
            ended = done.result()
            path = folder / f"{ended.trial}-{ended.seed}.json"
            path.write_text(json.dumps(asdict(ended), indent=1) + "\n")
            print(f"{path.stem}: {ended.status}, {ended.evaluations:,} evaluations", flush=True)
            yield ended


def coverage(z: Sequence[float], what: str) -> list[Row]:
    """Shares within 1 and 1.96 σ against 68 and 95 %, two binomial errors (two-sided 95 %)."""
    rows = []
    for level, limit in ((0.683, 1.0), (0.95, 1.96)):
        seen = float(np.mean(np.abs(z) < limit))
        slack = 2.0 * float(np.sqrt(level * (1.0 - level) / len(z)))
        holds = abs(seen - level) <= slack
        rows.append(
            Row(f"{what}: within {limit} sigma", seen, "", f"{level}", f"± {slack:.2f}", holds)
        )
    return rows
