"""Systems and CVs from a campaign's sections, which their schema has validated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msgen.systems.base import CV, CVSet, System
from msgen.systems.errors import SpecError
from msgen.systems.kinds import CV_KINDS, SYSTEM_KINDS, CVSite, SystemSite

_OF_THE_SURFACE = ("kind", "range", "bins", "reported")
"""Keys of a CV's section that its builder has no use for."""


def build_system(spec: Mapping[str, Any], base_dir: Path, platform: str | None = None) -> System:
    """Build the system of a campaign.

    Parameters
    ----------
    spec : Mapping
        The ``system:`` section as its schema resolves it: floats in internal units, nothing that
        is None.
    base_dir : Path
        The campaign file's folder; files are found relative to it.
    platform : str, optional
        See `SystemSite`.

    Raises
    ------
    SpecError
        For what only a file, a topology or this machine can tell.
    KeyError
        If nothing that is installed brings this kind.
    PluginError
    """
    values = {key: value for key, value in spec.items() if key != "kind"}
    return SYSTEM_KINDS[spec["kind"]].build(SystemSite(base_dir, platform), **values)


def build_cv(name: str, spec: Mapping[str, Any], site: CVSite) -> CV:
    """One CV from its section, as its schema resolves it.

    Raises
    ------
    SpecError
        For what only a file or the system can tell.
    """
    values = {key: value for key, value in spec.items() if key not in _OF_THE_SURFACE}
    return CV_KINDS[spec["kind"]].build(name, site, **values)


def build_cvs(spec: Mapping[str, Any], system: System, base_dir: Path) -> CVSet:
    """The CVs of a campaign, in the order of the file.

    Parameters
    ----------
    spec : Mapping
        The ``cvs:`` section as its schema resolves it: name → {kind, …}, floats in internal units.
    system : System
    base_dir : Path
        The campaign file's folder.

    Raises
    ------
    SpecError
        For what only a file or the system can tell.
    KeyError
        If nothing that is installed brings a kind.
    PluginError
    """
    cvs = CVSet(
        tuple(build_cv(k, v, CVSite(system, base_dir, ("cvs", k))) for k, v in spec.items())
    )
    values = cvs(system.initial().positions)[0]
    for name, value in zip(cvs.names, values, strict=True):
        if not np.isfinite(value):
            raise SpecError(
                ("cvs", name), float(value), "is not finite at the start", "Choose other atoms"
            )
    return cvs
