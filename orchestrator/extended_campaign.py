"""A campaign that moves along more than the CVs it was given, see `loop.extension`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from msgen.orchestrator.loop.extension import BINS, Extension, Section
from msgen.orchestrator.schema.campaign import MOST_ON_GRID
from msgen.orchestrator.schema.surface_rules import MOST_BINS, MOST_CVS

if TYPE_CHECKING:
    from msgen.orchestrator.validate import Checked
    from msgen.systems.base import Array


def along_more(checked: Checked, came: Sequence[Extension]) -> Checked:
    """The campaign as it goes on, with the CVs that came."""
    from msgen.systems.build import build_cvs  # torch comes with it

    if not came:
        return checked
    campaign = checked.campaign
    for n, one in enumerate(came, 1):
        # the same rounds come again: their noise must not
        seed = int(np.random.SeedSequence([checked.campaign.seed, n]).generate_state(1)[0])
        campaign = campaign.along_more(one.name, one.section, seed)
    cvs = build_cvs(campaign.spec_cvs(), checked.system, checked.base_dir)
    return replace(checked, campaign=campaign, cvs=cvs)


def candidates(checked: Checked) -> Mapping[str, Section]:
    """What the campaign may come to move along, by the name that it is watched under."""
    from msgen.systems.watched import watched  # torch comes with it

    campaign = checked.campaign
    bins = BINS * math.prod(cv.bins for cv in campaign.cvs.values())
    full = len(campaign.cvs) >= MOST_ON_GRID or bins > MOST_BINS
    if campaign.surface_columns:
        full = len(campaign.cvs) >= MOST_CVS
    if campaign.extend == "off" or full:
        return {}
    return watched(checked.system, checked.cvs).as_cv


def readings(run_dir: Path, checked: Checked, what: str) -> Array:
    """All values of something watched that a run has stored."""
    from msgen.orchestrator.run_directory.store import Store  # zarr is slow to import
    from msgen.systems.watched import watched

    column = watched(checked.system, checked.cvs).names.index(what)
    store = Store(run_dir / "store.zarr")
    names = [name for name in store.names() if name.endswith("/watched")]
    return np.concatenate([np.asarray(store.read(n), dtype=np.float64)[:, column] for n in names])
