"""A CV that only torch knows, as a force of OpenMM: `openmm.PythonForce`, of OpenMM 8.4 and later.

Every evaluation runs torch, which takes tenths of a millisecond where OpenMM's own forces take
microseconds. The function does not travel: OpenMM copies forces by writing them out, and what is
written here is a number by which this process finds the function again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import openmm as mm
import torch

from msgen.systems.base import CV, Array

_numbers = itertools.count()
_known: WeakValueDictionary[int, TorchReading] = WeakValueDictionary()


def available() -> bool:
    """Whether this OpenMM has forces in Python."""
    return hasattr(mm, "PythonForce")


class TorchReading:
    """ξ of a state as an energy in kJ/mol, and its gradient as a force.

    Parameters
    ----------
    function : callable
        (1, D) → (1,), torch.
    """

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._function = function
        self._number = next(_numbers)
        _known[self._number] = self

    def __call__(self, state: Any) -> tuple[float, Array]:
        """Called by OpenMM with the positions of the force's particles."""
        at = np.asarray(state.getPositions(asNumpy=True)._value, dtype=np.float64)
        x = torch.tensor(at.reshape(1, -1), requires_grad=True)
        value = self._function(x)[0]
        (gradient,) = torch.autograd.grad(value, x)
        return float(value.detach()), -gradient.numpy().reshape(at.shape)

    def __reduce__(self) -> tuple[Callable[[int], TorchReading], tuple[int]]:
        return _found, (self._number,)


def _found(number: int) -> TorchReading:
    return _known[number]


def python_force(cv: CV, atoms: tuple[int, ...] | None = None) -> Any:
    """A force whose energy is ξ; `atoms` are those that the CV is given, by default all."""
    force = mm.PythonForce(TorchReading(cv))
    if atoms is not None:
        force.setParticles(list(atoms))
    return force
