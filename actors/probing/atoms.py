"""How atoms are thrown about that our own kernels step: as a whole they may lie anywhere."""

from __future__ import annotations

import numpy as np

from msgen.systems.base import Array, System, Walkers

HEAT = (2.0, 5.0)
"""Temperatures of the bursts, in units of the campaign's: at more a cluster evaporates."""
SPREAD = 0.02
"""nm; what coordinates are measured in."""
WIDER = 1.1
"""Radius in which atoms are set down, over that of the outermost one."""
TRIES = 4
"""Places drawn for a probe, until one has a finite energy."""


def scatter(system: System, x: Array, rng: np.random.Generator) -> tuple[Array, int]:
    """`x` with some of the atoms set down elsewhere, and the evaluations it took.

    One atom of each probe, or two, up to all of them; evenly within the ball that the atoms fill,
    so that none is out of reach of the others.
    """
    n, out, spent = len(x), np.array(x), 0
    open_ = np.arange(n)
    for _ in range(TRIES):
        if not len(open_):
            break
        p = x[open_].reshape(len(open_), -1, 3)
        m, atoms = p.shape[:2]
        centre = p.mean(axis=1, keepdims=True)
        reach = WIDER * np.linalg.norm(p - centre, axis=2).max(axis=1)
        number = np.exp(rng.uniform(0.0, np.log(atoms + 1.0), size=m)).astype(np.int64)
        rank = rng.random((m, atoms)).argsort(axis=1).argsort(axis=1)
        way = rng.standard_normal(p.shape)
        way /= np.linalg.norm(way, axis=2, keepdims=True)
        far = reach[:, None] * np.cbrt(rng.random((m, atoms)))
        moved = rank < np.clip(number, 1, atoms)[:, None]
        there = np.where(moved[..., None], centre + far[..., None] * way, p)
        out[open_] = there.reshape(m, -1)
        with np.errstate(all="ignore"):
            energy = system.energy(Walkers(out[open_]))
        spent += m
        open_ = open_[~np.isfinite(energy)]
    out[open_] = x[open_]
    return out, spent
