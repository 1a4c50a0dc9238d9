"""Which function does which kind of work order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from msgen.actors.base import Segment, WorkOrder
from msgen.actors.context import WorkerContext


def _explore(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.state_explorer import explore

    return explore(context, order, rng)


def _ahead(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.roll_ahead import roll_ahead

    return roll_ahead(context, order, rng)


def _fit_ahead(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.roll_ahead import fit_ahead

    return fit_ahead(context, order, rng)


def _sample(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.sampler import sample

    return sample(context, order, rng)


def _walk(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.independence_sampler import walk

    return walk(context, order, rng)


def _target(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.targeted import target

    return target(context, order, rng)


def _umbrella(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.umbrella import sample_windows

    return sample_windows(context, order, rng)


def _bias(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.metadynamics import bias

    return bias(context, order, rng)


def _temper(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.tempering import temper

    return temper(context, order, rng)


def _seed(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.window_seeder import seed_windows

    return seed_windows(context, order, rng)


def _recall(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.configurations import recall

    return recall(context, order, rng)


def _fit_windows(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.trainer import fit_windows

    return fit_windows(context, order, rng)


def _fit_transport(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.transport_trainer import fit_transport

    return fit_transport(context, order, rng)


def _fit(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.trainer import fit

    return fit(context, order, rng)


def _draw(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.importance_sampler import draw

    return draw(context, order, rng)


def _watch(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.importance_sampler import watch

    return watch(context, order, rng)


def _fit_energy(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.reverse_kl_trainer import fit_energy

    return fit_energy(context, order, rng)


def _probe(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.prober import probe

    return probe(context, order, rng)


def _follow(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.trajectories import follow

    return follow(context, order, rng)


def _fit_trajectories(
    context: WorkerContext, order: WorkOrder, rng: np.random.Generator
) -> Segment:
    from msgen.actors.roles.trajectories import fit_trajectories

    return fit_trajectories(context, order, rng)


def _generate(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.trajectories import generate

    return generate(context, order, rng)


def _fit_steps(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.steps import fit_steps

    return fit_steps(context, order, rng)


def _roll_out(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.steps import roll_out_steps

    return roll_out_steps(context, order, rng)


def _hot(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.hot import run_hot

    return run_hot(context, order, rng)


def _delayed(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.delayed import delayed

    return delayed(context, order, rng)


def _fit_surrogate(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.surrogate_trainer import fit_surrogate

    return fit_surrogate(context, order, rng)


def _shoot(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.shooting import shoot

    return shoot(context, order, rng)


def _fit_propagator(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    from msgen.actors.roles.propagator import fit_propagator

    return fit_propagator(context, order, rng)


Role = Callable[[WorkerContext, WorkOrder, np.random.Generator], Segment]
"""``role(context, order, rng) -> Segment``: deterministic in the order, the models and `rng`."""

# imported when first asked for: a worker that only sums needs neither torch nor OpenMM
ROLES: dict[str, Role] = {
    "explore": _explore,
    "ahead": _ahead,
    "fit_ahead": _fit_ahead,
    "sample": _sample,
    "walk": _walk,
    "draw": _draw,
    "watch": _watch,
    "target": _target,
    "recall": _recall,
    "seed": _seed,
    "umbrella": _umbrella,
    "temper": _temper,
    "bias": _bias,
    "delayed": _delayed,
    "probe": _probe,
    "trajectory": _follow,
    "hot": _hot,
    "generate": _generate,
    "roll_out": _roll_out,
    "shoot": _shoot,
    "fit": _fit,
    "fit_windows": _fit_windows,
    "fit_transport": _fit_transport,
    "fit_energy": _fit_energy,
    "fit_trajectories": _fit_trajectories,
    "fit_steps": _fit_steps,
    "fit_surrogate": _fit_surrogate,
    "fit_propagator": _fit_propagator,
}
"""Role functions by `WorkOrder.kind`."""
