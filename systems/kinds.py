"""Which kinds of system run through OpenMM. Imports nothing, so that a schema can ask."""

from __future__ import annotations

PARTICLE_KINDS = ("dimer", "polymer")
"""Particles in reduced units that a few numbers describe."""

MOLECULAR_KINDS = ("openmm", *PARTICLE_KINDS)
"""Kinds whose system is a `msgen.systems.openmm.system.OpenMMSystem`."""


def is_molecular(kind: object) -> bool:
    """Whether systems of this ``system.kind`` are stepped by OpenMM, one walker after another."""
    return kind in MOLECULAR_KINDS
