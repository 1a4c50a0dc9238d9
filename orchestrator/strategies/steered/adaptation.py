"""What the adaptation learns from a round: bias, proposals, local moves and paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.proposals import DRAWS
from msgen.actors.cv_space.switching_schedule import Schedule
from msgen.actors.orders.fit import FitPayload, FitRecord
from msgen.actors.orders.propagate import FitPropagatorPayload
from msgen.actors.orders.sample import SampleRecord
from msgen.orchestrator.estimators.histogram import block_sums
from msgen.orchestrator.strategies.common.allocation import Ints, groups
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.common.totals import with_counts
from msgen.orchestrator.strategies.common.works import Works
from msgen.orchestrator.strategies.steered.cold_start import under_new_proposals
from msgen.orchestrator.strategies.steered.crossings import (
    chain_crossings,
    chain_tries,
    column,
    dissipated,
)
from msgen.orchestrator.strategies.steered.fit_data import FIT_SIZE, FitData
from msgen.orchestrator.strategies.steered.flattening import (
    PLAIN_SHARE,
    Flattener,
    bin_centres,
    make_ladder,
)
from msgen.orchestrator.strategies.steered.learnt_dynamics import lags_of
from msgen.orchestrator.strategies.steered.orders import BLOCKS
from msgen.orchestrator.strategies.steered.path_trials import PathRound
from msgen.orchestrator.strategies.steered.sightings import (
    Sightings,
    flattened,
    partial_ladders,
)
from msgen.orchestrator.strategies.steered.state import AdaptState
from msgen.orchestrator.strategies.steered.switching import tuner_of
from msgen.orchestrator.strategies.steered.tuning_price import SHORTEST, TuningPrice
from msgen.systems.base import Array

MASS_DRAWS = 40_000
"""Of each proposal where no grid holds all CVs, as flows of many CVs take memory: the mass of one
with nine tenths in its stratum is known to 0.002 kT."""
ALL_FIT_SIZE, LEAST_FIT_SIZE = 16_000, 1_000
"""Samples that a fit sees there, of all strata together, and of each at the least."""
LEAST_HEIGHT = 2.0
"""kT that are flattened even in a state whose bottom lies near the height asked for."""


def update_adaptation(
    problem: Problem, state: AdaptState, segments: Sequence[Segment], f: Array, flatten: float
) -> AdaptState:
    """The state with a round's ladders and fit data.

    Parameters
    ----------
    f : Array, shape (K,)
        Free energies of the strata as far as known, kT; NaN where unknown.
    flatten : float
        Height above the lowest bottom of all strata; 0 for none.
    """
    flatteners, data = dict(state.flatteners), dict[int, FitData]()
    densities, bottoms = dict[int, Array](), dict[int, float]()
    sightings = dict(state.sightings)
    for k, mine in _by_stratum(problem, state.stratum, segments).items():
        xi = np.concatenate([s.samples["cvs"] for s in mine])
        log_bias = np.concatenate([s.samples["log_bias"] for s in mine])
        data[k] = FitData.of_round(xi, log_bias)
        if flatten == 0 and len(xi) < FIT_SIZE and k in state.fit_data:
            data[k] = state.fit_data[k].with_round(data[k])
        if problem.on_points:
            seen = sightings.get(k, Sightings.empty(problem.dim))
            sightings[k] = seen.with_round(xi, log_bias)
            continue
        label = problem.grid.index(xi)
        zeros = np.zeros(len(label), dtype=np.int64)
        flatteners[k] = flatteners.get(k, Flattener.empty(problem.grid.size)).with_round(
            block_sums(label, problem.grid.size, zeros, 1)[0],
            state.ladders[k].log_bias(bin_centres(problem.grid)),
        )
        densities[k] = flatteners[k].populations()
        bottoms[k] = float(f[k]) - float(np.log(densities[k].max()))
    if problem.on_points:
        partial = dict(state.partial)
        if flatten > 0:
            partial |= partial_ladders(problem, sightings, state.strata, f, flatten, LEAST_HEIGHT)
        return replace(state, sightings=sightings, partial=partial, fit_data=data)
    ladders = dict(state.ladders)
    known = [b for b in bottoms.values() if np.isfinite(b)]
    for k, p in densities.items():
        above = bottoms[k] - min(known) if np.isfinite(bottoms[k]) else 0.0
        if flatten > 0:
            height = max(LEAST_HEIGHT, flatten - above)
            ladders[k] = make_ladder(p, height, k, state.strata, problem.grid, problem.local_g)
    return replace(state, flatteners=flatteners, ladders=ladders, fit_data=data)


def tune_moves(problem: Problem, state: AdaptState, segments: Sequence[Segment]) -> AdaptState:
    """The state with local moves tuned, one round of the adaptation more."""
    records = [segment.read(SampleRecord) for segment in segments]
    moves = state.moves.with_step(segments).with_masses(
        problem,
        state.adapt,
        state.states,
        segments,
        [r.walkers for r in records],
        [r.curvature for r in records if r.curvature is not None],
    )
    return replace(state, moves=moves, adapt=state.adapt + 1)


def tune_paths(
    problem: Problem, state: AdaptState, segments: Sequence[Segment], works: Works, f: Array
) -> AdaptState:
    """The state with the paths tuned on a round's works, if there are any.

    `f`, shape (K,): free energies of the strata as far as known.
    """
    tuner = tuner_of(problem, state)
    if len(works):
        if problem.strategy["stratify"]:
            chance, generalised_work = works.crossing(f), dissipated(works, f)
        else:
            chance = chain_crossings(state.states, segments, works)
            generalised_work = chain_tries(state.states, segments, works)
        spent = column(segments, "path_evaluations")
        counts = with_counts({}, segments)
        paths = PathRound(
            works["schedule"],
            spent,
            chance,
            works["path_replica"],
            generalised_work,
            broken=counts["broken"] / counts["paths"],
        )
        price = tuning_price(problem, state, segments)
        tuner = tuner.absorb(paths, len(state.stratum), price)
    return replace(state, tuner=tuner)


def tuning_price(problem: Problem, state: AdaptState, segments: Sequence[Segment]) -> TuningPrice:
    """What another round of tuning costs and may save, after a round with paths.

    From m paths over K states, all pairs alike, BAR's network leaves σ² = 2(K−1)(1/a−2)/m; a chain
    with C crossings, half of them each way, σ² = 4/C.
    """
    strategy, counts = problem.strategy, with_counts({}, segments)
    stretch = max(1, int(strategy["local"]["steps"]) // problem.stride)
    reading = counts["local_evaluations"] / len(column(segments, "cvs"))
    # paths begin where λ is absent
    share = PLAIN_SHARE if float(strategy["flatten"]) > 0 else 1.0
    of_error = 2.0 * (len(np.unique(state.stratum)) - 1) if strategy["stratify"] else 4.0
    return TuningPrice(
        share=float(strategy["path"]["tuning"]),
        spent=state.spent,
        local=counts["local_evaluations"],
        paths=counts["paths"],
        beside=reading * stretch / share,
        fewest=SHORTEST * BLOCKS * len(state.at_work) * share,
        of_error=of_error / problem.criteria.state_error**2,
        overlap=problem.criteria.overlap if strategy["stratify"] else 0.0,
    )


def with_model(state: AdaptState, fit: Segment) -> AdaptState:
    """The state with the next version of the proposals, if the fit was accepted.

    Raises
    ------
    ValueError
        If the fit does not tell their mass in the strata.
    """
    record = fit.read(FitRecord)
    if not record.accepted:
        return state
    mass = record.log_mass
    if fit.key[1] == FitPropagatorPayload.kind:
        mass = np.zeros(1)  # in its one stratum, all of CV space
    if mass is None:
        raise ValueError("a fit of the proposals tells nothing of their mass in the strata")
    return replace(
        state,
        version=state.version + 1,
        model=record.model,
        settling=under_new_proposals(state.settling),
        log_mass=mass,
    )


def areas(problem: Problem, state: AdaptState, flatten: float) -> Array:
    """Weight of each stratum in the number of replicas: the square root of its area.

    Where surfaces are asked for, the mean over them.
    """
    out = np.ones(len(state.strata))
    for k, sighted in state.sightings.items():
        found = [sighted.populations(surface) for surface in flattened(problem)]
        within = [np.count_nonzero(p > p.max() * np.exp(-max(flatten, 1.0))) for p in found]
        out[k] = np.sqrt(np.mean(within))
    for k, seen in state.flatteners.items():
        p = seen.populations()
        out[k] = np.sqrt(np.count_nonzero(p > p.max() * np.exp(-max(flatten, 1.0))))
    return out


def fit_order(problem: Problem, state: AdaptState, schedule: Schedule) -> WorkOrder:
    """A fit of the proposals to λ ~ g(·|ξ): of q_k(λ), or of steps of the dynamics."""
    key = np.random.SeedSequence(problem.seed, spawn_key=(state.round, 78))
    rng = np.random.default_rng(key)
    if lags_of(problem):
        lesson = state.seen_steps.lesson(problem, schedule, rng)
        return WorkOrder.of(state.round, lesson, model_version=state.version)
    densities = _densities(problem, state, schedule.g, rng)
    return WorkOrder.of(state.round, densities, model_version=state.version)


def _densities(
    problem: Problem, state: AdaptState, g: Conditional, rng: np.random.Generator
) -> FitPayload:
    """For q_k(λ) of every stratum, each stratum weighing the same."""
    data, labels, size = [], [], FIT_SIZE
    if problem.on_points:
        size = int(np.clip(ALL_FIT_SIZE // len(state.strata), LEAST_FIT_SIZE, FIT_SIZE))
    for k, seen in sorted(state.fit_data.items()):
        weight = np.exp(seen.log_weight - seen.log_weight.max())
        pick = rng.choice(len(weight), size, p=weight / weight.sum())
        lam = g.sample(seen.xi[pick], rng)
        inside = state.strata.assign(lam) == k
        data.append(lam[inside])
        labels.append(np.full(int(inside.sum()), k))
    stratum = np.concatenate(labels)
    counts = np.bincount(stratum, minlength=len(state.strata))
    return FitPayload(
        data=np.concatenate(data),
        weights=1.0 / counts[stratum],
        stratum=stratum,
        n_strata=len(state.strata),
        periodic=problem.periodic,
        partition=state.strata,
        broad=problem.broad(),
        epsilon=float(problem.strategy["broad"]),
        # of many CVs draws are dear, and states are many
        mass_draws=MASS_DRAWS if problem.on_points else DRAWS,
    )


def _by_stratum(
    problem: Problem, stratum: Ints, segments: Sequence[Segment]
) -> dict[int, list[Segment]]:
    out: dict[int, list[Segment]] = {}
    for group, segment in zip(groups(problem, stratum), segments, strict=True):
        out.setdefault(int(stratum[group[0]]), []).append(segment)
    return dict(sorted(out.items()))
