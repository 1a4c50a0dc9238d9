"""Every strategy samples the same with its walkers in files, stopped or killed and gone on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torsion_molecule
from places import CONFIGS
from small_campaigns import MAIN, outcome

from msgen.actors.walker_files import KINDS, NAME
from msgen.orchestrator.cli import main_run
from msgen.orchestrator.run_directory.checkpoint import Checkpoints
from msgen.orchestrator.run_directory.events import EventLog

LOCAL = "local: {kind: langevin, steps: 20}"
EXPLORE = "explore: {pushes: 4, push_steps: 20, relax_steps: 20}"
TRAINING = "{kind: adaptive, rounds: 2}"
FLOW = "model: {kind: spline_flow, transforms: 1, hidden: [8], epochs: 1}"
SCORE = "model: {kind: score, layers: 2, width: 8, epochs: 1}"


@dataclass(frozen=True)
class Case:
    """A small campaign of a strategy.

    Attributes
    ----------
    strategy : str
        Of the molecule of four atoms; that of `POLYMER` where empty.
    model : str
    stops : tuple of int
        Rounds after which it is stopped; it ends with the last.
    roles : set of str
        That have written what lies in ``walkers/`` at the stops.
    produces : int
        Rounds that bring it into production.
    """

    strategy: str
    model: str
    stops: tuple[int, ...]
    roles: frozenset[str]
    produces: int


def case(strategy: str, model: str, stops: tuple[int, ...], roles: str, produces: int) -> Case:
    return Case(strategy, model, stops, frozenset(roles.split()), produces)


STEERED = f"kind: steered, {LOCAL}, path: {{steps: 10}}, {EXPLORE}"
CASES = {
    "strata": case(f"{{{STEERED}}}", FLOW, (1, 4, 6), "explore sample", 24),
    "chain": case(f"{{{STEERED}, stratify: false}}", FLOW, (1, 4, 6), "explore sample", 50),
    "local": case(f"{{kind: local, {LOCAL}}}", "", (2, 6), "sample", 7),
    "flow_mcmc": case(
        f"{{kind: flow_mcmc, global_steps: 2, {LOCAL}, {EXPLORE}}}",
        FLOW, (1, 3, 5), "explore walk", 12,
    ),
    "solute": case("", FLOW, (1, 4, 7), "explore walk", 24),
    "targeted": case(
        f"{{kind: targeted, draws: 2, {LOCAL}, {EXPLORE}}}", FLOW, (1, 3, 6), "explore target", 36
    ),
    "importance": case(
        f"{{kind: importance, draws: 256, training: {TRAINING}, {LOCAL}, {EXPLORE}}}",
        FLOW, (1, 4, 10), "explore walk watch", 10,
    ),
    "umbrella": case(
        f"{{kind: umbrella, windows: {{phi: 4}}, seeds: neighbour, {LOCAL}}}",
        "", (1, 3, 6), "seed umbrella", 8,
    ),
    "umbrella_by_model": case(
        f"{{kind: umbrella, windows: {{phi: 3}}, turns: 1, training: {{steps: 200}}, {LOCAL}}}",
        SCORE, (2, 4, 8), "seed umbrella", 14,
    ),
    "tempering": case(
        f"{{kind: parallel_tempering, highest: 500 K, {LOCAL}}}", "", (2, 5, 10), "temper", 12
    ),
    "metadynamics": case(
        "{kind: metadynamics, height: 0.5 kT, bias_factor: 2, frequency: 20,"
        " local: {kind: langevin, steps: 40}}",
        "", (2, 5), "bias", 44,
    ),
}  # fmt: skip
FLUID = (
    "{kind: polymer, solvent: 8, box: 5.2, k: 0.5, kT: 1.3, timestep: 0.005 ps,"
    " friction: 1 /ps, start: compact, platform: Reference}"
)
POLYMER = (
    f"system={FLUID}",
    "strategy.local={kind: langevin, steps: 20}",
    "strategy.path={steps: 20, timestep: 0.0125 ps, friction: 0.3 /ps}",
    "strategy.explore={pushes: 4, push_steps: 20, relax_steps: 20}",
    "model={kind: spline_flow, transforms: 1, hidden: [8], epochs: 1}",
)


def command(name: str, where: Path, walkers: str, rounds: int) -> list[str]:
    """Arguments of `msgen-run` for a case; the file is written where the run will be."""
    where.mkdir(exist_ok=True)
    sets: tuple[str, ...] = POLYMER
    path = str(CONFIGS / "papers" / "steered_polymer_flow")
    if asked := CASES[name].strategy:
        path, sets = torsion_molecule.write(where, asked, CASES[name].model), ()
    sets += ("executor=inline", "replicas=4", "converge.state_error=0.0001 kT", "budget.wall=10 h",
             "output.tensorboard=false", "output.trajectory=dcd", f"output.walkers={walkers}",
             f"budget.rounds={rounds}")  # fmt: skip
    out = [f"{path}.yaml", "--output-dir", str(where)]
    return [*out, *(word for text in sets for word in ("--set", text))]


def run_of(where: Path) -> Path:
    (found,) = (p.parent for p in where.glob("*/events.jsonl"))
    return found


def written_by(run: Path) -> set[str]:
    """Roles whose walkers lie in files now."""
    return {p.name.split("-")[0] for p in run.glob("walkers/*/*")}


def names_in(tree: Any) -> Iterator[str]:
    """Every key of a tree."""
    values = tree.values() if isinstance(tree, Mapping) else tree
    if isinstance(tree, Mapping):
        yield from tree
    if isinstance(tree, Mapping | list | tuple):
        for value in values:
            yield from names_in(value)


@pytest.mark.parametrize("name", CASES)
def test_stopped_and_gone_on(name: str, tmp_path: Path) -> None:
    stops = CASES[name].stops
    inline, files = tmp_path / "inline", tmp_path / "files"
    assert main_run(command(name, inline, "inline", stops[-1])) == 3
    seen = set()
    for rounds in stops:
        assert main_run(command(name, files, "files", rounds)) == 3
        seen |= written_by(run_of(files))
    assert outcome(run_of(files)) == outcome(run_of(inline))
    assert seen == CASES[name].roles
    held = set(names_in(Checkpoints(run_of(files) / "checkpoints").load(stops[-1])[1]))
    assert NAME in held
    assert not held & {"positions", "velocities"}


def test_no_built_in_role_with_walkers_is_left_out() -> None:
    assert {"start", "probe"}.union(*(c.roles for c in CASES.values())) == set(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_killed_in_the_middle_and_into_production(name: str, tmp_path: Path) -> None:
    rounds = CASES[name].produces
    inline, files = tmp_path / "inline", tmp_path / "files"
    assert main_run(command(name, inline, "inline", rounds)) == 3
    for stop in (rounds // 3, 2 * rounds // 3):
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *command(name, files, "files", rounds)]
        )
        while process.poll() is None and committed(files) < stop:
            time.sleep(0.005)
        process.kill()
        assert process.wait() < 0
    assert main_run(command(name, files, "files", rounds)) == 3
    found = outcome(run_of(files))
    assert found == outcome(run_of(inline))
    assert found["phases"][-1] == "produce"


def committed(where: Path) -> int:
    """Rounds that were committed so far."""
    logs = list(where.glob("*/events.jsonl"))
    return sum(e["event"] == "round" for log in logs for e in EventLog(log).read())
