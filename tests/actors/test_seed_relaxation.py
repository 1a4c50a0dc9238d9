"""Seeds of windows: what is usable comes through, and each way to break one is told by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alanine_molecule import AMBER14_OBC2, PHI_PSI
from driving import Drive
from places import CONFIGS
from sections import build_cvs, build_system, filled, filled_cvs

from msgen.actors.configurations.seed_relaxation import Judge, Seeds, settle
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.engines.registry import build_engine
from msgen.actors.worker import Worker
from msgen.orchestrator import strategies
from msgen.orchestrator.validate import load_campaign
from msgen.systems.base import Array, Walkers

PSI = np.array([0.0, 30.0])
"""κ of φ (not biased) and ψ."""


@pytest.fixture(scope="module")
def molecule() -> WorkerContext:
    return WorkerContext(
        {
            "system": filled(AMBER14_OBC2),
            "cvs": filled_cvs(PHI_PSI),
            "strategy": {"local": {"kind": "langevin", "timestep": None, "friction": None}},
            "base_dir": str(CONFIGS),
        }
    )


def start(context: WorkerContext) -> Array:
    return np.array(context.system.initial().positions)


def mirrored(x: Array) -> Array:
    return x * np.tile([1.0, 1.0, -1.0], x.shape[1] // 3)


def settled(
    context: WorkerContext, x: Array, lam: Array, seed: int = 1, minimise: int = 50
) -> tuple[Seeds, Any]:
    engine = build_engine(context, None)
    engine.begin(np.random.default_rng(seed))
    g = Conditional(PSI, context.cvs.periodic)
    engine.set_local_restraint(g)
    judge = Judge.of(context, g)
    seeds = settle(context, engine, x, lam, g, judge, minimise=minimise, relax=4, steps=100)
    return seeds, engine


def test_a_good_proposal_becomes_a_walker_near_its_window(molecule: WorkerContext) -> None:
    x = start(molecule)
    noisy = x + 0.01 * np.random.default_rng(2).standard_normal(x.shape)
    lam = molecule.cvs(x) + np.array([[0.0, 0.2]])
    seeds, engine = settled(molecule, noisy, lam)
    assert seeds.reasons == ("",)
    assert engine.tally.evaluations >= 450
    off = molecule.cvs(seeds.walkers.positions)[0, 1] - lam[0, 1]
    assert abs(off) < 5 / np.sqrt(PSI[1])
    # relaxation has heated what minimisation had cooled
    u = molecule.system.energy(seeds.walkers)[0]
    cold = molecule.system.energy(Walkers(x))[0]
    assert np.isfinite(u)
    assert u > cold - 100


def test_what_breaks_is_named_and_leaves_the_others_alone(molecule: WorkerContext) -> None:
    x = start(molecule)
    lam = molecule.cvs(x)
    collapsed, not_a_number = np.zeros_like(x), np.full_like(x, np.nan)
    far = lam + np.array([[0.0, np.pi]])
    every = np.concatenate([mirrored(x), not_a_number, collapsed, x, x])
    seeds, _ = settled(molecule, every, np.concatenate([lam, lam, lam, lam, far]))
    assert seeds.reasons[:2] == ("isomer", "nonfinite")
    assert seeds.reasons[2] != ""
    assert seeds.reasons[3] == ""
    alone, _ = settled(molecule, x, lam)
    assert alone.reasons == ("",)


def test_a_cv_that_stays_behind_is_astray(molecule: WorkerContext) -> None:
    x = start(molecule)
    engine = build_engine(molecule, None)
    engine.begin(np.random.default_rng(3))
    stiff = Conditional(np.array([0.0, 3000.0]), molecule.cvs.periodic)
    engine.set_local_restraint(stiff)
    lam = molecule.cvs(x) + np.array([[0.0, np.pi]])
    how = {"minimise": 0, "relax": 1, "steps": 1}
    judge = Judge.of(molecule, stiff)
    assert settle(molecule, engine, x, lam, stiff, judge, **how).reasons == ("astray",)
    # a judge that does not look takes it
    blind = Judge(Conditional(np.zeros(2), molecule.cvs.periodic), judge.ceiling)
    assert settle(molecule, engine, x, lam, stiff, blind, **how).reasons == ("",)


def test_energy_is_held_against_the_temperature(molecule: WorkerContext) -> None:
    x = start(molecule)
    g = Conditional(PSI, molecule.cvs.periodic)
    judge = Judge.of(molecule, g)
    lam = molecule.cvs(x)
    hot = x + 0.03 * np.random.default_rng(4).standard_normal(x.shape)
    assert judge.reasons(molecule, Walkers(hot), lam) == ("energy",)
    assert judge.reasons(molecule, Walkers(x), lam) == ("",)


def test_the_same_seed_gives_the_same_bits_whatever_came_before(molecule: WorkerContext) -> None:
    x = start(molecule)
    lam = molecule.cvs(x)
    first, _ = settled(molecule, x, lam, seed=5)
    settled(molecule, mirrored(x), lam, seed=6)
    again, _ = settled(molecule, x, lam, seed=5)
    np.testing.assert_array_equal(first.walkers.positions, again.walkers.positions)
    other, _ = settled(molecule, x, lam, seed=7)
    assert not np.array_equal(first.walkers.positions, other.walkers.positions)


def test_an_analytic_system_is_relaxed_and_held_to_be_finite() -> None:
    context = WorkerContext(
        {
            "system": {"kind": "double_well"},
            "cvs": {"x": {"kind": "coordinate", "index": 0}},
            "strategy": {"local": {"kind": "mala", "step_size": "auto"}},
        }
    )
    g = Conditional(np.array([25.0]), context.cvs.periodic)
    engine = build_engine(context, 0.01)
    engine.begin(np.random.default_rng(8))
    engine.set_local_restraint(g)
    x = np.zeros((3, context.system.n_dof))
    x[1] = np.nan
    x[2, 0] = 40.0
    judge = Judge.of(context, g)
    lam = np.zeros((3, 1))
    seeds = settle(context, engine, x, lam, g, judge, minimise=50, relax=2, steps=20)
    assert seeds.reasons == ("", "nonfinite", "astray")


def shipped(cv: str, *overrides: str) -> Drive:
    """A campaign of the papers with fewer walkers, stepped by hand."""
    papers = CONFIGS / "papers"
    campaign = load_campaign(
        papers / f"crabtree_alanine_{cv}.yaml",
        ["replicas=2", *overrides],
    )
    setup = {
        "system": campaign.spec_system(),
        "cvs": campaign.spec_cvs(),
        "strategy": campaign.spec_strategy(),
        "model": campaign.spec_model(),
        "base_dir": str(papers),
        "platform": None,
        "seed": campaign.seed,
        "threads": 1,
    }
    system = build_system(campaign.spec_system(), papers)
    cvs = build_cvs(campaign.spec_cvs(), system, papers)
    strategy = strategies.build(campaign, system, cvs)
    drive = Drive(strategy, Worker(setup), system, cvs)
    drive.state = strategy.start()
    return drive


def test_a_molecules_windows_are_seeded_by_a_model_or_from_neighbours_one_line_apart() -> None:
    quick = "model={kind: score, width: 32, layers: 3, epochs: 12}"
    counts = {}
    for seeds in ("model", "neighbour"):
        drive = shipped("psi", f"strategy.seeds={seeds}", quick)
        while drive.state.stage != "sample":
            drive.step()
        counts[seeds] = dict(drive.state.seeding)
        centres = np.tile(drive.state.windows.centres[:, 0], 2)
        off = np.abs(np.angle(np.exp(1j * (drive.state.xi[:, 0] - centres))))
        assert off.max() < np.deg2rad(5 * 10)
    assert counts["neighbour"]["from_neighbour"] == counts["neighbour"]["windows"] == 36
    assert counts["model"]["seeds_drawn"] >= 36
    assert counts["model"]["from_neighbour"] < 18
    refused = sum(v for k, v in counts["model"].items() if k.startswith("refused_"))
    # what was drawn either stands in its window or was refused, and why is counted
    assert counts["model"]["seeds_drawn"] - refused == 36 - counts["model"]["from_neighbour"]
