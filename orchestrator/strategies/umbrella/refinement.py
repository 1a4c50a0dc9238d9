"""More windows and narrower ones, where those there are do not reach one another."""

from __future__ import annotations

import numpy as np

from msgen.orchestrator.estimators.windows.window_cells import cell_width
from msgen.orchestrator.strategies.common.inputs import Problem
from msgen.orchestrator.strategies.umbrella.production import WindowProduction
from msgen.orchestrator.strategies.umbrella.windows import Windows
from msgen.systems.base import Array

LOOSE = 3.0
"""Variance of a CV in a window, times κ, from which the window is narrowed."""
TORN, ROOM = 0.005, 2.5
"""Overlap, and distance in σ of the narrower, of neighbours between which no restraint as soft as
theirs stands: two σ apart they have 0.157 on a flat surface, and 0.005 where U'' is −3κ/4."""
FINEST = 2.0
"""Cells of the record in the σ of the narrowest window."""


def refined(problem: Problem, seen: WindowProduction, most: int, *, widths: bool) -> Windows:
    """Windows that would close the gaps, and, with `widths`, hold what these do not hold.

    Under a restraint of κ, ξ has the variance 1/(κ + U'') and follows λ as dξ/dλ = κ/(κ + U'').
    Both are large only about a maximum that the restraint does not flatten: there a window has
    wells of its own, and no window stands between them. With a variance above `LOOSE`/κ it gets
    half its σ. Neighbours that hardly meet (`TORN`) though they have `ROOM` σ between them at most
    make room for windows of half their σ all the way from where one stands to where the other does;
    if one is narrower, for windows like that, whatever they have in common. Any other gap is closed
    by a window halfway.

    Parameters
    ----------
    problem : Problem
    seen : WindowProduction
        What the windows have sampled since their walkers settled.
    most : int
        Windows, those there are included.
    widths : bool
        Whether they may be narrowed.
    """
    windows, overlaps = seen.windows, seen.overlaps(problem)
    # twice what is asked: production shall not find a gap that adaptation just missed
    wanted = 2.0 * problem.criteria.overlap
    gaps = [pair for v, pair in sorted((v, pair) for pair, v in overlaps.items()) if v < wanted]
    if not widths:
        return windows.between(gaps[: max(0, most - len(windows))])
    half = _half_as_wide(problem, windows)
    mean, variance = seen.spread(problem)
    loose = variance * windows.kappa > LOOSE
    found, halfway = windows.stiffened(np.where(loose, half, 0.0)), []
    for a, b in gaps:
        if loose[[a, b]].any():
            continue
        kappa, room = _between(windows, a, b, half)
        alike = np.array_equal(windows.kappa[a], windows.kappa[b])
        # one halfway would be as far from the wider as the narrower is now
        soft = overlaps[a, b] < TORN or not alike or room <= 0.5 * ROOM
        if room <= ROOM and soft and (kappa > windows.kappa[[a, b]]).any():
            found = found.filled(mean[a], mean[b], kappa, most)
        else:
            halfway.append((a, b))
    return found.between(halfway[: max(0, most - len(found))])


def _half_as_wide(problem: Problem, windows: Windows) -> Array:
    """κ of windows of half the σ, (K, C); as it is where the record or the moves bear no more."""
    finest = (FINEST * cell_width(problem.grid)) ** -2.0
    stiffest = np.minimum(finest, problem.stiffest())
    return np.asarray(np.where(4.0 * windows.kappa <= stiffest, 4.0, 1.0) * windows.kappa)


def _between(windows: Windows, a: int, b: int, half: Array) -> tuple[Array, float]:
    """κ of windows on the way from a to b, (C,), and the distance in σ of the narrower.

    `half`: κ of windows of half the σ, shape (K, C).
    """
    one, other = windows.kappa[a], windows.kappa[b]
    kappa = np.where(one == other, np.maximum(half[a], half[b]), np.maximum(one, other))
    d = windows.widest.displacement(windows.centres[a], windows.centres[b])
    return kappa, float(np.sqrt((np.maximum(one, other) * d * d).sum()))
