"""The settings with which switching paths begin, and those that are in use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.orchestrator.strategies.common.exploration import push_restraint
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.step_size import LocalMoves
from msgen.orchestrator.strategies.steered.learnt_dynamics import lags_of
from msgen.orchestrator.strategies.steered.state import SteeredState
from msgen.orchestrator.strategies.steered.switching_tuner import PathTuner
from msgen.systems.base import Array

OPENMM_STEPS = 300.0
"""Steps per radian with which tuning begins where OpenMM takes them (2 fs each)."""
BATCHED_STEPS = 10.0
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
        # steps of a dynamics are short, and a profile weighs paths as if their ends lay anywhere
        return POINTS if problem.dim == 1 and not lags_of(problem) else 0
    return int(wanted)


def path_step(problem: Problem, moves: LocalMoves, kappa: Array | None = None) -> float:
    """Time step of the paths: as given, or one that system and restraint are stable at.

    A molecule's stiffest bonds know nothing of the restraint: there it is that of the local moves.
    """
    given = problem.strategy["path"]["timestep"] if "path" in problem.strategy else "auto"
    if not isinstance(given, str):
        return float(given)
    if not problem.batched:
        return float(problem.strategy["local"]["timestep"])
    masses, step = moves.masses, moves.step_size
    longest = (problem.timestep or 0.1) if step is None else step
    if masses is not None:
        longest = PRECONDITIONED_STEP
        exact = kappa is not None and problem.strategy["path"]["scheme"] != "extended"
        heavy = problem.coordinates and kappa is not None and masses.ndim == 1
        if exact or heavy:
            return longest  # no restraint, or a steered coordinate as heavy as this step needs
        if masses.ndim == 2:
            masses = np.full(len(masses), np.linalg.eigvalsh(masses)[0])
    stiffness = push_restraint(problem).kappa if kappa is None else kappa
    return min(longest, problem.stable_step(stiffness, masses))


def tuned_axes(problem: Problem) -> tuple[str, ...]:
    """What the campaign leaves to the tuner, of `path_settings.AXES`."""
    path = problem.strategy["path"]
    exact, overdamped = path["scheme"] != "extended", path["dynamics"] == "overdamped"
    axes = {
        "steps": isinstance(path["steps"], str),
        "kappa": isinstance(path["width"], str) and not exact,
        "smooth": True,
        "dt": isinstance(path["timestep"], str),
        "friction": isinstance(path["friction"], str) and not overdamped,
    }
    return tuple(axis for axis, tuned in axes.items() if tuned)


def first_schedule(problem: Problem, moves: LocalMoves) -> Schedule:
    """The settings with which tuning begins: those that are given, and guesses of the others."""
    path, batched = problem.strategy["path"], problem.batched
    scheme, friction = path["scheme"], path["friction"]
    exact = scheme != "extended"
    fixed = not isinstance(path["steps"], str)
    kappa = _kappa(problem)
    dt = path_step(problem, moves, kappa)
    given = 0.5
    if exact or batched:
        # of a path across half the range, or of as many steps as the campaign says
        length = float(path["steps"]) if fixed else BATCHED_STEPS * np.pi
        given = RELAXATIONS / (length * dt)
    if scheme == "asymmetric":
        given = 1.0 / dt  # the densities of its steps need noise
    per_unit = BATCHED_STEPS if batched else OPENMM_STEPS
    return Schedule(
        g=Conditional(kappa, problem.periodic),
        dt=dt,
        steps_per_unit=0.0 if fixed else per_unit,
        scale=problem.scale,
        stride=1 if batched or exact else 2,
        friction=given if isinstance(friction, str) else float(friction),
        refresh=5 if batched or exact else 50,
        overdamped=path["dynamics"] == "overdamped",
        min_steps=int(path["steps"]) if fixed else SHORTEST["exact" if exact else "pulled"],
        # where barriers dissipate one speed is better, where soft modes ring a smooth start is
        smooth=1.0 if batched else 0.0,
        scheme=scheme,
        metropolised=path["inner"] == "metropolised",
    )


def tuner_of(problem: Problem, state: SteeredState) -> PathTuner:
    """The tuner as it stands; a new one tunes all that the campaign leaves to it."""
    if state.tuner is not None:
        return state.tuner
    wanted, bridging = tuned_axes(problem), bool(problem.strategy["stratify"])
    turns = (3 if problem.batched else 2) * len(wanted) if bridging else MOST_TURNS
    first = first_schedule(problem, state.moves)
    return PathTuner.begin(first, wanted, turns=turns, bridging=bridging)


def frozen_schedule(problem: Problem, state: SteeredState) -> Schedule:
    """The best settings that were found, with the readings of production."""
    return replace(tuner_of(problem, state).best, readings=points(problem))


def _kappa(problem: Problem) -> Array:
    """1/σ² of the path's g: as given, or half a bin of the surface to start with.

    Stiffer where that costs no shorter time step.
    """
    width = problem.strategy["path"]["width"]
    if isinstance(width, str):
        return np.asarray((32.0 if problem.coordinates else 4.0) / problem.spacing**2)
    return np.array([1.0 / float(width[name]) ** 2 for name in problem.names])
