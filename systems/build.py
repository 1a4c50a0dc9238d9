"""Systems from a campaign's ``system:`` section, which has been validated by its schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msgen.systems.base import System
from msgen.systems.errors import SpecError
from msgen.systems.kinds import SystemKind, SystemSite
from msgen.systems.plugins import Registry
from msgen.systems.potentials.clusters import DoubleWellCluster, LennardJonesCluster
from msgen.systems.potentials.harmonic_pair import HarmonicPair
from msgen.systems.potentials.many_well import ManyWell
from msgen.systems.potentials.mixtures import GaussianMixture, GaussianTunnel
from msgen.systems.potentials.phi4 import Phi4
from msgen.systems.potentials.python import python_system
from msgen.systems.potentials.slow_fast import EvolvingDoubleWell, VariableBarrier
from msgen.systems.potentials.two_dimensional import DoubleWell, MuellerBrown


def _potential(name: str, make: Callable[..., System]) -> SystemKind:
    """A potential whose class takes what its section holds."""

    def build(site: SystemSite, **values: Any) -> System:
        return make(**values)

    return SystemKind(name, build)


def _gaussian_mixture(
    *,
    means: list[float] | list[list[float]],
    scales: float | list[float] | list[list[float]],
    kT: float,
    start: int,
    dim: int | None = None,
    weights: list[float] | None = None,
) -> GaussianMixture:
    mu = np.array(means, dtype=np.float64)
    if mu.ndim == 1:
        mu = np.repeat(mu[:, None], dim or 1, axis=1)
    w = np.ones(len(mu)) if weights is None else np.array(weights, dtype=np.float64)
    return GaussianMixture(mu, np.array(scales, dtype=np.float64), w, kT, start)


def _variable_barrier(*, h: float, **values: Any) -> VariableBarrier:
    try:
        return VariableBarrier(h, **values)
    except ValueError as error:
        raise SpecError(
            ("system", "h"), h, str(error), "Raise h, or narrow system.range around 5"
        ) from error


# OpenMM takes a second to import and the analytic systems need none of it
def _openmm(site: SystemSite, **values: Any) -> System:
    from msgen.systems.build_molecular import openmm_system

    return openmm_system(site, **values)


def _particles(kind: str) -> SystemKind:
    def build(site: SystemSite, **values: Any) -> System:
        from msgen.systems.build_particles import particle_system

        return particle_system(kind, site, **values)

    return SystemKind(kind, build, openmm=True, atoms=True, units=True)


PARTICLE_KINDS = ("dimer", "polymer")
"""Particles in reduced units that a few numbers describe."""

_OWN = (
    SystemKind("openmm", _openmm, openmm=True, atoms=True, units=True),
    *map(_particles, PARTICLE_KINDS),
    _potential("double_well", DoubleWell),
    _potential("mueller_brown", MuellerBrown),
    _potential("gaussian_tunnel", GaussianTunnel),
    _potential("gaussian_mixture", _gaussian_mixture),
    _potential("evolving_double_well", EvolvingDoubleWell),
    _potential("variable_barrier", _variable_barrier),
    _potential("many_well", ManyWell),
    _potential("phi4", Phi4),
    _potential("dw4", DoubleWellCluster),
    _potential("lj13", LennardJonesCluster),
    _potential("harmonic_pair", HarmonicPair),
    SystemKind("python", python_system),
)

SYSTEM_KINDS: Registry[SystemKind] = Registry(
    "msgen.systems", SystemKind, {kind.name: kind for kind in _OWN}
)
"""Ours, whose sections are in `msgen.orchestrator.schema.systems`, and those of plug-ins."""


def build_system(spec: Mapping[str, Any], base_dir: Path, platform: str | None = None) -> System:
    """Build the system of a campaign.

    Parameters
    ----------
    spec : Mapping
        The ``system:`` section as its schema resolves it: floats in internal units, nothing that
        is None.
    base_dir : Path
        The campaign file's folder; files are found relative to it.
    platform : str, optional
        See `SystemSite`.

    Raises
    ------
    SpecError
        For what only a file, a topology or this machine can tell.
    KeyError
        If nothing that is installed brings this kind.
    PluginError
    """
    values = {key: value for key, value in spec.items() if key != "kind"}
    return SYSTEM_KINDS[spec["kind"]].build(SystemSite(base_dir, platform), **values)
