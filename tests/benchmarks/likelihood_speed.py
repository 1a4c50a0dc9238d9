"""Seconds of processor time per 1,000 updates of each model, eager and compiled.

`make bench NAME=likelihood_models ARGS=speed[:KIND…]`. One thread; the difference of two fits of
the same model, one `EPOCHS` epochs longer, so that setting up counts for neither; batches of 256.
Compiled: torch.compile of the network's forward pass, and for cnf of the velocity with its
Jacobian, by patches: msgen has no such setting. What compiling itself takes is told apart. With a
GPU the eager fits are done there as well, by wall time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from built_models import build
from rows import Row

import msgen.models.nets.dense_field as dense_field

KINDS = ("spline_flow", "realnvp", "copula_flow", "cnf", "flow_matching", "score")
DIMS = (16,)
BATCH, EPOCHS = 256, 4
UPDATES = {"cnf": 8}
"""Updates of one epoch; 30 where nothing stands."""

Clock = Callable[[], float]


def rows(*kinds: str) -> list[Row]:
    """A row for each kind, number of variables and way to run it."""
    torch.set_num_threads(1)
    found = []
    for kind in kinds or KINDS:
        for dim in DIMS:
            # what torch sets up at first use is no part of either
            _per_1000(kind, dim, time.process_time)
            eager = _per_1000(kind, dim, time.process_time)
            found.append(Row(f"{kind}, {dim}-D, eager", eager, "s"))
            compiled, first = _compiled(kind, dim)
            against = f"eager {eager:.3g}"
            found.append(Row(f"{kind}, {dim}-D, torch.compile", compiled, "s", against))
            found.append(Row(f"{kind}, {dim}-D, compiling", first, "s"))
            if torch.cuda.is_available():
                there = _per_1000(kind, dim, time.perf_counter, "cuda")
                found.append(Row(f"{kind}, {dim}-D, eager, GPU, wall", there, "s", against))
    return found


def _data(n: int, dim: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.where(rng.random((n, 1)) < 0.3, -1.5, 1.5) + 0.5 * rng.standard_normal((n, dim))


def _model(kind: str, dim: int, epochs: int, device: str = "cpu") -> Any:
    settings = {"batch": BATCH, "epochs": epochs, "patience": 10_000, "device": device}
    return build({"kind": kind, **settings}, dim, (False,) * dim)


def _per_1000(kind: str, dim: int, clock: Clock, device: str = "cpu", wrap: Any = None) -> float:
    updates = UPDATES.get(kind, 30)
    data, took = _data(round(updates * BATCH / 0.9), dim), []
    for epochs in (1, 1 + EPOCHS):
        model = _model(kind, dim, epochs, device)
        if wrap is not None:
            wrap(model)
        start = clock()
        model.fit(data, seed=1)
        took.append(clock() - start)
    return 1000 * (took[1] - took[0]) / (EPOCHS * updates)


def _compiled(kind: str, dim: int) -> tuple[float, float]:
    """Seconds per 1,000 updates, and of the first fit, in which compiling is done."""
    torch._dynamo.reset()
    field: Any = dense_field.DenseField
    plain = field.velocity_and_jacobian
    wrap = _compile if kind != "cnf" else None
    if kind == "cnf":
        field.velocity_and_jacobian = torch.compile(plain)
    try:
        start = time.process_time()
        _per_1000(kind, dim, time.process_time, wrap=wrap)
        first = time.process_time() - start
        return _per_1000(kind, dim, time.process_time, wrap=wrap), first
    finally:
        field.velocity_and_jacobian = plain


def _compile(model: Any) -> None:
    density = model.network()
    getattr(density, "net", density).compile()
