"""What of a switching path can be tuned, and by how much a setting is varied."""

from __future__ import annotations

from dataclasses import replace

from msgen.actors.cv_space.switching_schedule import Schedule

AXES = ("steps", "kappa", "smooth", "friction", "dt")
"""What can be tuned."""
FACTORS = {"steps": 2.0, "kappa": 2.0, "friction": 8.0, "dt": 2.0}
"""Between neighbouring candidates; friction reaches from inertial to overdamped in few turns."""
SMOOTH = (0.0, 0.5, 1.0)
"""Candidates of `Schedule.smooth`."""


def varied(s: Schedule, axis: str, factor: float) -> Schedule:
    """A schedule with one setting multiplied, all others as they are."""
    if axis == "steps":
        return replace(s, steps_per_unit=s.steps_per_unit * factor)
    if axis == "kappa":
        return replace(s, g=replace(s.g, kappa=s.g.kappa * factor**2))
    if axis == "dt":
        # the same distance in the same time: only the integration changes
        return replace(s, dt=s.dt * factor, steps_per_unit=s.steps_per_unit / factor)
    return replace(s, friction=s.friction * factor)
