"""What the adaptation learns from a round: the flattening bias, and the data of the next fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.strata import Partition
from msgen.actors.kernels.expanded_ensemble import Ladder
from msgen.orchestrator.estimators.histogram import block_sums
from msgen.orchestrator.strategies.common.allocation import Ints, groups
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.steered.flattening import Flattener, bin_centres, make_ladder
from msgen.systems.base import Array

FIT_SIZE = 4000
"""Most samples of one stratum that a fit sees."""
LEAST_HEIGHT = 2.0
"""kT that are flattened even in a state whose bottom lies near the height asked for."""


def see(
    problem: Problem,
    state: Tree,
    segments: Sequence[Segment],
    strata: Partition,
    f: Array,
    flatten: float,
) -> None:
    """Update ladders and fit data in place.

    Parameters
    ----------
    f : Array, shape (K,)
        Young free energies of the strata, kT; NaN where unknown.
    flatten : float
        Height above the lowest bottom of all strata; 0 for none.
    """
    flatteners, ladders = dict(state["flatteners"]), dict(state["ladders"])
    data: Tree = {}
    bottoms: dict[int, tuple[Array, float]] = {}
    for k, mine in _by_stratum(problem, np.asarray(state["stratum"]), segments).items():
        xi = np.concatenate([s.samples["cvs"] for s in mine])
        log_bias = np.concatenate([s.samples["log_bias"] for s in mine])
        label = problem.grid.index(xi)
        zeros = np.zeros(len(label), dtype=np.int64)
        name = str(k)
        seen = Flattener.from_tree(flatteners[name]) if name in flatteners else Flattener([], [])
        seen.add(
            block_sums(label, problem.grid.size, zeros, 1)[0],
            Ladder.from_tree(ladders[name]).log_bias(bin_centres(problem.grid)),
        )
        flatteners[name] = seen.tree()
        every = max(1, len(xi) // (2 * FIT_SIZE))
        data[name] = {"xi": xi[::every], "log_weight": -log_bias[::every], "seen": len(xi)}
        if flatten == 0 and len(xi) < FIT_SIZE and name in state["fit_data"]:
            data[name] = _longer(state["fit_data"][name], data[name])
        p = seen.populations()
        bottoms[k] = (p, float(f[k]) - float(np.log(p.max())))
    known = [b for _, b in bottoms.values() if np.isfinite(b)]
    for k, (p, bottom) in bottoms.items():
        above = bottom - min(known) if np.isfinite(bottom) else 0.0
        if flatten > 0:
            height = max(LEAST_HEIGHT, flatten - above)
            ladder = make_ladder(p, height, k, strata, problem.grid, problem.local_g)
            ladders[str(k)] = ladder.tree()
    state.update(flatteners=flatteners, ladders=ladders, fit_data=data)


def _longer(before: Tree, now: Tree) -> Tree:
    """Samples of the later half of all rounds: one round of a few walkers weighs no states.

    For plain sampling alone, whose rounds have one density.
    """
    total = int(before.get("seen", len(before["xi"]))) + int(now["seen"])
    keep = max(int(now["seen"]), min(FIT_SIZE, total // 2))
    joined = {k: np.concatenate([before[k], now[k]])[-keep:] for k in ("xi", "log_weight")}
    return {**joined, "seen": total}


def areas(problem: Problem, state: Tree, n_strata: int, flatten: float) -> Array:
    """Weight of each stratum in the number of replicas: the square root of its area."""
    out = np.ones(n_strata)
    for k, tree in state["flatteners"].items():
        p = Flattener.from_tree(tree).populations()
        out[int(k)] = np.sqrt(np.count_nonzero(p > p.max() * np.exp(-max(flatten, 1.0))))
    return out


def fit_order(problem: Problem, state: Tree, g: Conditional) -> WorkOrder:
    """A fit of q_k(λ) on λ ~ g(·|ξ) of every stratum, each stratum weighing the same."""
    strata = Partition.from_tree(state["strata"])
    key = np.random.SeedSequence(problem.seed, spawn_key=(int(state["round"]), 78))
    rng = np.random.default_rng(key)
    data, labels = [], []
    for k, seen in sorted(state["fit_data"].items(), key=lambda item: int(item[0])):
        weight = np.exp(seen["log_weight"] - seen["log_weight"].max())
        pick = rng.choice(len(weight), FIT_SIZE, p=weight / weight.sum())
        lam = g.sample(np.asarray(seen["xi"])[pick], rng)
        inside = strata.assign(lam) == int(k)
        data.append(lam[inside])
        labels.append(np.full(int(inside.sum()), int(k)))
    stratum = np.concatenate(labels)
    counts = np.bincount(stratum, minlength=len(strata))
    return WorkOrder(
        int(state["round"]),
        "fit",
        0,
        {
            "data": np.concatenate(data),
            "weights": 1.0 / counts[stratum],
            "stratum": stratum,
            "n_strata": len(strata),
            "periodic": problem.periodic,
            "partition": state["strata"],
            "broad": problem.broad(),
            "epsilon": float(problem.strategy["broad"]),
        },
        model_version=int(state["version"]),
    )


def _by_stratum(
    problem: Problem, stratum: Ints, segments: Sequence[Segment]
) -> dict[int, list[Segment]]:
    out: dict[int, list[Segment]] = {}
    for group, segment in zip(groups(problem, stratum), segments, strict=True):
        out.setdefault(int(stratum[group[0]]), []).append(segment)
    return dict(sorted(out.items()))
