"""Diffusion coordinates as CVs of a campaign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from msgen.systems.base import CV, System
from msgen.systems.cvs.diffusion_map import LandmarkCV, LandmarkFile
from msgen.systems.errors import SpecError
from msgen.systems.potentials.python import Field

FEATURE_KINDS = (
    "dihedral",
    "angle",
    "distance",
    "radius_of_gyration",
    "coordination",
    "coordinate",
)
"""CVs that can be features of a diffusion map: all that needs no other file."""
MOST_TERMS = 400
"""Landmarks times features of a molecule: OpenMM takes seconds a Context to compile as many, and
four times that for twice as many."""
FAR = 10.0
"""Kernel widths from the data, where a diffusion coordinate is flat."""


def landmark_cv(
    name: str,
    spec: Mapping[str, Any],
    system: System,
    base_dir: Path,
    build: Callable[[str, Any, Field], CV],
    field: Field,
) -> LandmarkCV:
    """Build a ``kind: diffusion_map`` CV: file, component.

    Parameters
    ----------
    name : str
    spec : Mapping
    system : System
    base_dir : Path
        The campaign file's folder.
    build : callable
        Builds a feature from its name, its mapping and its place.
    field : tuple
        Where `spec` stands in the campaign.

    Raises
    ------
    SpecError
        If the file cannot be used with this system, or holds no such component.
    """
    where = (*field, "file")
    path = base_dir / str(spec.get("file"))
    if not path.is_file():
        make = "Make it with msgen cv diffusion-map; it is found relative to the campaign file"
        raise SpecError(where, spec.get("file"), "no such file", make)
    try:
        made = LandmarkFile.load(path)
    except ValueError as error:
        raise SpecError(
            where, path.name, str(error), "Give a file made by msgen cv diffusion-map"
        ) from error
    component, known = spec.get("component", 1), len(made.eigenvalues)
    if isinstance(component, bool) or not isinstance(component, int) or not 1 <= component <= known:
        raise SpecError(
            (*field, "component"), component, f"the file has {known} of them", f"Give 1 … {known}"
        )
    m, f = made.landmarks.shape
    if hasattr(system, "topology") and m * f > MOST_TERMS:
        raise SpecError(
            where,
            path.name,
            f"has {m} landmarks in {f} features, more than OpenMM compiles in reasonable time",
            f"Make it with --landmarks {MOST_TERMS // f}",
        )
    features = []
    for k, feature in enumerate(made.features):
        if not isinstance(feature, Mapping) or feature.get("kind") not in FEATURE_KINDS:
            known_kinds = ", ".join(FEATURE_KINDS)
            raise SpecError(
                (*where, k), feature, "cannot be a feature", f"Take one of {known_kinds}"
            )
        features.append(build(f"{name}[{k}]", feature, (*where, k)))
    cv = LandmarkCV(
        name,
        tuple(features),
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
