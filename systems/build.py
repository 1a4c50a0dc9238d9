"""Systems from a campaign's ``system:`` section."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msgen.systems.base import System
from msgen.systems.build_targets import TARGET_KINDS, positive, target_system
from msgen.systems.errors import SpecError
from msgen.systems.kinds import MOLECULAR_KINDS, PARTICLE_KINDS
from msgen.systems.potentials.mixtures import GaussianMixture, GaussianTunnel
from msgen.systems.potentials.slow_fast import (
    SLOW_MASS,
    EvolvingDoubleWell,
    SlowFast,
    VariableBarrier,
)
from msgen.systems.potentials.two_dimensional import DoubleWell, MuellerBrown

SYSTEM_KINDS = (
    *MOLECULAR_KINDS,
    "python",
    "double_well",
    "mueller_brown",
    "gaussian_mixture",
    "gaussian_tunnel",
    "evolving_double_well",
    "variable_barrier",
    *TARGET_KINDS,
)


def _array(value: object, key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError(
            ("system", key), value, "is not a list of numbers", "Give numbers of equal row length"
        ) from error
    if not np.isfinite(array).all() or array.size == 0:
        raise SpecError(("system", key), value, "is not finite", "Give finite numbers")
    return array


def _mixture(spec: Mapping[str, Any]) -> GaussianMixture:
    means = _array(spec.get("means"), "means")
    dim = spec.get("dim")
    if means.ndim == 1:
        if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
            raise SpecError(
                ("system", "dim"),
                dim,
                "is needed where each mean is one number",
                "Write dim: 16, or every mean in full",
            )
        means = np.repeat(means[:, None], dim, axis=1)
    if means.ndim != 2 or (dim is not None and means.shape[1] != dim):
        raise SpecError(
            ("system", "means"),
            spec.get("means"),
            f"does not fit dim {dim}",
            "Give one row of dim numbers for each component",
        )
    k = len(means)
    scales = _array(spec.get("scales", 1.0), "scales")
    if scales.shape not in ((), (k,), means.shape) or not (scales > 0).all():
        raise SpecError(
            ("system", "scales"),
            spec.get("scales"),
            f"does not fit {k} components",
            "Give one positive number, one for each component, or one row each",
        )
    weights = _array(spec.get("weights", [1.0] * k), "weights")
    if weights.shape != (k,) or not (weights > 0).all():
        raise SpecError(
            ("system", "weights"),
            spec.get("weights"),
            f"does not fit {k} components",
            "Give one positive number for each component",
        )
    start = spec.get("start", 0)
    if isinstance(start, bool) or not isinstance(start, int) or not 0 <= start < k:
        raise SpecError(
            ("system", "start"), start, "is no component", f"Give a number from 0 to {k - 1}"
        )
    return GaussianMixture(means, scales, weights, positive(spec, "kT", 1.0), start)


def _mueller_brown(spec: Mapping[str, Any]) -> MuellerBrown:
    kT = positive(spec, "kT", 15.0)
    if spec.get("start") is None:
        return MuellerBrown(kT)
    start = _array(spec["start"], "start")
    if start.shape != (2,):
        raise SpecError(("system", "start"), spec["start"], "is not a point", "Give [x, y]")
    return MuellerBrown(kT, (float(start[0]), float(start[1])))


def _slow_fast(spec: Mapping[str, Any]) -> SlowFast:
    limits = _array(spec.get("range", (0.0, 10.0)), "range")
    if limits.shape != (2,) or not limits[0] < limits[1]:
        raise SpecError(
            ("system", "range"), spec["range"], "is no range of x1", "Give [low, high], low < high"
        )
    start = spec.get("start") or "left"
    if start not in ("left", "right"):
        raise SpecError(("system", "start"), start, "is no minimum", "Give left or right")
    common: dict[str, Any] = {
        "a3": positive(spec, "a3", 1.0),
        "range": (float(limits[0]), float(limits[1])),
        "wall": positive(spec, "wall", 100.0),
        "slow_mass": positive(spec, "slow_mass", SLOW_MASS),
        "start": start,
    }
    if spec["kind"] == "evolving_double_well":
        return EvolvingDoubleWell(**common)
    h = positive(spec, "h", 4.0)
    try:
        return VariableBarrier(h, **common)
    except ValueError as error:
        raise SpecError(
            ("system", "h"), h, str(error), "Raise h, or narrow system.range around 5"
        ) from error


def build_system(spec: Mapping[str, Any], base_dir: Path, platform: str | None = None) -> System:
    """Build the system of a campaign.

    Parameters
    ----------
    spec : Mapping
        The ``system:`` section, resolved. By kind: ``openmm`` (see
        `build_molecular.openmm_system`); ``dimer`` and ``polymer`` (see
        `build_particles.particle_system`); ``python`` {factory, arguments};
        ``double_well`` {kT, start: left | right};
        ``mueller_brown`` {kT, start: [x, y]}; ``gaussian_mixture`` {dim, means, scales, weights,
        kT, start: component}; ``gaussian_tunnel`` {start: 0 | 10}; ``evolving_double_well``
        {a3, range: [low, high], wall, slow_mass, start: left | right}; ``variable_barrier`` the
        same and {h}; those of `build_targets.target_system`.
    base_dir : Path
        The campaign file's folder; files are found relative to it.
    platform : str, optional
        OpenMM platform chosen earlier in this run; overrides ``platform:``.

    Raises
    ------
    SpecError
        Naming the field, the value and the remedy.
    """
    kind = spec.get("kind")
    if kind == "openmm":
        # OpenMM takes a second to import and the analytic systems need none of it
        from msgen.systems.build_molecular import openmm_system

        return openmm_system(spec, base_dir, platform)
    if kind in PARTICLE_KINDS:
        from msgen.systems.build_particles import particle_system

        return particle_system(spec, platform)
    if kind == "python":
        from msgen.systems.potentials.python import python_system

        return python_system(spec, base_dir)
    if kind == "double_well":
        start = spec.get("start") or "left"
        if start not in ("left", "right"):
            raise SpecError(("system", "start"), start, "is no minimum", "Give left or right")
        return DoubleWell(positive(spec, "kT", 1.0), "left" if start == "left" else "right")
    if kind == "mueller_brown":
        return _mueller_brown(spec)
    if kind == "gaussian_mixture":
        return _mixture(spec)
    if kind == "gaussian_tunnel":
        mode = spec.get("start") or 0
        if mode not in (0, 10):
            raise SpecError(("system", "start"), mode, "is no mode", "Give 0 or 10")
        return GaussianTunnel(float(mode))
    if kind in ("evolving_double_well", "variable_barrier"):
        return _slow_fast(spec)
    if kind in TARGET_KINDS:
        return target_system(spec)
    near = difflib.get_close_matches(str(kind), SYSTEM_KINDS, n=1)
    hint = f"Did you mean {near[0]}? Known" if near else "Known"
    raise SpecError(
        ("system", "kind"), kind, "no such kind of system", f"{hint}: {', '.join(SYSTEM_KINDS)}"
    )
