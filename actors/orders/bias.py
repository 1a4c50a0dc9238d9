"""Orders of metadynamics: local steps under a bias that grows or is frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from msgen.actors.orders.walkers import WalkerRows
from msgen.systems.base import Array
from msgen.systems.openmm.bias_grid import BiasAxes


@dataclass(frozen=True)
class BiasPayload:
    """Local steps under a bias, hills added on the way while it grows.

    Attributes
    ----------
    walkers : WalkerRows
        n of them.
    replicas : int array, shape (n,)
    bias : Array
        On the grid, the last axis first; kJ/mol.
    axes : BiasAxes
    growing : bool
    height : float
        Of a hill, kJ/mol.
    blocks, chunks, steps : int
        Blocks of `chunks` readings of the CVs, `steps` local steps before each.
    """

    kind: ClassVar[str] = "bias"

    walkers: WalkerRows
    replicas: NDArray[np.int64]
    bias: Array
    axes: BiasAxes
    growing: bool
    height: float
    blocks: int
    chunks: int
    steps: int


@dataclass(frozen=True)
class BiasRecord:
    """Where walkers ended.

    Attributes
    ----------
    walkers : WalkerRows
    added : Array or None
        Sum of the new hills, kJ/mol, while the bias grows.
    """

    walkers: WalkerRows
    added: Array | None = None
