"""Seeds of OpenMM's random streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openmm as mm

from msgen.systems.base import Array


def openmm_seed(seed: int) -> int:
    """A seed as OpenMM takes it: 32 bits, and 0 would mean 'anything'."""
    return seed % (2**31 - 2) + 1


class FastSeed:
    """Reseeds the Reference platform's random stream in 40 µs instead of 300.

    That platform has one stream for the whole process, which any new Context seeds; so a Context
    of a single particle does. `RandomStream.verify` sees whether it works.
    """

    def __init__(self) -> None:
        self._system = mm.System()
        self._system.addParticle(1.0)
        self._platform = mm.Platform.getPlatformByName("Reference")

    def __call__(self, seed: int) -> None:
        integrator = mm.LangevinMiddleIntegrator(300.0, 1.0, 0.001)
        integrator.setRandomNumberSeed(seed)
        mm.Context(self._system, integrator, self._platform)


class RandomStream:
    """The random stream of one Context, to be begun anew.

    Parameters
    ----------
    context, integrator : openmm objects
    deterministic : bool
        Whether the platform repeats itself bit for bit for a seed.
    restore : callable
        Puts in the parameters that a Context made anew has lost.

    Attributes
    ----------
    fast : FastSeed or None
        None where the platform has no such way.
    """

    def __init__(
        self, context: Any, integrator: Any, deterministic: bool, restore: Callable[[], None]
    ) -> None:
        self._context, self._integrator, self._restore = context, integrator, restore
        self._deterministic = deterministic
        self.fast = FastSeed() if deterministic else None

    def begin(self, seed: int) -> None:
        """Start it anew.

        On the deterministic platform what follows is then a function of `seed`, the loaded walker
        and the parameters only, provided that no other Context is made in between. The
        configuration may be lost.

        Other platforms seed once, when their Context is made: there this does nothing, because
        rebuilding the Context would cost seconds and buy no reproducibility.
        """
        if self.fast is not None:
            self.fast(openmm_seed(seed))
        elif self._deterministic:
            self.begin_slowly(seed)

    def begin_slowly(self, seed: int) -> None:
        """The documented way."""
        self._integrator.setRandomNumberSeed(openmm_seed(seed))
        # a preserved state would include the old random stream
        self._context.reinitialize(preserveState=False)
        self._restore()

    def verify(self) -> None:
        """Hold the fast way against the documented one; drop it if they differ."""
        if self.fast is None:
            return
        saved = self._context.getState(positions=True, velocities=True, parameters=True)
        ends = []
        for way in (self.begin_slowly, self.begin):
            way(12345)
            self._context.setState(saved)
            self._integrator.step(5)
            ends.append(self._positions())
        self._context.setState(saved)
        if not np.array_equal(ends[0], ends[1]):
            self.fast = None

    def _positions(self) -> Array:
        return np.array(self._context.getState(positions=True).getPositions(asNumpy=True)._value)
