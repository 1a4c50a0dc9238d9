"""The orders of an importance campaign: walkers, draws, and what a model is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import Tree, WorkOrder
from msgen.orchestrator.strategies.common.allocation import groups
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.step_size import step_of
from msgen.orchestrator.strategies.common.walker_rows import number, rows
from msgen.systems.base import Array

Ints = NDArray[np.int64]

WARM = 2
"""Rounds in which walkers settle before anything is trained."""
PARTS = 8
"""Rounds over which training on the energy is spread: each of them can be resumed from."""
PER_ORDER = 1024
"""Draws of one order."""
RECENT = 25
"""Times in a round at which every walker hands on its configuration."""
MOLECULAR = 10
"""Stretches of local steps in a round of a molecule's walkers."""
PER_VARIABLE = 100
"""Configurations of a round of a molecule's walkers, for each variable of its model."""
LEAST_SHARE = 0.1
"""Weight of the walkers among what the adaptive fit learns from, at least: what draws do not reach
stays known."""


def recent_of(problem: Problem, dim: int) -> int:
    """Times in a round at which walkers hand on their configurations, for a model of `dim`."""
    if not problem.molecular:
        return RECENT
    return max(RECENT, int(np.ceil(PER_VARIABLE * dim / problem.replicas)))


def watch_orders(problem: Problem, state: Tree, recent: int) -> tuple[WorkOrder, ...]:
    """Local steps of the walkers; in production only in some rounds, beside the frozen model."""
    done = int(state["produced"]["rounds"]) if state["produced"] else 0
    produces = state["phase"] == "produce"
    if produces and done >= 4 and done % 4:
        return ()
    steps = int(problem.strategy["local"]["steps"])
    walkers, blocks = state["walkers"], MOLECULAR if problem.molecular else 1
    record = int(np.clip(blocks * steps // recent, 1, problem.stride))
    return tuple(
        WorkOrder(
            int(state["round"]),
            "watch" if produces else "walk",
            i,
            {
                "walkers": rows(walkers, group),
                "replicas": group,
                "blocks": blocks,
                "local_steps": steps,
                "record": problem.stride if produces else record,
                "step_size": step_of(state),
                "global_steps": 0,
                "epsilon": float(problem.strategy["broad"]),
                "recent": RECENT if produces else recent,
                "broad": state["broad"],
            },
            model_version=int(state["version"]) if produces else -1,
            cost_hint=float(blocks * steps * len(group)),
        )
        for i, group in enumerate(groups(problem, np.zeros(problem.replicas, dtype=np.int64)))
    )


def draw_orders(problem: Problem, state: Tree) -> list[WorkOrder]:
    """Draws of the model in use; in production more as the rounds go on."""
    n, first, keep = int(problem.strategy["draws"]), 0, state["phase"] != "produce"
    if not keep:
        done = state["produced"]
        n *= 1 + int(done["rounds"]) // 4
        first = int(np.sum(done["counts"]))
    out = []
    for i, begin in enumerate(range(0, n, PER_ORDER)):
        size = min(PER_ORDER, n - begin)
        payload = {
            "draws": size,
            "first": first + begin,
            "keep": keep,
            "epsilon": float(problem.strategy["broad"]),
            "broad": state["broad"],
        }
        rnd, version = int(state["round"]), int(state["version"])
        out.append(WorkOrder(rnd, "draw", i, payload, model_version=version, cost_hint=float(size)))
    return out


def parts_of(training: Mapping[str, Any]) -> int:
    """Fits that a training takes at least."""
    if training["kind"] == "reverse_kl":
        return PARTS
    return int(training["rounds"]) if training["kind"] == "adaptive" else 1


def training_order(problem: Problem, state: Tree, periodic: NDArray[np.bool_]) -> WorkOrder | None:
    """The next fit, None while walkers still settle or gather."""
    training = problem.strategy["training"]
    wait = WARM + (int(training["rounds"]) if training["kind"] == "data" else 0)
    if int(state["adapt"]) < wait:
        return None
    rnd, version = int(state["round"]), int(state["version"])
    if training["kind"] == "reverse_kl":
        return WorkOrder(rnd, "fit_energy", 0, _on_energy(training, state), version, 1e3)
    data, weights, unit = _samples(state)
    payload = {
        "data": data,
        "weights": weights,
        "stratum": np.zeros(len(data), dtype=np.int64),
        "n_strata": 1,
        "periodic": periodic,
        "unit": unit,
        "goes_on": True,
    }
    return WorkOrder(rnd, "fit", 0, payload, version, 1e3)


def _on_energy(training: Mapping[str, Any], state: Tree) -> Tree:
    part = int(state["fits"])
    clip, hot = training["clip"], training["hot"]
    return {
        "training": {
            "updates": int(training["updates"]),
            "batch": int(training["batch"]),
            "hot": state["hot"] if hot == "auto" else float(hot),
            "cooling": float(training["cooling"]),
            "clip": None if clip == "auto" else float(clip),
            "data": float(training["data"]),
            "recall": float(training["recall"]),
        },
        "begin": part / PARTS,
        "end": (part + 1) / PARTS,
        "mean": state["broad"]["mean"],
        "std": np.asarray(state["broad"]["std"]) / 2.0,
        "data": np.concatenate([s["recent"] for s in state["learnt"]])
        if len(state["learnt"])
        else None,
    }


def _samples(state: Tree) -> tuple[Array, Array, Ints]:
    """Configurations to learn from, their weights, and who resembles whom: one unit per walker.

    Draws count by their normalised weights, cut so that none is more than 1/√n of all, and together
    as many as are effective; walkers as many as there are, and `LEAST_SHARE` of all at least.
    """
    walked = np.concatenate([s["recent"] for s in state["learnt"]])
    unit = np.concatenate([s["recent_replica"] for s in state["learnt"]]).astype(np.int64)
    own = np.full(len(walked), 1.0 / len(walked))
    if not len(state["drawn"]):
        return walked, own, unit
    x = [np.asarray(d["recent"]) for d in state["drawn"]]
    weights = []
    for d in state["drawn"]:
        log_w = np.asarray(d["log_weight"])
        w = np.exp(log_w - log_w.max(initial=-np.inf))
        # truncated importance sampling (Ionides, J. Comput. Graph. Stat. 17, 295, 2008)
        weights.append(np.minimum(w, w.sum() / np.sqrt(max(1, len(w)))))
    effective = [float(w.sum() ** 2 / np.sum(w**2)) if len(w) else 0.0 for w in weights]
    n = number(state["walkers"])
    share = max(LEAST_SHARE, n / (n + sum(effective)))
    parts = [
        (1.0 - share) * e / max(sum(effective), 1e-300) * w / w.sum()
        for w, e in zip(weights, effective, strict=True)
        if len(w)
    ]
    alone = unit.max() + 1 + np.arange(sum(map(len, x)))
    data, weight = np.concatenate([walked, *x]), np.concatenate([share * own, *parts])
    return data, weight, np.concatenate([unit, alone])
