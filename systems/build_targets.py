"""The targets with known answers, and the CVs that look at many of their coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from msgen.systems.base import CV, Array, System
from msgen.systems.cvs.collective import MeanCoordinate, PairDistances, PotentialEnergy
from msgen.systems.errors import SpecError
from msgen.systems.potentials.clusters import DoubleWellCluster, LennardJonesCluster, Particles
from msgen.systems.potentials.harmonic_pair import HarmonicPair
from msgen.systems.potentials.many_well import ManyWell
from msgen.systems.potentials.phi4 import Phi4
from msgen.systems.potentials.two_dimensional import TorchSystem

TARGET_KINDS = ("many_well", "phi4", "dw4", "lj13", "harmonic_pair")
COLLECTIVE_KINDS = ("mean_coordinate", "pair_distances", "potential_energy")

Field = tuple[str | int, ...]


def _number(spec: Mapping[str, Any], key: str, default: float, least: float = -np.inf) -> float:
    value = spec.get(key, default)
    good = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
    if not good or value < least:
        what = "a finite number" if least == -np.inf else f"a number of at least {least:g}"
        raise SpecError(("system", key), value, f"is not {what}", f"Give {key} as {what}")
    return float(value)


def positive(spec: Mapping[str, Any], key: str, default: float) -> float:
    """A number above 0 of the ``system:`` section.

    Raises
    ------
    SpecError
    """
    value = _number(spec, key, default)
    if value <= 0:
        raise SpecError(("system", key), value, "is not a positive number", f"Give {key} above 0")
    return value


def _count(spec: Mapping[str, Any], key: str, default: int, least: int) -> int:
    value = spec.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SpecError(
            ("system", key), value, "is no such number", f"Give a whole number from {least} on"
        )
    return value


def _choice(spec: Mapping[str, Any], key: str, words: tuple[str, ...]) -> str:
    value = spec.get(key) or words[0]
    if value not in words:
        raise SpecError(("system", key), value, "is no such state", f"Give {' or '.join(words)}")
    return str(value)


def _many_well(spec: Mapping[str, Any]) -> ManyWell:
    dim = _count(spec, "dim", 32, 2)
    if dim % 2:
        raise SpecError(("system", "dim"), dim, "is odd", "Give an even number: 2 for every well")
    return ManyWell(dim, positive(spec, "kT", 1.0), _choice(spec, "start", ("left", "right")))


def _phi4(spec: Mapping[str, Any]) -> Phi4:
    return Phi4(
        _count(spec, "n", 64, 2),
        positive(spec, "a", 0.1),
        positive(spec, "beta", 20.0),
        _number(spec, "field", 0.0),
        _choice(spec, "start", ("positive", "negative")),
    )


def _cluster(spec: Mapping[str, Any]) -> Particles:
    double_well = spec["kind"] == "dw4"
    common: dict[str, Any] = {
        "n_particles": _count(spec, "n_particles", 4 if double_well else 13, 2),
        "spatial_dim": _count(spec, "spatial_dim", 2 if double_well else 3, 1),
        "trap": _number(spec, "trap", 0.0 if double_well else 1.0, 0.0),
        "spring": positive(spec, "spring", 1.0),
        "kT": positive(spec, "kT", 1.0),
    }
    if double_well:
        return DoubleWellCluster(
            a=_number(spec, "a", 0.0),
            b=_number(spec, "b", -4.0),
            c=positive(spec, "c", 0.9),
            d0=positive(spec, "d0", 4.0),
            **common,
        )
    if common["trap"] == 0.0:
        raise SpecError(
            ("system", "trap"), 0.0, "would let the particles fly apart", "Give trap above 0"
        )
    return LennardJonesCluster(
        eps=positive(spec, "eps", 1.0), rm=positive(spec, "rm", 1.0), **common
    )


def _numbers(spec: Mapping[str, Any], key: str, default: object) -> Array:
    try:
        array = np.array(spec.get(key, default), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError(
            ("system", key), spec.get(key), "is not a list of numbers", "Give rows of equal length"
        ) from error
    if not np.isfinite(array).all():
        raise SpecError(("system", key), spec.get(key), "is not finite", "Give finite numbers")
    return array


def _harmonic_pair(spec: Mapping[str, Any]) -> HarmonicPair:
    means = _numbers(spec, "means", None)
    if means.ndim != 2 or len(means) != 2 or means.shape[1] == 0:
        raise SpecError(
            ("system", "means"), spec.get("means"), "is no pair of points", "Give [[…], […]]"
        )
    stiffness = _numbers(spec, "stiffness", 1.0)
    if stiffness.shape not in ((), (2,), means.shape) or not (stiffness > 0).all():
        raise SpecError(
            ("system", "stiffness"),
            spec.get("stiffness"),
            "does not fit the two states",
            "Give one positive number, one for each state, or one row each",
        )
    offsets = _numbers(spec, "offsets", (0.0, 0.0))
    if offsets.shape != (2,):
        raise SpecError(
            ("system", "offsets"), spec.get("offsets"), "is no pair of energies", "Give [E_A, E_B]"
        )
    start = spec.get("start", 0)
    if isinstance(start, bool) or start not in (0, 1):
        raise SpecError(("system", "start"), start, "is no state", "Give 0 or 1")
    return HarmonicPair(means, stiffness, offsets, positive(spec, "kT", 1.0), start)


def target_system(spec: Mapping[str, Any]) -> TorchSystem:
    """Build a system of `TARGET_KINDS` from its ``system:`` section.

    Parameters
    ----------
    spec : Mapping
        By kind: ``many_well`` {dim, kT, start: left | right}; ``phi4`` {n, a, beta, field,
        start: positive | negative}; ``dw4`` {n_particles, spatial_dim, a, b, c, d0, trap, spring,
        kT}; ``lj13`` {n_particles, spatial_dim, eps, rm, trap, spring, kT}; ``harmonic_pair``
        {means, stiffness, offsets, kT, start: 0 | 1}.

    Raises
    ------
    SpecError
        Naming the field, the value and the remedy.
    """
    kind = spec["kind"]
    if kind == "many_well":
        return _many_well(spec)
    if kind == "phi4":
        return _phi4(spec)
    return _harmonic_pair(spec) if kind == "harmonic_pair" else _cluster(spec)


def collective_cv(name: str, spec: Mapping[str, Any], system: System, field: Field) -> CV:
    """Build a CV of `COLLECTIVE_KINDS`; `field` is where it stands in the campaign.

    Parameters
    ----------
    spec : Mapping
        By kind: ``mean_coordinate`` {indices, scale}; ``pair_distances`` {statistic, r0};
        ``potential_energy``.

    Raises
    ------
    SpecError
    """
    kind = spec["kind"]
    where = (*field, "kind")
    if not isinstance(system, TorchSystem):
        raise SpecError(where, kind, "is for analytic systems", "Use a distance or dihedral")
    if kind == "potential_energy":
        return PotentialEnergy(name, system)
    if kind == "mean_coordinate":
        indices, scale = spec.get("indices"), float(spec.get("scale") or 1.0)
        if indices is None:
            return MeanCoordinate(name, scale=scale)
        whole = [i for i in indices if isinstance(i, int) and 0 <= i < system.n_dof]
        if len(whole) != len(indices) or not whole or len(set(whole)) != len(whole):
            raise SpecError(
                (*field, "indices"),
                indices,
                "are no distinct coordinates",
                f"Give each of 0 … {system.n_dof - 1} at most once",
            )
        return MeanCoordinate(name, tuple(whole), scale)
    if not isinstance(system, Particles):
        raise SpecError(where, kind, "is for clusters of particles", "Use kind: mean_coordinate")
    statistic, r0 = spec.get("statistic") or "mean", spec.get("r0")
    if statistic == "short":
        if not isinstance(r0, int | float) or not r0 > 0:
            raise SpecError(
                (*field, "r0"), r0, "needs a positive distance", "Below it a pair is short"
            )
        return PairDistances(name, system, "short", float(r0))
    for known in ("mean", "rms", "smallest", "largest"):
        if statistic == known:
            return PairDistances(name, system, known)
    raise SpecError(
        (*field, "statistic"),
        statistic,
        "no such statistic",
        "Allowed: mean, rms, smallest, largest, short",
    )
