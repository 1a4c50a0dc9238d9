"""A molecule in water, through Ray and inline, ended and robbed in all ways: nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from places import CONFIGS
from small_campaigns import MAIN, outcome
from tagged_processes import TAG, tagged, with_tag

from msgen.orchestrator.cli import main
from msgen.orchestrator.run_directory.events import EventLog

pytestmark = pytest.mark.slow

CAMPAIGN = f"""
name: solvated
seed: 7
system: {{kind: openmm, structure: {CONFIGS / "alanine_dipeptide.pdb"},
         forcefield: [amber14-all.xml, amber14/tip3p.xml],
         solvent: {{water: tip3p, padding: 0.3 nm}},
         nonbonded: CutoffPeriodic, cutoff: 0.5 nm, temperature: 320 K, timestep: 2 fs,
         friction: 1 /ps, constraints: HBonds, platform: Reference}}
cvs:
  phi: {{kind: dihedral, atoms: [ACE:C, ALA:N, ALA:CA, ALA:C]}}
states: {{C7ax: {{phi: [0 deg, 130 deg]}}}}
strategy: {{kind: steered, local: {{kind: langevin, steps: 40}}, path: {{steps: 40}},
           explore: {{pushes: 4, push_steps: 40, relax_steps: 40}}}}
model: {{kind: spline_flow, transforms: 1, hidden: [8], epochs: 1}}
replicas: 4
converge: {{state_error: 0.0001 kT}}
budget: {{rounds: 24}}
output: {{tensorboard: false}}
"""
RAY = ("executor=ray", "resources.workers=2")
LIMIT = 600.0
"""s, after which something hangs."""


def begin(where: Path, env: dict[str, str], *sets: str) -> subprocess.Popen[bytes]:
    """The campaign below `where`, in a process group of its own."""
    where.mkdir(exist_ok=True)
    (where / "campaign.yaml").write_text(CAMPAIGN, encoding="utf-8")
    command = [sys.executable, "-c", MAIN, str(where / "campaign.yaml"), "--output-dir", str(where)]
    command += [word for text in sets for word in ("--set", text)]
    with (where / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)


def rounds(where: Path) -> int:
    """That are committed."""
    log = EventLog(where / "solvated" / "events.jsonl")
    return sum(e["event"] == "round" for e in log.read())


def wait_for(process: subprocess.Popen[bytes], where: Path, number: int) -> None:
    """Until so many rounds are committed."""
    until = time.monotonic() + LIMIT
    while rounds(where) < number:
        assert process.poll() is None, (where / "log").read_text()
        assert time.monotonic() < until
        time.sleep(0.02)


def samplers(env: dict[str, str]) -> list[int]:
    """Workers of Ray that sample."""
    found = []
    for pid in with_tag(env[TAG]):
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::Worker"):
            found.append(pid)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What nothing disturbed came to, inline."""
    where = tmp_path_factory.mktemp("solvated") / "whole"
    with tagged() as env:
        assert begin(where, env, "executor=inline").wait(LIMIT) == 3
    result = outcome(where / "solvated")
    assert {"explore", "adapt"} <= set(result["phases"])
    return result


@pytest.mark.parametrize("ways", [("executor=inline",), pytest.param(RAY, marks=pytest.mark.ray)])
def test_ended_in_all_ways_it_gives_the_same(
    ways: tuple[str, ...], tmp_path: Path, whole: dict[str, Any]
) -> None:
    """The moments are random: whatever was being done, orders that are half done among it."""
    rng, where = np.random.default_rng(4), tmp_path / "ended"
    with tagged() as env:
        for how in ("SIGTERM to the group", "SIGKILL", "SIGINT", "SIGKILL", "SIGTERM"):
            done = rounds(where) if where.exists() else 0
            process = begin(where, env, *ways)
            wait_for(process, where, done + 2)
            if ways == RAY:
                victims = samplers(env)
                assert victims
                os.kill(victims[int(rng.integers(len(victims)))], signal.SIGKILL)
                wait_for(process, where, done + 3)
            time.sleep(rng.uniform(0.0, 0.5))
            number = signal.Signals[how.split()[0]]
            if how.endswith("group"):
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            asked_to = number != signal.SIGKILL
            assert process.wait(LIMIT) == (1 if asked_to else -number), (where / "log").read_text()
            if asked_to:
                said = (where / "log").read_text()
                assert f"{number.name}: no more work begins" in said
        assert begin(where, env, *ways).wait(LIMIT) == 3, (where / "log").read_text()
    assert outcome(where / "solvated") == whole
    assert main(["verify", str(where / "solvated")]) == 0


def test_robbed_of_a_file_it_says_which(
    tmp_path: Path, whole: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every chunk of the store by itself: named, refused, and well again once it is back.

    But those of zeros alone, as which a chunk that is not there is read.
    """
    where = tmp_path / "robbed"
    with tagged() as env:
        assert begin(where, env, "executor=inline", "budget.rounds=6").wait(LIMIT) == 3
        run = where / "solvated"
        files = [
            file
            for file in sorted((run / "store.zarr").rglob("c.*"))
            if np.any(np.asarray(zarr.open_array(file.parent, mode="r")))
        ]
        assert len(files) > 5
        for file in files:
            aside = shutil.move(file, tmp_path / "aside")
            capsys.readouterr()
            assert main(["verify", str(run)]) == 1
            assert file.name in capsys.readouterr().err
            shutil.move(aside, file)
        lost = files[0]
        aside = shutil.move(lost, tmp_path / "aside")
        assert begin(where, env, "executor=inline").wait(LIMIT) == 1
        said = (where / "log").read_text()
        assert f"{lost.name} is missing" in said
        assert "Traceback" not in said
        shutil.move(aside, lost)
        assert begin(where, env, "executor=inline").wait(LIMIT) == 3
    assert outcome(run) == whole
