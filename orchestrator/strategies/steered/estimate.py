"""What the steered strategy reports, and where that sends its effort."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from msgen.actors.base import Tree
from msgen.actors.cv_space.strata import Partition
from msgen.orchestrator.base import Estimate, StateEstimate
from msgen.orchestrator.estimators.works.network import solve_network
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.production import Production, young_estimate
from msgen.orchestrator.strategies.common.works import Works
from msgen.orchestrator.strategies.steered.profile import profile_of
from msgen.orchestrator.strategies.steered.switching import describe, tuner_of

SHARES = (0.5, 8.0)
"""Least and most local sampling between two paths, against what the campaign says."""


def production_of(problem: Problem, state: Tree, states: Partition) -> Production:
    """What production has gathered, nothing yet in its first round."""
    if state["produced"]:
        return Production.from_tree(state["produced"])
    return Production.start(problem, np.asarray(state["stratum"]), len(states))


def judged(problem: Problem, state: Tree, production: Production, states: Partition) -> Estimate:
    """The estimate from production, with what is known of the moves."""
    stratify, totals = bool(problem.strategy["stratify"]), state["totals"]
    acceptance = {}
    if totals.get("local_proposed"):
        acceptance["local"] = totals["local_accepted"] / totals["local_proposed"]
    works = production.works
    if len(works):
        if stratify:
            f = works.network(len(states)).f
            delta = f[works["target"].astype(int)] - f[works["source"].astype(int)]
            chance = np.exp(np.minimum(0.0, np.nan_to_num(delta, nan=-np.inf) - works["work"]))
            acceptance["steered"] = float(chance.mean())
        else:
            acceptance["steered"] = totals.get("accepted", 0.0) / max(totals["paths"], 1.0)
    lost = {"broken_paths": "broken", "constraint_failures": "constraint_failures"}
    extra = {**_about(problem, state), **{k: totals.get(v, 0.0) for k, v in lost.items()}}
    if not stratify and len(works):
        paths, crossings = max(totals["paths"], 1.0), max(totals["crossings"], 1e-9)
        extra["crossings"] = totals["crossings"]
        for what in ("steps", "evaluations"):
            extra[f"path_{what}_per_crossing"] = totals[f"path_{what}"] / crossings
            extra[f"{what}_per_path"] = totals[f"path_{what}"] / paths
    out = production.estimate(problem, states, stratify, acceptance, extra, state["missing"])
    if not state.get("profile"):
        return out
    network = solve_network(1, [])
    if stratify:
        network = works.network(len(states), production.block)
    return replace(out, profile=profile_of(problem, state, production, network))


def young(problem: Problem, state: Tree) -> Estimate:
    """Before production: what the adaptation makes of the states, without errors."""
    values: dict[str, StateEstimate] = {}
    if "states" in state:
        states = Partition.from_tree(state["states"])
        f = np.full(len(states), np.nan)
        if problem.strategy["stratify"]:
            f = Works.from_tree(state["works"]).network(len(states)).f
        for k, name in enumerate(states.names):
            value = float(f[k] - f[0])
            joined = np.isfinite(value) and (k == 0 or f[k] != 0.0)
            values[name] = StateEstimate(value if joined else None, None)
    return young_estimate(problem, values, state["phase"], _about(problem, state))


def _about(problem: Problem, state: Tree) -> dict[str, Any]:
    out: dict[str, Any] = {"isomers_left_out": dict(state.get("isomers", {}))}
    if state.get("tuner"):
        out["path"] = describe(tuner_of(problem, state))
    return out


def balance(problem: Problem, state: Tree, estimate: Estimate) -> None:
    """Send the effort where the error comes from: local sampling or paths.

    The share depends on errors, never on the sign of an estimate, and each sample and each work
    is as good whatever their number.
    """
    if not problem.strategy["stratify"]:
        return
    asked = problem.criteria
    errors = [v.stderr_kT for v in estimate.states.values() if v.stderr_kT is not None]
    if not errors:
        return
    of_states = max(errors) / asked.state_error
    low = estimate.f_kT < asked.below
    of_surface = 0.0
    if asked.surface_error is not None and low.any():
        known = estimate.stderr_kT[low & np.isfinite(estimate.stderr_kT)]
        rms = float(np.sqrt(np.mean(known**2))) if len(known) else float("inf")
        of_surface = rms / asked.surface_error
    share = float(state["local_share"]) * (2.0 if of_surface > of_states else 0.5)
    state["local_share"] = float(np.clip(share, *SHARES))
