"""A user's own potential or CV, brought in by import path ``package.module:function``."""

from __future__ import annotations

import difflib
import importlib
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from msgen.systems.base import Array
from msgen.systems.cvs.sites import Atoms, topology_of
from msgen.systems.cvs.torch_cvs import PythonCV
from msgen.systems.errors import SpecError
from msgen.systems.kinds import CVSite, Field, SystemSite
from msgen.systems.potentials.two_dimensional import TorchSystem
from msgen.systems.topology.atom_selection import resolve_atoms


@dataclass(frozen=True)
class TorchPotential:
    """What the factory of a ``kind: python`` system returns.

    Attributes
    ----------
    energy : callable
        torch function (n, D) → (n,), float64, differentiable; in any unit, the same as `kT`.
    start : sequence of float, shape (D,)
        The one configuration a campaign starts from, inside one basin.
    kT : float
        Thermal energy in the unit of `energy`.
    masses : float or sequence of float, shape (D,)
        Masses, in the unit that makes sense with the time step.
    """

    energy: Callable[[torch.Tensor], torch.Tensor]
    start: Sequence[float]
    kT: float = 1.0
    masses: float | Sequence[float] = 1.0


class PythonSystem(TorchSystem):
    """A user's potential as a System; gradients by autograd."""

    def __init__(self, potential: TorchPotential) -> None:
        super().__init__(
            np.asarray(potential.start, dtype=np.float64),
            potential.kT,
            np.asarray(potential.masses, dtype=np.float64),
        )
        self._energy = potential.energy

    def torch_energy(self, x: torch.Tensor) -> torch.Tensor:
        """U(x), shape (n,)."""
        return self._energy(x)


def _import(name: str, base_dir: Path) -> ModuleType:
    """Import `name`, looking into the campaign file's folder first."""
    folder = str(base_dir.resolve())
    top = name.split(".")[0]
    local = importlib.machinery.PathFinder.find_spec(top, [folder])
    cached = sys.modules.get(top)
    if local is not None and cached is not None and local.origin != cached.__file__:
        # another campaign's module of the same name is loaded already
        for key in [k for k in sys.modules if k == top or k.startswith(top + ".")]:
            del sys.modules[key]
    sys.path.insert(0, folder)
    try:
        importlib.invalidate_caches()
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def load_factory(path: str, base_dir: Path, field: Field) -> Callable[..., Any]:
    """The function that an import path names.

    Parameters
    ----------
    path : str
        ``package.module:function``.
    base_dir : Path
        The campaign file's folder, searched first.
    field : tuple
        Where the path stands in the campaign, for the message.

    Raises
    ------
    SpecError
        If it cannot be imported or is not callable.
    """
    module_name, function = path.split(":")
    try:
        module = _import(module_name, base_dir)
    except ModuleNotFoundError as error:
        raise SpecError(
            field,
            path,
            f"cannot be imported ({error})",
            f"Put {module_name.split('.')[0]}.py beside the campaign file, or install it",
        ) from error
    except Exception as error:
        raise SpecError(
            field,
            path,
            f"raised {type(error).__name__} while being imported: {error}",
            f"Make `python -c 'import {module_name}'` work first",
        ) from error
    target = getattr(module, function, None)
    if not callable(target):
        names = [n for n in dir(module) if callable(getattr(module, n)) and n[0] != "_"]
        near = difflib.get_close_matches(function, names, n=1)
        hint = f"Did you mean {module_name}:{near[0]}?" if near else f"It has: {', '.join(names)}"
        raise SpecError(field, path, f"{module_name} has no function '{function}'", hint)
    made: Callable[..., Any] = target
    return made


def _call(factory: Callable[..., Any], arguments: Mapping[str, Any], field: Field) -> Any:
    try:
        return factory(**arguments)
    except Exception as error:
        raise SpecError(
            (*field, "arguments"),
            dict(arguments),
            f"the factory raised {type(error).__name__}: {error}",
            "Give the arguments the factory takes",
        ) from error


def _evaluate(f: Callable[[torch.Tensor], torch.Tensor], x: Array, field: Field, path: str) -> None:
    """Check a torch function at x (1, D): shape, dtype, finite, batched, gradient."""
    batch = torch.tensor(np.concatenate([x, x + 1e-3]), dtype=torch.float64, requires_grad=True)
    try:
        with torch.enable_grad():
            value = f(batch)
            if not isinstance(value, torch.Tensor) or tuple(value.shape) != (2,):
                got = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value)
                raise SpecError(
                    field, path, f"returned {got} for a batch of 2", "Return a tensor of shape (n,)"
                )
            if value.dtype != torch.float64:
                raise SpecError(
                    field, path, f"returned {value.dtype}", "Compute in torch.float64 throughout"
                )
            if not bool(torch.isfinite(value[0])):
                raise SpecError(
                    field, path, "is not finite at the start", "Give a start where it is finite"
                )
            (grad,) = torch.autograd.grad(value.sum(), batch)
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(
            field,
            path,
            f"raised {type(error).__name__} at the start: {error}",
            "It takes (n, D) and returns (n,), in differentiable torch operations",
        ) from error
    _check_gradient(f, x, grad[0].numpy(), field, path)


def _check_gradient(
    f: Callable[[torch.Tensor], torch.Tensor], x: Array, grad: Array, field: Field, path: str
) -> None:
    """Central differences along a few fixed directions against autograd."""
    d = x.shape[1]
    directions = np.random.default_rng(0).normal(size=(4, d))
    h = 1e-4 * max(1.0, float(np.abs(x).max())) / np.sqrt(d)
    with torch.no_grad():
        up = f(torch.tensor(x + h * directions)).numpy()
        down = f(torch.tensor(x - h * directions)).numpy()
        here = f(torch.tensor(x)).numpy()
    numeric = (up - down) / (2 * h)
    exact = directions @ grad
    # at a minimum the gradient is 0: what it changes by over the step sets the scale there
    bend = np.abs(up - 2.0 * here + down).max() / h
    scale = (
        np.abs(exact).max() + float(np.linalg.norm(grad)) + bend + np.abs(up).max() * 1e-6 + 1e-6
    )
    if not np.all(np.abs(numeric - exact) < 1e-3 * scale):
        worst = int(np.argmax(np.abs(numeric - exact)))
        raise SpecError(
            field,
            path,
            f"its gradient ({exact[worst]:.6g}) is not that of its values ({numeric[worst]:.6g})",
            "Use differentiable torch operations only: no .detach(), numpy or rounding inside",
        )


def python_system(site: SystemSite, *, factory: str, arguments: Mapping[str, Any]) -> PythonSystem:
    """Build a ``kind: python`` system.

    Parameters
    ----------
    site : SystemSite
    factory : str
        ``package.module:function``.
    arguments : Mapping
        Keyword arguments of the factory.

    Raises
    ------
    SpecError
        If the factory cannot be used: see `load_factory`; or if the potential has the wrong
        shape, is not finite at its start or has a gradient that finite differences disprove.
    """
    field: Field = ("system", "factory")
    potential = _call(load_factory(factory, site.base_dir, field), arguments, ("system",))
    if not isinstance(potential, TorchPotential):
        raise SpecError(
            field,
            factory,
            f"returned a {type(potential).__name__}",
            "Return msgen.systems.potentials.python.TorchPotential(energy, start, kT, masses)",
        )
    try:
        system = PythonSystem(potential)
    except (ValueError, TypeError) as error:
        raise SpecError(
            field, factory, f"start and masses do not fit: {error}", "Give D numbers for each"
        ) from error
    if not (np.isfinite(potential.kT) and potential.kT > 0) or not np.all(system.masses > 0):
        raise SpecError(field, factory, "kT or a mass is not positive", "Give positive numbers")
    _evaluate(potential.energy, system.initial().positions, field, factory)
    return system


def python_cv(
    name: str,
    site: CVSite,
    *,
    factory: str,
    arguments: Mapping[str, Any],
    periodic: bool,
    unit: str | None,
    atoms: Atoms | None,
) -> PythonCV:
    """Build a ``kind: python`` CV and check it at the start.

    Parameters
    ----------
    name : str
    site : CVSite
    factory : str
        ``package.module:function``.
    arguments : Mapping
        Keyword arguments of the factory.
    periodic : bool
    unit : {'rad', 'nm', '1'} or None
        By default rad where periodic, 1 elsewhere.
    atoms : selection or sequence, optional
        Whose coordinates the function is given, D = 3 × their number; by default it is given all.

    Raises
    ------
    SpecError
        As `python_system`.
    """
    where = (*site.field, "factory")
    function = _call(load_factory(factory, site.base_dir, where), arguments, site.field)
    if not callable(function):
        raise SpecError(where, factory, "returned no function", "Return a function (n, D) -> (n,)")
    chosen = None
    start = site.system.initial().positions
    if atoms is not None:
        chosen = resolve_atoms(atoms, topology_of(site), (*site.field, "atoms"))
        start = start.reshape(1, -1, 3)[:, list(chosen)].reshape(1, -1)
    _evaluate(function, start, where, factory)
    return PythonCV(name, function, periodic, unit or ("rad" if periodic else "1"), chosen)
