"""Seeds of OpenMM's random streams."""

from __future__ import annotations

from typing import Any

import numpy as np
import openmm as mm

from msgen.systems.base import Array


def openmm_seed(seed: int) -> int:
    """A seed as OpenMM takes it: 32 bits, and 0 would mean 'anything'."""
    return seed % (2**31 - 2) + 1


class FastSeed:
    """Seeds OpenMM's generator of the whole process in 40 µs, where a Context takes milliseconds.

    Any new Context with a stochastic integrator on the Reference platform seeds it; so one of a
    single particle does. `RandomStream.verify` sees whether it works.
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
    """The random stream of one Context, to be begun anew for every work order.

    OpenMM seeds when a Context is made, and seldom after: `setRandomNumberSeed` of an integrator
    that has one is not looked at before its Context is initialised again, and with
    ``preserveState=True`` that brings the old stream back. Where the numbers come from depends on
    the platform: on Reference, and for a CustomIntegrator on CPU too, from one generator of the
    whole process, which is cheap to seed (`FastSeed`); elsewhere from generators of the Context,
    which is then initialised again, and only if it takes a step.

    Parameters
    ----------
    context, integrator : openmm objects

    Attributes
    ----------
    fast : FastSeed or None
        None where the numbers are not those of the process.
    waiting : bool
        Whether `renew` is due before the next step.
    """

    def __init__(self, context: Any, integrator: Any) -> None:
        self._context, self._integrator = context, integrator
        self._seed: int | None = None
        # Verlet draws nothing
        self.waiting = self._noisy = hasattr(integrator, "setRandomNumberSeed")
        platform = context.getPlatform().getName()
        custom = isinstance(integrator, mm.CustomIntegrator)
        of_process = platform == "Reference" or (platform == "CPU" and custom)
        self.fast = FastSeed() if self._noisy and of_process else None

    def begin(self, seed: int) -> None:
        """Start it anew: what is drawn from here on is a function of `seed` only.

        Provided, where `fast` seeds, that no other Context is made in between.
        """
        if not self._noisy:
            return
        self._seed = openmm_seed(seed)
        self.waiting = self.fast is None
        if self.fast is not None:
            self.fast(self._seed)

    def renew(self) -> None:
        """What `begin` has put off, at the first step that needs it; the walker stays loaded.

        Raises
        ------
        RuntimeError
            If the stream was never begun: its numbers would be nobody's.
        """
        if self._seed is None:
            raise RuntimeError("this Context has noise, and its random stream was never begun")
        saved = self._saved()
        self._integrator.setRandomNumberSeed(self._seed)
        # a preserved state would include the old random stream
        self._context.reinitialize(preserveState=False)
        self._context.setState(saved)
        self.waiting = False

    def verify(self) -> None:
        """Hold the fast way against the documented one; drop it if they differ."""
        if self.fast is None:
            return
        saved = self._saved()
        ends = []
        for again in (self.renew, lambda: None):
            self.begin(12345)
            again()
            self._context.setState(saved)
            self._integrator.step(5)
            ends.append(self._positions())
        self._context.setState(saved)
        self._seed, self.waiting = None, True
        if not np.array_equal(ends[0], ends[1]):
            self.fast = None

    def _saved(self) -> Any:
        return self._context.getState(positions=True, velocities=True, parameters=True)

    def _positions(self) -> Array:
        return np.array(self._context.getState(positions=True).getPositions(asNumpy=True)._value)
