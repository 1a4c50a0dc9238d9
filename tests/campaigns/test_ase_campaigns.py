"""Campaigns of ASE's calculators: what they leave behind, and what changes no sample."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from silver import capped_bipyramid, octahedron, with_calculators, write_xyz
from small_campaigns import outcome

from msgen.actors.base import Segment
from msgen.actors.cv_space.strata import Partition
from msgen.actors.engines.local_kernel import first_step
from msgen.actors.orders.walkers import WalkerRows
from msgen.actors.probing.atoms import scatter
from msgen.actors.worker import Worker
from msgen.orchestrator import strategies
from msgen.orchestrator.cli import main, main_run
from msgen.orchestrator.reporting.history import read_history
from msgen.orchestrator.reporting.results import committed_result
from msgen.orchestrator.run_directory.sampling_rules import touching
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.validate import check, load_campaign

CAMPAIGN = """
name: cluster
executor: inline
system: {kind: ase, structure: start.xyz, temperature: 600 K, timestep: 10 fs, confine: 0.4 nm,
         calculator: {factory: "quick:pairs", arguments: {depth: 0.2}}}
cvs:
  d: {kind: sorted_distance, rank: 13, range: [0.25 nm, 0.7 nm], bins: 12}
states: {open: {d: [0.41 nm, 0.7 nm]}}
strategy: {kind: local, local: {kind: hmc, steps: 2, leapfrog: 3}}
replicas: 2
budget: {rounds: 6}
output: {tensorboard: off, trajectory: dcd}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with_calculators(tmp_path)
    write_xyz(tmp_path / "start.xyz", octahedron())
    (tmp_path / "c.yaml").write_text(CAMPAIGN)
    yield tmp_path
    sys.modules.pop("quick", None)


def run(folder: Path, where: str, rounds: int, *more: str) -> Path:
    sets = [f"budget.rounds={rounds}", *more]
    arguments = [part for text in sets for part in ("--set", text)]
    given = [str(folder / "c.yaml"), "--output-dir", str(folder / where), *arguments]
    assert main_run(given) == 3
    return folder / where / "cluster"


def test_a_run_that_was_cut_goes_on_as_if_it_had_not_been(folder: Path) -> None:
    whole = run(folder, "whole", 4)
    run(folder, "cut", 2)
    assert outcome(run(folder, "cut", 4)) == outcome(whole)
    known = json.loads((whole / "provenance.json").read_text())
    assert known["deterministic"]
    assert known["simulated"]["formula"] == "Ag6"
    assert known["inputs"]["start.xyz"].startswith("sha256:")
    assert "module quick" in known["inputs"]
    assert committed_result(whole).header.kT_kJ_per_mol == pytest.approx(600 * 0.0083144626)
    # as ASE reads it, in Å, inside the wall
    assert main(["export", str(whole)]) == 0
    import ase.io

    frames = ase.io.read(whole / "trajectories" / "frames.xyz", ":")
    rows = (whole / "trajectories" / "frames.csv").read_text().splitlines()
    assert len(frames) == len(rows) - 1
    assert frames[0].get_chemical_symbols() == ["Ag"] * 6
    told = float(rows[-1].split(",")[-1])
    far = np.sort(frames[-1].get_all_distances()[np.triu_indices(6, 1)])
    assert 0.1 * far[12] == pytest.approx(told, abs=1e-5)
    # another structure is another run
    write_xyz(folder / "start.xyz", capped_bipyramid())
    given = [str(folder / "c.yaml"), "--output-dir", str(folder / "whole")]
    assert main_run(given) == 2


def test_a_worker_that_did_other_work_before_gives_the_same(folder: Path) -> None:
    campaign = load_campaign(folder / "c.yaml", ["strategy.local.steps=1"])
    checked = check(campaign, folder)
    strategy = strategies.build(campaign, checked.system, checked.cvs)
    setup = {
        "system": campaign.spec_system(),
        "cvs": campaign.spec_cvs(),
        "strategy": campaign.spec_strategy(),
        "model": campaign.spec_model(),
        "base_dir": str(folder),
        "platform": None,
        "seed": campaign.seed,
        "threads": 1,
    }
    (order,) = strategy.decide(strategy.start()).orders
    other = replace(order, round=7)
    busy = Worker(setup)
    busy.execute(other)
    first, again = Worker(setup).execute(order), busy.execute(order)
    assert isinstance(first, Segment)
    assert isinstance(again, Segment)
    assert first.evaluations == again.evaluations
    for name, column in first.samples.items():
        np.testing.assert_array_equal(column, again.samples[name])


def test_atoms_keep_their_masses_and_begin_at_the_step_that_is_given(folder: Path) -> None:
    """A cluster turns: the spread of a coordinate is none of its stiffness."""
    campaign = load_campaign(folder / "c.yaml")
    checked = check(campaign, folder)
    problem = strategies.problem_of(campaign, checked.system, checked.cvs)
    moves = LocalMoves.first(problem)
    assert moves.step_size == 0.01
    assert first_step("mala", 0.01) == pytest.approx(0.5e-4)
    x = problem.start.positions + np.array([[0.0], [0.3]])
    segments = [Segment((0, "sample", 0), samples={"cvs": checked.cvs(x)})]
    rows = [WalkerRows(x)]
    states = Partition.whole(problem.periodic)
    assert moves.with_masses(problem, 0, states, segments, rows).masses is None
    potential = replace(problem, has_atoms=False)
    assert moves.with_masses(potential, 0, states, segments, rows).masses is not None
    touched = [m.key for m in touching({"rules": []}, campaign, None)]
    assert "turning-atoms" in touched


def test_probes_set_atoms_down_among_the_others(folder: Path) -> None:
    campaign = load_campaign(folder / "c.yaml")
    system = check(campaign, folder).system
    start = np.repeat(system.initial().positions, 40, axis=0) + 5.0
    moved, spent = scatter(system, start, np.random.default_rng(0))
    assert spent >= 40
    p, before = moved.reshape(40, 6, 3), start.reshape(40, 6, 3)
    apart = np.linalg.norm(p - before[:, :1].mean(axis=1, keepdims=True), axis=2)
    assert apart.max() < 0.6
    elsewhere = (np.abs(p - before).max(axis=2) > 1e-12).sum(axis=1)
    assert elsewhere.min() >= 1
    assert elsewhere.max() == 6


LEARNT = (
    "strategy={kind: delayed_acceptance, moves: 2, local: {kind: hmc, steps: 4, leapfrog: 3},"
    " surrogate: {kind: symmetry_functions, members: 2, width: 6, radial: 4, updates: 6}}"
)


@pytest.mark.slow
def test_a_learnt_energy_is_the_same_after_a_cut(folder: Path) -> None:
    """Cut when a surrogate is at work and the next is being learnt."""
    more = (LEARNT, "output.trajectory=none")
    whole = run(folder, "whole", 6, *more)
    run(folder, "cut", 5, *more)
    assert outcome(run(folder, "cut", 6, *more)) == outcome(whole)
    told = json.loads((whole / "results" / "free_energy.json").read_text())["diagnostics"]
    assert told["acceptance"]["global"] > 0.0


PAIR = """
name: cluster
executor: inline
system: {kind: ase, structure: start.xyz, temperature: 600 K, timestep: 10 fs, confine: 0.3 nm,
         calculator: {factory: "quick:pairs", arguments: {depth: 0.05}}}
cvs:
  r: {kind: sorted_distance, range: [0.2 nm, 0.6 nm], bins: 20}
states: {bound: {r: [0.2 nm, 0.33 nm]}}
strategy: {kind: steered, local: {kind: hmc, steps: 4, leapfrog: 4},
           explore: {pushes: 6, push_steps: 20, relax_steps: 4}}
model: {kind: spline_flow, transforms: 1, hidden: [8], epochs: 4}
replicas: 6
budget: {rounds: 27}
converge: {state_error: 0.05 kT, surface_error: 0.3 kT, below: 4 kT, round_trips: 1}
output: {tensorboard: off}
"""
"""Two atoms, of which all is known."""


def pair_difference() -> float:
    """F(apart) − F(bound) in kT, of p(r) ∝ r² e^{−u/kT} with the wall of both atoms."""
    kT = 600.0 * 0.00831446261815324
    r = np.linspace(0.2, 0.8, 200_001)
    e = np.exp(-15.0 * (r - 0.27))
    wall = 1.0e4 * np.maximum(0.5 * r - 0.3, 0.0) ** 2
    p = r**2 * np.exp(-(0.05 * 96.48533 * ((1.0 - e) ** 2 - 1.0) + wall) / kT)
    return float(np.log(p[r < 0.33].sum() / p[r >= 0.33].sum()))


def pair_campaign(folder: Path) -> None:
    write_xyz(folder / "start.xyz", 2.7 * np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    (folder / "c.yaml").write_text(PAIR)


def test_a_steered_campaign_of_a_cluster_explores_and_adapts(folder: Path) -> None:
    pair_campaign(folder)
    where = run(folder, "runs", 4)
    phases = [point.phase for point in read_history(where)]
    assert phases[0] == "explore"
    assert "adapt" in phases


@pytest.mark.slow
def test_a_steered_campaign_of_two_atoms_finds_what_is_known(folder: Path) -> None:
    """4 σ."""
    pair_campaign(folder)
    given = [str(folder / "c.yaml"), "--output-dir", str(folder / "runs")]
    assert main_run(given) in (0, 3)
    states = committed_result(folder / "runs" / "cluster").estimate.states
    bound, apart = states["bound"], states["rest"]
    assert apart.f_kT is not None
    assert bound.f_kT is not None
    assert apart.stderr_kT is not None
    told = apart.f_kT - bound.f_kT
    assert abs(told - pair_difference()) < 4.0 * apart.stderr_kT
    assert apart.stderr_kT < 0.1
