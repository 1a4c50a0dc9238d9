"""Configurations that a campaign is given to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from msgen.actors.base import Segment, WorkOrder, encode
from msgen.actors.configurations.coordinates import coordinates
from msgen.actors.context import WorkerContext
from msgen.actors.orders.configurations import (
    FREE,
    LabelledConfigurations,
    RecallPayload,
    RecallRecord,
)
from msgen.systems.base import Array

AT_ONCE = 4096
"""Configurations whose CVs are computed together."""


def read_configurations(path: Path, n_dof: int) -> Array:
    """`positions` of an .npz file as flat configurations, shape (n, n_dof).

    Raises
    ------
    ValueError
        With what is wrong with the file, in words.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if "positions" not in file:
                raise ValueError(f"holds no array `positions`, only {', '.join(file) or 'nothing'}")
            x = np.asarray(file["positions"], dtype=np.float64)
    except (OSError, EOFError) as error:
        raise ValueError(f"cannot be read ({error})") from error
    flat = x.reshape(len(x), -1) if x.ndim > 1 else x.reshape(-1, 1)
    if not len(flat) or flat.shape[1] != n_dof:
        raise ValueError(f"has {flat.shape[1]} coordinates a row, the system has {n_dof}")
    if not np.isfinite(flat).all():
        raise ValueError("holds values that are not finite")
    return flat


def recall(context: WorkerContext, order: WorkOrder, rng: np.random.Generator) -> Segment:
    """Read what `strategy.training.file` holds, evenly thinned.

    Payload and record: `RecallPayload`, `RecallRecord`.
    """
    p = order.read(RecallPayload)
    x = read_configurations(context.base_dir / p.file, context.system.n_dof)
    x = x[np.linspace(0, len(x) - 1, min(len(x), p.most)).astype(int)]
    parts = [x[i : i + AT_ONCE] for i in range(0, len(x), AT_ONCE)]
    recent = LabelledConfigurations(
        np.concatenate([coordinates(context).encode(part) for part in parts]),
        np.concatenate([context.cvs(part) for part in parts]),
        np.full(len(x), FREE, dtype=np.int64),
    )
    return Segment(
        order.key,
        carry=encode(RecallRecord(recent)),
        counts={"configurations": float(len(x))},
    )
