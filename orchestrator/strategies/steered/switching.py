"""The switching paths of the steered strategy: how they run, and what tunes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Segment, Tree
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.strategies.common.exploration import push_schedule
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.common.works import Works
from msgen.orchestrator.strategies.steered.switching_tuner import PathTuner
from msgen.systems.base import Array

MOLECULAR_STEPS = 300.0
"""Steps per radian with which tuning begins for a molecule (2 fs each)."""
ANALYTIC_STEPS = 10.0
"""Steps per unit of distance, the CV's range being 2π units, with which it begins otherwise."""


PRECONDITIONED_STEP = 0.75
"""Time step with which it begins once every free coordinate has the period 2π."""

RELAXATIONS = 0.2
"""Relaxations of the velocities on a path with which tuning begins: it is felt whether more of them
or less would be better."""
SHORTEST = {"pulled": 20, "exact": 4}
"""Steps of the shortest path: a CV that is pulled takes a while to follow."""
MOST_TURNS = 40
"""Rounds of tuning of a chain; most searches end by themselves in half of that."""

POINTS = 16
"""Readings of a path along one CV where the campaign leaves their number open."""


def points(problem: Problem) -> int:
    """Readings of each path in production; 0 for none."""
    wanted = problem.strategy["path"]["profile"]
    if isinstance(wanted, str):
        return POINTS if problem.dim == 1 else 0
    return int(wanted)


def path_step(problem: Problem, moves: LocalMoves, kappa: Array | None = None) -> float:
    """Time step of the paths: as given, or one that system and restraint are stable at.

    A molecule's stiffest bonds know nothing of the restraint: there it is that of the local moves.
    """
    given = problem.strategy["path"]["timestep"] if "path" in problem.strategy else "auto"
    if not isinstance(given, str):
        return float(given)
    if problem.molecular:
        return float(problem.strategy["local"]["timestep"])
    masses, step = moves.masses, moves.step_size
    longest = 0.1 if step is None else step
    if masses is not None:
        longest = PRECONDITIONED_STEP
        exact = kappa is not None and problem.strategy["path"]["scheme"] != "extended"
        heavy = problem.coordinates and kappa is not None and masses.ndim == 1
        if exact or heavy:
            return longest  # no restraint, or a steered coordinate as heavy as this step needs
        if masses.ndim == 2:
            masses = np.full(len(masses), np.linalg.eigvalsh(masses)[0])
    stiffness = push_schedule(problem, 1.0).g.kappa if kappa is None else kappa
    return min(longest, problem.stable_step(stiffness, masses))


def tuner_of(problem: Problem, state: Tree) -> PathTuner:
    """The tuner as it stands; a new one tunes all that the campaign leaves to it."""
    if state.get("tuner"):
        return PathTuner.from_tree(state["tuner"])
    path, molecular = problem.strategy["path"], problem.molecular
    overdamped, scheme = path["dynamics"] == "overdamped", path["scheme"]
    exact = scheme != "extended"
    fixed = not isinstance(path["steps"], str)
    kappa = _kappa(problem, path["width"])
    friction = path["friction"]
    axes = {
        "steps": not fixed,
        "kappa": isinstance(path["width"], str) and not exact,
        "smooth": True,
        "dt": isinstance(path["timestep"], str),
        "friction": isinstance(friction, str) and not overdamped,
    }
    dt = path_step(problem, state, kappa)
    given = 0.5
    if exact or not molecular:
        # of a path across half the range, or of as many steps as the campaign says
        length = float(path["steps"]) if fixed else ANALYTIC_STEPS * np.pi
        given = RELAXATIONS / (length * dt)
    if scheme == "asymmetric":
        given = 1.0 / dt  # the densities of its steps need noise
    per_unit = MOLECULAR_STEPS if molecular else ANALYTIC_STEPS
    first = Schedule(
        g=Conditional(kappa, problem.periodic),
        dt=dt,
        steps_per_unit=0.0 if fixed else per_unit,
        scale=problem.scale,
        stride=2 if molecular and not exact else 1,
        friction=given if isinstance(friction, str) else float(friction),
        refresh=50 if molecular and not exact else 5,
        overdamped=overdamped,
        min_steps=int(path["steps"]) if fixed else SHORTEST["exact" if exact else "pulled"],
        # where barriers dissipate one speed is better, where soft modes ring a smooth start is
        smooth=0.0 if molecular else 1.0,
        scheme=scheme,
        metropolised=path["inner"] == "metropolised",
    )
    wanted = tuple(axis for axis, tuned in axes.items() if tuned)
    bridging = bool(problem.strategy["stratify"])
    turns = (2 if molecular else 3) * len(wanted) if bridging else MOST_TURNS
    return PathTuner(first, wanted, turns=turns, bridging=bridging)


def schedules(problem: Problem, state: Tree) -> tuple[Schedule, ...]:
    """The settings in use: candidates while tuning, the best one in production."""
    tuner = tuner_of(problem, state)
    if state["phase"] != "produce":
        return tuner.candidates
    return (replace(tuner.best, readings=points(problem)),)


def crossings(
    stratified: bool, states: Partition, segments: Sequence[Segment], works: Works, f: Array
) -> Array:
    """How much of a crossing each path was, in [0, 1]; see `PathTuner`."""
    if stratified:
        return works.crossing(f)
    source, target = ends_of(states, segments)
    return np.where(source != target, np.exp(-np.clip(works["work"], 0.0, None)), 0.0)


def ends_of(
    states: Partition, segments: Sequence[Segment]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """State in which each path began, and in which it ended; −1 for what is nowhere, shape (n,)."""
    out = []
    for name in ("lambda_start", "xi_stop"):
        out.append(states.assign(_column(segments, name)))
    return out[0], out[1]


def aimed(states: Partition, segments: Sequence[Segment]) -> NDArray[np.bool_]:
    """Which paths were to end in another state than they began in, shape (n,)."""
    start, stop = (_column(segments, name) for name in ("lambda_start", "lambda_stop"))
    return np.asarray(states.assign(start) != states.assign(stop))


def _column(segments: Sequence[Segment], name: str) -> Array:
    return np.concatenate([s.samples[name] for s in segments if name in s.samples])


def tried(
    stratified: bool, states: Partition, segments: Sequence[Segment], works: Works, f: Array
) -> Array:
    """w of the paths that tried to cross, kT; NaN for the others."""
    if stratified:
        delta = f[works["target"].astype(int)] - f[works["source"].astype(int)]
        return np.asarray(works["work"] - np.nan_to_num(delta))
    return np.where(aimed(states, segments), works["work"], np.nan)


def tuned(
    problem: Problem,
    state: Tree,
    states: Partition,
    segments: Sequence[Segment],
    works: Works,
    f: Array,
) -> PathTuner:
    """The tuner after a round's paths, if there were any."""
    tuner, stratified = tuner_of(problem, state), bool(problem.strategy["stratify"])
    if not len(works):
        return tuner
    return tuner.absorb(
        works["schedule"],
        _column(segments, "path_evaluations"),
        crossings(stratified, states, segments, works, f),
        tried(stratified, states, segments, works, f),
    )


def totals_after(
    state: Tree, states: Partition, segments: Sequence[Segment], stratified: bool
) -> dict[str, float]:
    """What was done in production, with this round's counts, crossings and steps of paths."""
    works, crossed = Works.of(segments), 0.0
    if len(works) and not stratified:
        crossed = float(crossings(False, states, segments, works, np.zeros(1)).sum())
    seen = {**state["counts"], "crossings": crossed, "path_steps": works["path_steps"].sum()}
    totals = dict(state["totals"])
    for name, value in seen.items():
        totals[name] = totals.get(name, 0.0) + float(value)
    return totals


def targets(strata: Partition, stratum: Array) -> Array:
    """Chance of each target given the source, (K, K): every other inhabited stratum alike."""
    n = len(strata)
    if n == 1:
        return np.ones((1, 1))
    inhabited = np.isin(np.arange(n), stratum)
    chance = np.tile(inhabited.astype(np.float64), (n, 1))
    np.fill_diagonal(chance, 0.0)
    return np.asarray(chance / np.maximum(chance.sum(axis=1, keepdims=True), 1.0))


def describe(tuner: PathTuner) -> dict[str, Any]:
    """The path's settings, for the diagnostics."""
    best = tuner.best
    sigma = {} if best.exact else {"sigma": [float(s) for s in 1.0 / np.sqrt(best.g.kappa)]}
    return {
        "scheme": best.scheme,
        "steps_per_unit": best.steps_per_unit,
        **sigma,
        "friction": best.friction,
        "timestep": best.dt,
        "smooth": best.smooth,
        "cost": tuner.cost if np.isfinite(tuner.cost) else None,
    }


def _kappa(problem: Problem, width: Any) -> Array:
    """1/σ² of the path's g: as given, or half a bin of the surface to start with.

    Stiffer where that costs no shorter time step.
    """
    if isinstance(width, str):
        return np.asarray((32.0 if problem.coordinates else 4.0) / problem.spacing**2)
    return np.array([1.0 / float(width[name]) ** 2 for name in problem.names])
