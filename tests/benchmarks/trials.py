"""Campaigns of known answer, run to their own end, many seeds of each; finished ones are kept.

What a campaign gave lies in runs/benchmarks/NAME/TRIAL-SEED.json and is not run again unless what
was asked of it has changed, so that a benchmark of hundreds can be made piece by piece, on several
machines: `make tables` takes it into docs/measured/campaigns. Remove both for a fresh one.
TRIALS_WORKERS=… of the environment is how many run at a time, one a core where it is not set; with
TRIALS_KEPT=only nothing is run.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from measured import campaigns
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
    truth_error : float
        Of `truth`, kT, where it is another simulation's.
    apart : bool
        Whether its random numbers are of its own, and not those of all trials with the same seed.
    """

    name: str
    campaign: Path | Mapping[str, Any]
    truth: Mapping[str, float]
    settings: tuple[str, ...] = ()
    truth_error: float = 0.0
    apart: bool = False

    def drawn(self, seed: int) -> int:
        """The campaign's own seed."""
        if not self.apart:
            return seed
        return int.from_bytes(hashlib.sha256(f"{self.name} {seed}".encode()).digest()[:3], "big")

    @property
    def asked(self) -> str:
        """A digest of the campaign and its settings."""
        known = isinstance(self.campaign, Mapping)
        text = json.dumps(self.campaign) if known else Path(self.campaign).read_text()
        # wherever this repository lies
        asked = "\n".join([text, *self.settings]).replace(str(ROOT), "")
        return hashlib.sha256(asked.encode()).hexdigest()[:16]


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
    told : tuple of str
        Warnings, and isomers that were left out.
    evaluations, rounds : int
    cpu_s : float
    asked : str
        `Trial.asked`; '' in files that are older than it.
    drawn : int or None
        `Trial.drawn`; None in those where it was the seed itself.
    """

    trial: str
    seed: int
    status: str
    reason: str = ""
    states: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    unmet: Sequence[str] = ()
    told: Sequence[str] = ()
    evaluations: int = 0
    rounds: int = 0
    cpu_s: float = 0.0
    asked: str = ""
    drawn: int | None = None

    @property
    def converged(self) -> bool:
        return self.status == "converged"

    def z(self, truth: Mapping[str, float], truth_error: float = 0.0) -> list[float]:
        """(F − exact)/σ of the states with an exact answer; inf where an error is missing."""
        found = []
        for state, exact in truth.items():
            f, error = self.states.get(state, (None, None))
            known = f is not None and error is not None and error > 0
            found.append(float((f - exact) / np.hypot(error, truth_error)) if known else np.inf)
        return found


def named(asked: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Of arguments TRIAL[:SEEDS] the names, and how many seeds are asked of some."""
    parts = [a.partition(":") for a in asked]
    return [name for name, _, _ in parts], {name: int(n) for name, _, n in parts if n}


def run(trial: Trial, seed: int) -> Ended:
    """One campaign, in this process."""
    base: dict[str, Any] = {"trial": trial.name, "seed": seed, "asked": trial.asked}
    base["drawn"] = trial.drawn(seed)
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        settings = (*trial.settings, "output.tensorboard=false", f"seed={base['drawn']}")
        try:
            result = msgen.run(
                trial.campaign, output_dir=folder, overrides=settings, executor="inline", quiet=True
            )
            states = {name: (one.f_kT, one.stderr_kT) for name, one in result.free_energies.items()}
            cost, unmet = result.cost, tuple(result.unmet)
            warned = result.diagnostics.get("warnings") or ()
            isomers = result.diagnostics.get("isomers_left_out") or {}
        except Exception as error:  # a campaign that fails is a row of the table, not its end
            return Ended(**base, status="error", reason=f"{type(error).__name__}: {error}")
        return Ended(
            **base,
            status=result.status,
            reason=result.reason,
            states=states,
            unmet=unmet,
            told=(*map(str, warned), *map(str, isomers)),
            evaluations=cost.energy_evaluations,
            rounds=cost.rounds,
            cpu_s=round(time.process_time() - begun, 1),
        )


def _run(asked: tuple[Trial, int]) -> Ended:
    return run(*asked)


def run_all(
    benchmark: str, trials: Iterable[Trial], seeds: Mapping[str, Sequence[int]]
) -> Iterator[Ended]:
    """Every trial with each of its seeds, several at a time; finished ones from the disk.

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
    # the first seed of all before the second of any: a part of a long benchmark tells the most
    asked.sort(key=lambda one: seeds[one[0].name].index(one[1]))
    missing, published = [], {(r["trial"], r["seed"]): r for r in campaigns(benchmark)}
    for trial, seed in asked:
        path = folder / f"{trial.name}-{seed}.json"
        row = json.loads(path.read_text()) if path.exists() else published.get((trial.name, seed))
        kept = None if row is None else Ended(**row)
        if kept is not None and kept.asked in ("", trial.asked):
            yield kept
        else:
            missing.append((trial, seed))
    if os.environ.get("TRIALS_KEPT") == "only":
        return
    spawn = multiprocessing.get_context("spawn")  # torch does not survive a fork
    cores = int(os.environ.get("TRIALS_WORKERS") or len(os.sched_getaffinity(0)))
    # no ProcessPoolExecutor: with max_tasks_per_child it waits for ever (python/cpython#115634)
    with spawn.Pool(cores, maxtasksperchild=8) as pool:
        # in the order in which they were asked for
        for ended in pool.imap_unordered(_run, missing):
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
