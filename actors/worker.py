"""The worker: takes any order, keeps nothing that matters."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

import numpy as np

from msgen.actors.base import Begun, Segment, Tree, WorkOrder, bare, copy_tree, stream
from msgen.actors.context import Models, WorkerContext
from msgen.actors.nest import Nest
from msgen.actors.roles.registry import ROLES, Role
from msgen.actors.slices import HaltedError, Slices
from msgen.systems.pause import looked_after


class Worker:
    """Executes work orders; any worker gives the same segment for the same order.

    Parameters
    ----------
    setup : Tree
        See `WorkerContext`. An optional 'roles' maps kinds to import paths ``module:function``,
        looked for in the installed packages, then in 'base_dir'. An optional 'nested' has what is
        otherwise in the setup of strategies inside the campaign's own, by their names; see `Nest`.
        An optional 'beside' has the same of other systems, whose models are the campaign's.
    context : WorkerContext, optional
        Of the same setup, where this process has one already.
    """

    def __init__(self, setup: Tree, context: WorkerContext | None = None) -> None:
        self._context = context or WorkerContext(setup)
        self._seed = int(setup["seed"])
        self._roles: dict[str, Role] = {**ROLES, **_extra_roles(setup)}
        self._nest = Nest(tuple(setup.get("nested") or {}))
        self._beside = frozenset(setup.get("beside") or {})
        self._inside: dict[str, Worker] = {}
        self._halted, self._so_far = False, 0
        _pin_threads(int(setup.get("threads", 1)))

    def publish(self, version: int, model: Tree) -> None:
        """Take the frozen model `version`, a tree of a `ModelState`."""
        models, version = self._models(version)
        models.publish(version, copy_tree(model))

    def retire(self, version: int) -> None:
        """Forget the model `version`."""
        models, version = self._models(version)
        models.retire(version)

    def ready(self) -> int:
        """Process id; answers once the worker is up."""
        return os.getpid()

    def execute(
        self, order: WorkOrder, pulse: Callable[[int], bool] | None = None
    ) -> Segment | Begun:
        """Do the order with its own random stream, from where it was stopped if it was.

        Parameters
        ----------
        order : WorkOrder
        pulse : callable, optional
            Asked between slices, with the energy evaluations so far, whether the order is to stop;
            by default what `halt` says.

        Returns
        -------
        Segment or Begun
            With the order's key, the model version it used and the seconds it took; its arrays are
            contiguous and belong to the caller. `Begun` where it was stopped.

        Raises
        ------
        KeyError
            If no role does this kind, or the model version was never published.
        """
        started = time.perf_counter()
        self._so_far = 0
        if self._halted:
            return order.begun or Begun(order.key)
        inside, kind = self._for(order.kind), bare(order.kind)
        if kind not in inside._roles:
            known = ", ".join(sorted(inside._roles)) or "none"
            raise KeyError(f"no role does orders of kind {order.kind!r} (known: {known})")
        of_nest = self._nest.name_of(order.kind) in self._nest.names
        version = self._nest.inner(order.model_version)[1] if of_nest else None
        mine = replace(
            order,
            kind=kind,
            payload=copy_tree(order.payload),
            model_version=order.model_version if version is None else version,
            begun=None,
        )
        rng = stream(self._seed, order.key)
        context = inside._context
        slices = context.slices = Slices(rng, pulse or self._pulse, order.begun)
        try:
            with looked_after(slices.check):
                done = inside._roles[kind](context, mine, rng)
        except HaltedError:
            return slices.begun(order.key)
        finally:
            context.slices = None
        return replace(
            done,
            key=order.key,
            samples={name: np.array(value, order="C") for name, value in done.samples.items()},
            carry=copy_tree(done.carry),
            counts={name: float(value) for name, value in done.counts.items()},
            evaluations=int(done.evaluations),
            model_version=order.model_version,
            wall_s=slices.earlier_s + time.perf_counter() - started,
        )

    def halt(self) -> None:
        """End the order in hand after its slice, from another thread; no other is begun."""
        self._halted = True

    def in_hand(self) -> int:
        """Energy evaluations of the order in hand so far."""
        return self._so_far

    def _for(self, kind: str) -> Worker:
        """Who has the settings and the models of the strategy that an order is of."""
        name = self._nest.name_of(kind)
        nested = name in self._nest.names
        if not nested and name not in self._beside:
            return self
        if name not in self._inside:
            context = self._context.inside(name) if nested else self._context.beside(name)
            self._inside[name] = Worker(context.setup, context)
        return self._inside[name]

    def _models(self, version: int) -> tuple[Models, int]:
        """Where a model version belongs, and which it is there."""
        if not self._nest.names:
            return self._context.models, version
        name, inner = self._nest.inner(version)
        return self._for(f"{name}.")._context.models, inner

    def _pulse(self, evaluations: int) -> bool:
        self._so_far = evaluations
        return self._halted


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
