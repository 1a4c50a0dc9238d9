"""Schedules of paths with a given number of levels, whatever their distance."""

from __future__ import annotations

from typing import Any

import numpy as np

from msgen.actors.cv_space.extended_variable import Conditional
from msgen.actors.cv_space.switching_schedule import Schedule

SPRINGS = Conditional(np.array([100.0, 80.0]), np.array([True, True]))
"""κ of φ and ψ."""


def schedule_of(g: Conditional, levels: int, stride: int, **more: Any) -> Schedule:
    """Paths of `levels` levels whatever their distance."""
    settings = {"dt": 0.05, "friction": 0.0, "refresh": 10, **more}
    return Schedule(
        g,
        steps_per_unit=1e-9,
        scale=np.ones(len(g.kappa)),
        stride=stride,
        min_steps=levels * stride,
        **settings,
    )
