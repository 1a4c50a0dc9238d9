"""What the steered strategy reports, and where that sends its effort."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from msgen.orchestrator.base import Estimate, ProfileEstimate, StateEstimate
from msgen.orchestrator.estimators.works.network import NetworkResult, solve_network
from msgen.orchestrator.strategies.common.free_energies import pre_production_estimate
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.learnt_steps import by_lag
from msgen.orchestrator.strategies.common.production import Production
from msgen.orchestrator.strategies.steered.learnt_dynamics import lags_of
from msgen.orchestrator.strategies.steered.state import ProduceState, SteeredState
from msgen.orchestrator.strategies.steered.switching_tuner import PathTuner

SHARES = (0.5, 8.0)
"""Least and most local sampling between two paths, against what the campaign says."""


def production_estimate(problem: Problem, state: ProduceState, production: Production) -> Estimate:
    """The estimate from production, with what is known of the moves."""
    stratify, states = bool(problem.strategy["stratify"]), state.states
    extra = {**_about(state), **_about_paths(state, production, stratify)}
    if lags := lags_of(problem):
        extra["propagator"] = by_lag(state.totals, lags)
    acceptance = _acceptance(state, production, stratify)
    out = production.estimate(problem, states, stratify, acceptance, extra, state.missing)
    if state.profile is None:
        return out
    network = production.network if stratify else solve_network(1, [])
    return replace(out, profile=_profile(problem, state, production, network))


def estimate_before(problem: Problem, state: SteeredState) -> Estimate:
    """Before production: what the adaptation makes of the states, without errors."""
    values: dict[str, StateEstimate] = {}
    if state.states is not None:
        f = np.full(len(state.states), np.nan)
        if problem.strategy["stratify"] and state.works is not None:
            f = state.works.network(len(state.states)).f
        for k, name in enumerate(state.states.names):
            value = float(f[k] - f[0])
            joined = np.isfinite(value) and (k == 0 or f[k] != 0.0)
            values[name] = StateEstimate(value if joined else None, None)
    return pre_production_estimate(problem, state.phase, _about(state), values)


def balance(problem: Problem, state: ProduceState, estimate: Estimate) -> ProduceState:
    """Send the effort where the error comes from: local sampling or paths.

    The share depends on errors, never on the sign of an estimate, and each sample and each work
    is as good whatever their number.
    """
    if not problem.strategy["stratify"]:
        return state
    asked = problem.criteria
    errors = [v.stderr_kT for v in estimate.states.values() if v.stderr_kT is not None]
    if not errors:
        return state
    of_states = max(errors) / asked.state_error
    of_surface = 0.0
    for f, stderr in estimate.each_surface:
        low = f < asked.below
        if asked.surface_error is not None and low.any():
            known = stderr[low & np.isfinite(stderr)]
            rms = float(np.sqrt(np.mean(known**2))) if len(known) else float("inf")
            of_surface = max(of_surface, rms / asked.surface_error)
    share = state.local_share * (2.0 if of_surface > of_states else 0.5)
    return replace(state, local_share=float(np.clip(share, *SHARES)))


def _acceptance(state: ProduceState, production: Production, stratify: bool) -> dict[str, float]:
    """Of each kind of move; of paths between strata the mean chance to be accepted."""
    totals, works, out = state.totals, production.works, dict[str, float]()
    if totals.get("local_proposed"):
        out["local"] = totals["local_accepted"] / totals["local_proposed"]
    if len(works) and stratify:
        f = production.network.f
        delta = f[works["target"].astype(int)] - f[works["source"].astype(int)]
        chance = np.exp(np.minimum(0.0, np.nan_to_num(delta, nan=-np.inf) - works["work"]))
        out["steered"] = float(chance.mean())
    elif len(works):
        out["steered"] = totals.get("accepted", 0.0) / max(totals["paths"], 1.0)
    return out


def _about_paths(state: ProduceState, production: Production, stratify: bool) -> dict[str, float]:
    """What was lost of the paths, and what those of a chain cost."""
    totals = state.totals
    lost = {"broken_paths": "broken", "constraint_failures": "constraint_failures"}
    out = {name: totals.get(count, 0.0) for name, count in lost.items()}
    if not stratify and len(production.works):
        paths, crossings = max(totals["paths"], 1.0), max(totals["crossings"], 1e-9)
        out["crossings"] = totals["crossings"]
        for what in ("steps", "evaluations"):
            out[f"path_{what}_per_crossing"] = totals[f"path_{what}"] / crossings
            out[f"{what}_per_path"] = totals[f"path_{what}"] / paths
    return out


def _about(state: SteeredState) -> dict[str, Any]:
    out: dict[str, Any] = {"isomers_left_out": dict(state.isomers)}
    if state.tuner is not None:
        out["path"] = _settings(state.tuner)
    return out


def _settings(tuner: PathTuner) -> dict[str, Any]:
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


def _profile(
    problem: Problem, state: ProduceState, production: Production, network: NetworkResult
) -> ProfileEstimate | None:
    """The profile as far as it is known; `network` joins the strata."""
    if state.profile is None:
        return None
    return state.profile.estimate(problem, network, production.owner)
