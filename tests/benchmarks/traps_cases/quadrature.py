"""Free energies of regions by quadrature of a potential's own energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from traps_cases import potentials

Array = NDArray[np.float64]
Box = Sequence[tuple[float, float]]


def grid(bounds: Box, n: int) -> Array:
    """Midpoints of n cells along every axis, shape (n^D, D)."""
    axes = [low + (np.arange(n) + 0.5) * (high - low) / n for low, high in bounds]
    return np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=-1)


def populations(factory: str, arguments: Mapping[str, object], bounds: Box,
                regions: Mapping[str, Box], n: int = 1000) -> dict[str, float]:  # fmt: skip
    """P of boxes, and of the rest where they do not fill everything.

    Parameters
    ----------
    factory, arguments
        Of `traps_cases.potentials`.
    bounds : sequence of (low, high)
        Beyond which the density is nothing; one axis each.
    regions : mapping of boxes
        Of the leading coordinates; what is left out of a box is unrestricted.
    n : int
        Cells along each axis. An edge of a region on an edge of cells costs no accuracy.
    """
    potential = getattr(potentials, factory)(**arguments)
    x = grid(bounds, n)
    with torch.no_grad():
        u = potential.energy(torch.as_tensor(x)).numpy() / potential.kT
    u = np.where(np.isfinite(u), u, np.inf)
    p = np.exp(u.min() - u)
    p /= p.sum()
    found, left = {}, np.ones(len(x), dtype=bool)
    for name, box in regions.items():
        inside = left.copy()
        for axis, (low, high) in enumerate(box):
            inside &= (x[:, axis] >= low) & (x[:, axis] < high)
        found[name] = float(p[inside].sum())
        left &= ~inside
    return {**found, "rest": float(p[left].sum())}


def free_energies(found: Mapping[str, float]) -> dict[str, float]:
    """−ln P against the first region, kT, of all others."""
    first, *others = found
    return {name: float(np.log(found[first] / found[name])) for name in others}


def quadrature(factory: str, arguments: Mapping[str, object], bounds: Box,
               regions: Mapping[str, Box], n: int = 1000) -> dict[str, float]:  # fmt: skip
    """`free_energies` of `populations`."""
    return free_energies(populations(factory, arguments, bounds, regions, n))
