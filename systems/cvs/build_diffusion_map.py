"""Diffusion coordinates as CVs of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from msgen.systems.base import CV
from msgen.systems.build import build_cv
from msgen.systems.cvs.diffusion_map import LandmarkCV, LandmarkFile
from msgen.systems.errors import SpecError
from msgen.systems.kinds import CV_KINDS, CVSite

FEATURE_KINDS = tuple(name for name, kind in CV_KINDS.own.items() if kind.feature)
"""CVs that can be features of a diffusion map: all that needs no other file."""
MOST_TERMS = 400
"""Landmarks times features of a molecule: OpenMM takes seconds a Context to compile as many, and
four times that for twice as many."""
FAR = 10.0
"""Kernel widths from the data, where a diffusion coordinate is flat."""


def landmark_cv(name: str, site: CVSite, *, file: str, component: int) -> LandmarkCV:
    """Build a ``kind: diffusion_map`` CV.

    Parameters
    ----------
    name : str
    site : CVSite
    file : str
        Relative to the campaign's folder.
    component : int
        Which coordinate, from 1.

    Raises
    ------
    SpecError
        If the file cannot be used with this system, or holds no such component.
    """
    system, where = site.system, (*site.field, "file")
    path = site.base_dir / file
    if not path.is_file():
        make = "Make it with msgen cv diffusion-map; it is found relative to the campaign file"
        raise SpecError(where, file, "no such file", make)
    try:
        made = LandmarkFile.load(path)
    except ValueError as error:
        raise SpecError(
            where, path.name, str(error), "Give a file made by msgen cv diffusion-map"
        ) from error
    known = len(made.eigenvalues)
    if component > known:
        raise SpecError(
            (*site.field, "component"),
            component,
            f"the file has {known} of them",
            f"Give 1 … {known}",
        )
    m, f = made.landmarks.shape
    if system.topology is not None and m * f > MOST_TERMS:
        raise SpecError(
            where,
            path.name,
            f"has {m} landmarks in {f} features, more than OpenMM compiles in reasonable time",
            f"Make it with --landmarks {MOST_TERMS // f}",
        )
    features = tuple(
        _feature(f"{name}[{k}]", spec, site.at("file", k)) for k, spec in enumerate(made.features)
    )
    cv = LandmarkCV(
        name,
        features,
        made.landmarks,
        made.scales,
        made.epsilon,
        made.log_weights,
        float(made.eigenvalues[component - 1]),
        made.values[:, component - 1],
    )
    away = float(cv.distance(torch.as_tensor(system.initial().positions))[0])
    if away > FAR:
        raise SpecError(
            where,
            path.name,
            f"the campaign starts {away:.3g} kernel widths from its data, where Φ is constant",
            "Start within the data, or make the map from data that hold the start",
        )
    return cv


def _feature(name: str, spec: Any, site: CVSite) -> CV:
    """A feature as the file describes it, which no schema has seen."""
    kind = spec.get("kind") if isinstance(spec, Mapping) else None
    if kind not in FEATURE_KINDS:
        known = ", ".join(FEATURE_KINDS)
        raise SpecError(site.field, spec, "cannot be a feature", f"Take one of {known}")
    if CV_KINDS[kind].of == "atoms" and site.system.topology is None:
        raise SpecError(
            (*site.field, "kind"),
            kind,
            "needs atoms, and this system has none",
            "Use kind: coordinate with an index, or kind: python",
        )
    if CV_KINDS[kind].of == "coordinates" and site.system.topology is not None:
        raise SpecError(
            (*site.field, "kind"), kind, "is for analytic systems", "Use a distance or dihedral"
        )
    try:
        return build_cv(name, spec, site)
    except (TypeError, ValueError) as error:  # a key too few or too many, or a value of no use
        if isinstance(error, SpecError):
            raise
        raise SpecError(
            site.field, spec, f"is no {kind} ({error})", "Make the file with msgen cv diffusion-map"
        ) from error
