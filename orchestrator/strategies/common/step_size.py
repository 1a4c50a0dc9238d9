"""Step sizes and masses of the local moves, tuned during adaptation; molecules keep their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msgen.actors.base import Segment, Tree
from msgen.actors.cv_space.strata import Partition
from msgen.actors.engines.build import FIRST_STEP
from msgen.actors.kernels.step_size import HMC_ACCEPTANCE, MALA_ACCEPTANCE, StepSize
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.systems.base import Array

MASS_ROUNDS = 3
"""Rounds of the adaptation after which the masses are fixed."""
MALA_GAIN = 5.0
"""The acceptance of MALA falls by a fifth per e-fold of its step, that of HMC much faster."""
SOFTEST = 0.01
"""Least eigenvalue of a mass matrix, against the median of all."""
PRIOR = 10.0
"""Configurations that the system's own scale counts for against what was seen."""


def first_step(problem: Problem) -> Tree:
    """The tuner of the local step size, empty where the campaign fixes it."""
    local = problem.strategy["local"]
    if local["kind"] not in FIRST_STEP or not isinstance(local.get("step_size"), str):
        return {}
    if local["kind"] == "mala":
        return StepSize(FIRST_STEP["mala"], MALA_ACCEPTANCE, gain=MALA_GAIN).tree()
    return StepSize(FIRST_STEP[local["kind"]], HMC_ACCEPTANCE).tree()


def step_of(state: Tree) -> float | None:
    """The tuned step size; None where the campaign fixes it."""
    return StepSize.from_tree(state["step"]).step if state["step"] else None


def tune_step(state: Tree, segments: Sequence[Segment]) -> None:
    """Move the step size towards the wanted acceptance, after a round of the adaptation."""
    proposed = sum(s.counts.get("local_proposed", 0.0) for s in segments)
    if state["step"] and proposed:
        seen = sum(s.counts["local_accepted"] for s in segments) / proposed
        state["step"] = StepSize.from_tree(state["step"]).update(seen).tree()


def masses_of(state: Tree) -> Array | None:
    """The tuned masses; None for the system's own."""
    return np.asarray(state["masses"]) if "masses" in state else None


def dense(problem: Problem) -> bool:
    """Whether masses are a matrix."""
    return bool(problem.strategy["local"].get("metric") == "dense")


def wants_curvature(problem: Problem, state: Tree) -> bool:
    """Whether a round of the adaptation is to tell the curvature of U: when walkers have spread."""
    young = state["phase"] == "adapt" and int(state["adapt"]) in (0, MASS_ROUNDS - 1)
    return young and dense(problem)


def positive(curvature: Array) -> Array:
    """A symmetric matrix with the moduli of its eigenvalues, none of them next to nothing.

    A direction along which U falls off is as fast as one along which it rises (SoftAbs: M.
    Betancourt, arXiv 1212.4693, 2013).
    """
    value, vector = np.linalg.eigh(curvature)
    size = np.abs(value)
    return np.asarray((vector * np.maximum(size, SOFTEST * np.median(size))) @ vector.T)


def tune_masses(
    problem: Problem, state: Tree, states: Partition, segments: Sequence[Segment]
) -> None:
    """m_d = kT/Var(x_d) inside the states, so that every coordinate has the period 2π.

    Hamiltonian moves are then as fast along soft as along stiff coordinates (Neal, Handbook of
    MCMC, ch. 5.4, 2011). The variance of few configurations is drawn towards one that keeps the
    system's own mass.
    """
    if problem.molecular or not state["step"] or int(state["adapt"]) >= MASS_ROUNDS:
        return
    if dense(problem):
        seen = [s.carry["curvature"] for s in segments if "curvature" in s.carry]
        if seen:
            state["masses"] = positive(np.mean(seen, axis=0))
        return
    x, xi = [], []
    for s in segments:
        walkers = s.carry["walkers"]["positions"]
        x.append(walkers)
        # the CVs of a replica's last configuration are its last record
        xi.append(s.samples["cvs"].reshape(len(walkers), -1, problem.dim)[:, -1])
    cloud = np.concatenate([*state.get("cloud", []), *x])
    label = np.concatenate([*state.get("cloud_states", []), states.assign(np.concatenate(xi))])
    state["cloud"], state["cloud_states"] = [cloud], [label]
    centred = [cloud[label == k] - cloud[label == k].mean(axis=0) for k in np.unique(label)]
    spread = np.concatenate(centred)
    n = len(spread) - len(centred)
    own = problem.kT / problem.masses
    variance = ((spread**2).sum(axis=0) + PRIOR * own) / (max(n, 0) + PRIOR)
    state["masses"] = problem.kT / variance
    if int(state["adapt"]) == MASS_ROUNDS - 1:
        state["cloud"], state["cloud_states"] = [], []
