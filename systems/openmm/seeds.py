"""Seeds of OpenMM's random streams."""

from __future__ import annotations

import openmm as mm


def openmm_seed(seed: int) -> int:
    """A seed as OpenMM takes it: 32 bits, and 0 would mean 'anything'."""
    return seed % (2**31 - 2) + 1


class FastSeed:
    """Reseeds the Reference platform's random stream in 40 µs instead of 300.

    That platform has one stream for the whole process, which any new Context seeds; so a Context
    of a single particle does. `Engine.verify_seeding` sees whether it works.
    """

    def __init__(self) -> None:
        self._system = mm.System()
        self._system.addParticle(1.0)
        self._platform = mm.Platform.getPlatformByName("Reference")

    def __call__(self, seed: int) -> None:
        integrator = mm.LangevinMiddleIntegrator(300.0, 1.0, 0.001)
        integrator.setRandomNumberSeed(seed)
        mm.Context(self._system, integrator, self._platform)
