"""The orders of an importance campaign: walkers, draws, and what a model is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msgen.actors.base import WorkOrder
from msgen.actors.orders.draw import DrawPayload
from msgen.actors.orders.fit import FitPayload
from msgen.actors.orders.fit_energy import EnergySpec, FitEnergyPayload
from msgen.actors.orders.walk import WalkPayload, WatchPayload
from msgen.orchestrator.strategies.common.allocation import groups
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.importance.state import ImportanceState
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
    if not problem.has_atoms:
        return RECENT
    return max(RECENT, int(np.ceil(PER_VARIABLE * dim / problem.replicas)))


def watch_orders(problem: Problem, state: ImportanceState, recent: int) -> tuple[WorkOrder, ...]:
    """Local steps of the walkers; in production only in some rounds, beside the frozen model."""
    done, produces = state.rounds_produced, state.phase == "produce"
    if produces and done >= 4 and done % 4:
        return ()
    steps = int(problem.strategy["local"]["steps"])
    blocks = MOLECULAR if problem.has_atoms else 1
    record = int(np.clip(blocks * steps // recent, 1, problem.stride))
    payload = WatchPayload if produces else WalkPayload
    return tuple(
        WorkOrder.of(
            state.round,
            payload(
                walkers=state.walkers.take(group),
                replicas=group,
                blocks=blocks,
                local_steps=steps,
                record=problem.stride if produces else record,
                global_steps=0,
                step_size=state.moves.step_size,
                epsilon=float(problem.strategy["broad"]),
                recent=RECENT if produces else recent,
                broad=state.broad,
            ),
            i,
            model_version=state.version if produces else -1,
            cost_hint=float(blocks * steps * len(group)),
        )
        for i, group in enumerate(groups(problem))
    )


def draw_orders(problem: Problem, state: ImportanceState) -> list[WorkOrder]:
    """Draws of the model in use; in production more as the rounds go on."""
    n, first, keep = int(problem.strategy["draws"]), 0, state.phase != "produce"
    if state.broad is None:
        raise ValueError("draws are defended by a broad share, and nothing was seen yet")
    if not keep:
        n *= 1 + state.rounds_produced // 4
        first = 0 if state.produced is None else state.produced.draws
    out = []
    for i, begin in enumerate(range(0, n, PER_ORDER)):
        size = min(PER_ORDER, n - begin)
        epsilon = float(problem.strategy["broad"])
        payload = DrawPayload(size, first + begin, keep, epsilon, state.broad)
        version, cost = state.version, float(size)
        out.append(WorkOrder.of(state.round, payload, i, model_version=version, cost_hint=cost))
    return out


def parts_of(training: Mapping[str, Any]) -> int:
    """Fits that a training takes at least."""
    if training["kind"] == "reverse_kl":
        return PARTS
    return int(training["rounds"]) if training["kind"] == "adaptive" else 1


def training_order(
    problem: Problem, state: ImportanceState, periodic: NDArray[np.bool_]
) -> WorkOrder | None:
    """The next fit, None while walkers still settle or gather."""
    training = problem.strategy["training"]
    wait = WARM + (int(training["rounds"]) if training["kind"] == "data" else 0)
    if state.adapt < wait:
        return None
    if training["kind"] == "reverse_kl":
        part = _on_energy(training, state)
        return WorkOrder.of(state.round, part, model_version=state.version, cost_hint=1e3)
    data, weights, unit = _samples(state)
    payload = FitPayload(
        data=data,
        weights=weights,
        stratum=np.zeros(len(data), dtype=np.int64),
        n_strata=1,
        periodic=periodic,
        unit=unit,
        goes_on=True,
    )
    return WorkOrder.of(state.round, payload, model_version=state.version, cost_hint=1e3)


def _on_energy(training: Mapping[str, Any], state: ImportanceState) -> FitEnergyPayload:
    clip, hot, broad = training["clip"], training["hot"], state.broad
    if broad is None:
        raise ValueError("a model is placed by what was seen, and nothing was yet")
    return FitEnergyPayload(
        training=EnergySpec(
            updates=int(training["updates"]),
            batch=int(training["batch"]),
            hot=state.hot if hot == "auto" else float(hot),
            cooling=float(training["cooling"]),
            clip=None if clip == "auto" else float(clip),
            data=float(training["data"]),
            recall=float(training["recall"]),
        ),
        begin=state.fits / PARTS,
        end=(state.fits + 1) / PARTS,
        mean=broad.mean,
        std=broad.std / 2.0,
        data=np.concatenate([s.recent for s in state.learnt]) if state.learnt else None,
    )


def _samples(state: ImportanceState) -> tuple[Array, Array, Ints]:
    """Configurations to learn from, their weights, and who resembles whom: one unit per walker.

    Draws count by their normalised weights, cut so that none is more than 1/√n of all, and together
    as many as are effective; walkers as many as there are, and `LEAST_SHARE` of all at least.
    """
    walked = np.concatenate([s.recent for s in state.learnt])
    unit = np.concatenate([s.recent_replica for s in state.learnt])
    own = np.full(len(walked), 1.0 / len(walked))
    if not state.drawn:
        return walked, own, unit
    x = [d.recent for d in state.drawn]
    weights = []
    for log_w in (d.log_weight for d in state.drawn):
        w = np.exp(log_w - log_w.max(initial=-np.inf))
        # truncated importance sampling (Ionides, J. Comput. Graph. Stat. 17, 295, 2008)
        weights.append(np.minimum(w, w.sum() / np.sqrt(max(1, len(w)))))
    effective = [float(w.sum() ** 2 / np.sum(w**2)) if len(w) else 0.0 for w in weights]
    n = len(state.walkers)
    share = max(LEAST_SHARE, n / (n + sum(effective)))
    parts = [
        (1.0 - share) * e / max(sum(effective), 1e-300) * w / w.sum()
        for w, e in zip(weights, effective, strict=True)
        if len(w)
    ]
    alone = unit.max() + 1 + np.arange(sum(map(len, x)))
    data, weight = np.concatenate([walked, *x]), np.concatenate([share * own, *parts])
    return data, weight, np.concatenate([unit, alone])
