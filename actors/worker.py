"""The worker: takes any order, keeps nothing that matters."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np

from msgen.actors.base import Segment, Tree, WorkOrder, copy_tree, stream
from msgen.actors.context import WorkerContext
from msgen.actors.roles.registry import ROLES, Role


class Worker:
    """Executes work orders; any worker gives the same segment for the same order.

    Parameters
    ----------
    setup : Tree
        See `WorkerContext`. An optional 'roles' maps kinds to import paths ``module:function``,
        looked for in the installed packages, then in 'base_dir'.
    context : WorkerContext, optional
        Of the same setup, where this process has one already.
    """

    def __init__(self, setup: Tree, context: WorkerContext | None = None) -> None:
        self._context = context or WorkerContext(setup)
        self._seed = int(setup["seed"])
        self._roles: dict[str, Role] = {**ROLES, **_extra_roles(setup)}
        _pin_threads(int(setup.get("threads", 1)))

    def publish(self, version: int, model: Tree) -> None:
        """Take the frozen model `version`, a tree of a `ModelState`."""
        self._context.models.publish(version, copy_tree(model))

    def retire(self, version: int) -> None:
        """Forget the model `version`."""
        self._context.models.retire(version)

    def ready(self) -> int:
        """Process id; answers once the worker is up."""
        return os.getpid()

    def execute(self, order: WorkOrder) -> Segment:
        """Do the order with its own random stream.

        Returns
        -------
        Segment
            With the order's key, the model version it used and the seconds it took; its arrays are
            contiguous and belong to the caller.

        Raises
        ------
        KeyError
            If no role does this kind, or the model version was never published.
        """
        started = time.perf_counter()
        if order.kind not in self._roles:
            known = ", ".join(sorted(self._roles)) or "none"
            raise KeyError(f"no role does orders of kind {order.kind!r} (known: {known})")
        mine = replace(order, payload=copy_tree(order.payload))
        done = self._roles[order.kind](self._context, mine, stream(self._seed, order.key))
        return replace(
            done,
            key=order.key,
            samples={name: np.array(value, order="C") for name, value in done.samples.items()},
            carry=copy_tree(done.carry),
            counts={name: float(value) for name, value in done.counts.items()},
            evaluations=int(done.evaluations),
            model_version=order.model_version,
            wall_s=time.perf_counter() - started,
        )


def _extra_roles(setup: Tree) -> Mapping[str, Role]:
    paths = cast(dict[str, str], setup.get("roles") or {})
    base = str(setup.get("base_dir", ""))
    if paths and base and base not in sys.path:
        sys.path.append(base)  # last: nothing installed is shadowed
    roles = {}
    for kind, path in paths.items():
        module, _, name = path.partition(":")
        roles[kind] = cast(Role, getattr(importlib.import_module(module), name))
    return roles


def _pin_threads(threads: int) -> None:
    # sums over threads depend on their number, and workers would fight for cores
    import torch

    torch.set_num_threads(threads)
