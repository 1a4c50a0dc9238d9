"""The `path:` part of a steered strategy: how the CVs are driven from λ₀ to λ_N."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgen.orchestrator.schema.problems import Path, Problem
from msgen.orchestrator.schema.quantities import (
    AutoOrZero,
    AutoQuantity,
    AutoSteps,
    Readings,
    Section,
    Width,
)

TESTED = ("symmetric", "coin_flip")
"""Schemes whose steps at fixed λ may be Metropolised."""


class PathSpec(Section):
    """The switching path of a steered move."""

    scheme: Literal["extended", "moving", "symmetric", "coin_flip", "asymmetric"] = "extended"
    """extended: restraints pull the CVs after λ; the others hold them exactly at λ. moving: λ moves
    during each step, one force a step. symmetric, coin_flip, asymmetric: it moves between steps."""
    inner: Literal["unadjusted", "metropolised"] = "unadjusted"
    """Whether steps between moves of λ are tested (symmetric, coin_flip) or their error is booked
    as work."""
    steps: AutoSteps = "auto"
    """Steps of one path; auto: grows with the CV distance and is tuned for cost per crossing."""
    friction: AutoOrZero = "auto"
    """Friction on the path, 0 for none; auto: tuned."""
    timestep: AutoQuantity = "auto"
    """auto: tuned; for a molecule with the scheme extended that of the local sampling. Without a
    unit for an analytic system."""
    dynamics: Literal["inertial", "overdamped"] = "inertial"
    """Weakly damped switching takes far fewer steps per crossing than overdamped."""
    width: Width = "auto"
    """σ of g(λ|ξ), one for all CVs or one per CV name; auto: from the local fluctuations. For the
    scheme extended."""
    profile: Readings = "auto"
    """Points of a path, an even number, where CV and work are read for F along the whole CV; auto:
    16 where there is one CV; off: none."""


def path_problems(path: PathSpec, here: Path, n_cvs: int) -> Iterator[Problem]:
    """Settings of a path that contradict each other."""
    if path.inner == "metropolised" and path.scheme not in TESTED:
        what = f"is not for the scheme {path.scheme}, which books the error of its steps as work"
        remedy = "Write inner: unadjusted, or take scheme: symmetric or coin_flip"
        yield Problem((*here, "inner"), path.inner, what, remedy)
    if path.scheme != "extended" and path.width != "auto":
        what = f"does nothing: the scheme {path.scheme} holds the CVs exactly at λ"
        yield Problem((*here, "width"), str(path.width), what, "Remove it")
    bare = path.friction != "auto" and path.friction.value == 0.0
    if path.scheme == "asymmetric" and bare and path.dynamics == "inertial":
        what = "is too little for the scheme asymmetric, whose steps need a density"
        yield Problem((*here, "friction"), 0.0, what, "Give one above 0, or dynamics: overdamped")
    if path.profile not in ("auto", 0) and n_cvs > 1:
        what = f"is for one CV, and there are {n_cvs}"
        yield Problem((*here, "profile"), path.profile, what, "Write profile: off, or remove it")
