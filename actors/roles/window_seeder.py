"""The Seeder: where the walkers of umbrella windows start."""

from __future__ import annotations

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode, stream
from msgen.actors.configurations.coordinates import coordinates
from msgen.actors.configurations.seed_relaxation import Judge, Seeds, settle
from msgen.actors.context import WorkerContext
from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.engines.base import Engine
from msgen.actors.engines.registry import build_engine
from msgen.actors.orders.seed import SeedPayload, SeedRecord
from msgen.actors.roles.walkers import concatenate, rows_of, walkers_of
from msgen.models.base import GenerativeModel
from msgen.systems.base import Array, Walkers

POOL = 16
"""Draws of the model for each walker of a window; they are spread evenly over what it offers."""
TRIES = 5
"""Times a window's seed is drawn again before a neighbour's walker is dragged there."""


def seed_windows(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """One walker for every window of some ladders, by the model or from its neighbour.

    By the model: draws of p(x|λ_k), put on their feet
    (`msgen.actors.configurations.seed_relaxation.settle`) and drawn again where they break; a
    window whose draws all break takes its neighbour's walker, as do all windows of a campaign
    without a model. From the neighbour: each window starts from where its parent has come to, all
    whose parents are there at once.

    Payload and record: `SeedPayload`, `SeedRecord`.
    """
    p = order.read(SeedPayload)
    engine = build_engine(context, p.step_size)
    engine.begin(rng)
    g = Conditional(p.kappa, context.cvs.periodic)
    rows = np.flatnonzero(p.window >= 0)
    counts: dict[str, float] = {"windows": float(len(rows))}
    placed: dict[int, Walkers] = {}
    if order.model_version >= 0:
        placed, told = _by_model(context, order, p, engine, g)
        counts.update(told)
    by_model = np.array([k in placed for k in rows.tolist()], dtype=bool)
    if not by_model.all():
        placed = _from_neighbours(context, p, engine, g, placed)
    counts["from_neighbour"] = float((~by_model).sum())
    walkers = concatenate([placed[k] for k in rows.tolist()])
    xi = context.cvs(walkers.positions)
    there = rows_of(walkers, context, order)
    return Segment(
        order.key,
        carry=encode(SeedRecord(there, xi, p.window[rows], p.ladder[rows], by_model)),
        counts={**counts, "nonfinite": float(engine.tally.nonfinite)},
        evaluations=engine.tally.evaluations,
        model_version=order.model_version,
    )


def _by_model(
    context: WorkerContext, order: WorkOrder, p: SeedPayload, engine: Engine, g: Conditional
) -> tuple[dict[int, Walkers], dict[str, float]]:
    """Walkers by row of their window, where the model has one that holds; and what was counted."""
    model, turn = context.models[order.model_version], coordinates(context)
    windows = np.flatnonzero(p.window >= 0).tolist()
    placed: dict[int, Walkers] = {}
    counts: dict[str, float] = {}
    for attempt in range(TRIES):
        open_ = np.array([k for k in windows if k not in placed], dtype=np.int64)
        if not len(open_):
            break
        here = g.of_rows(open_)
        y, keyed = [], (order.round, f"pool{attempt}", 0)
        for ladder in np.unique(p.ladder[open_]).tolist():
            # the same draws for every ladder of the window, each takes a stratum of its own
            draws = stream(int(context.setup["seed"]), keyed)
            label = p.lam[open_[p.ladder[open_] == ladder]][:, p.label]
            y.append(stratified(model, label, ladder, p.ladders, draws))
        seeds: Seeds = settle(
            context,
            engine,
            turn.decode(np.concatenate(y), draws),
            p.lam[open_],
            here,
            Judge.of(context, here),
            minimise=p.minimise,
            relax=p.relax,
            steps=p.steps,
            pace=None if p.pace is None else p.pace[open_],
        )
        counts["seeds_drawn"] = counts.get("seeds_drawn", 0.0) + len(open_)
        for reason in seeds.reasons:
            if reason:
                counts[f"refused_{reason}"] = counts.get(f"refused_{reason}", 0.0) + 1.0
        for row, k in enumerate(open_.tolist()):
            if not seeds.reasons[row]:
                placed[k] = seeds.walkers.take([row])
    return placed, counts


def stratified(
    model: GenerativeModel, label: Array, ladder: int, ladders: int, rng: np.random.Generator
) -> Array:
    """One draw of p(·|λ) for each λ (n, c), the ladder's own stratum of a common pool.

    The pool of a window is sorted along its widest direction and cut at (i + u)/`ladders`, u
    uniform: each ladder's draw is distributed as the model (systematic sampling), and together they
    stand in two wells as often as the model says, not as often as coins fall.
    """
    n, pool = len(label), POOL * ladders
    y = model.sample(n * pool, rng, np.repeat(label, pool, axis=0)).reshape(n, pool, -1)
    u = rng.random(n)
    shift = rng.integers(ladders, size=n)
    out = np.empty((n, y.shape[2]))
    for k in range(n):
        centred = y[k] - y[k].mean(axis=0)
        scaled = centred / np.maximum(y[k].std(axis=0), 1e-12)
        widest = np.linalg.svd(scaled, full_matrices=False)[2][0]
        order = np.argsort(scaled @ widest, kind="stable")
        # the window's own shift: a ladder is not in the lowest stratum of every window
        place = ((ladder + int(shift[k])) % ladders + u[k]) / ladders
        out[k] = y[k][order[min(int(place * pool), pool - 1)]]
    return out


def _from_neighbours(
    context: WorkerContext,
    p: SeedPayload,
    engine: Engine,
    g: Conditional,
    placed: dict[int, Walkers],
) -> dict[int, Walkers]:
    """With walkers dragged to the windows that have none, a generation at a time."""
    out, given = dict(placed), walkers_of(p.walkers, context)
    waiting = [k for k in range(len(p.lam)) if k not in out]
    while waiting:
        now = [k for k in waiting if p.parent[k] < 0 or int(p.parent[k]) in out]
        before = p.parent[now].tolist()
        sources = [
            out[b] if b >= 0 else given.take([p.start[k]]) for k, b in zip(now, before, strict=True)
        ]
        rows = np.array(now, dtype=np.int64)
        engine.set_local_restraint(g.of_rows(rows), None if p.pace is None else p.pace[rows])
        moved = _dragged(engine, concatenate(sources), p.lam[now], p.relax, p.steps)
        out |= {k: moved.take([row]) for row, k in enumerate(now)}
        waiting = [k for k in waiting if k not in out]
    return out


def _dragged(engine: Engine, source: Walkers, lam: Array, chunks: int, steps: int) -> Walkers:
    """`source` held at λ for so many chunks; where that breaks it stays as it was."""
    engine.load(Walkers(source.positions, None, source.box))
    on = np.ones(len(source), dtype=bool)
    for _ in range(max(1, chunks)):
        engine.revert(np.asarray(~np.isfinite(engine.chunk(lam, on, steps)).all(axis=1)))
    moved = engine.walkers()
    return Walkers(moved.positions, None, moved.box)
