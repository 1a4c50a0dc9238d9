"""What a campaign holds in memory, from its file, before anything starts."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import Problem

if TYPE_CHECKING:
    from msgen.orchestrator.schema import Campaign

GIB = 2**30
PROGRAM = 400 * 2**20
"""Python with torch, OpenMM, zarr and matplotlib; 344 MiB were measured."""
NUMBER = 8
"""Bytes."""
_COPIES = 4
"""Of the sums of a surface, while its errors are worked out."""
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True)
class Memory:
    """Bytes that the process which runs the campaign holds, by what they are for.

    Attributes
    ----------
    surfaces : int
        Sums of all surfaces by replica and stretch of time, and their errors.
    samples : int
        Readings of the CVs, of production and for the bias and the model.
    walkers : int
        Replicas, with what two checkpoints hold of them.
    """

    surfaces: int
    samples: int
    walkers: int

    @classmethod
    def of(cls, campaign: Campaign, n_dof: int) -> Memory:
        """By what the file says; where states are to be found, for as many as may be."""
        if nested := campaign.strategy.nested(campaign):
            each = [cls.of(one, n_dof) for one in nested.values()]
            parts = zip(*((m.surfaces, m.samples, m.walkers) for m in each), strict=True)
            return cls(*map(sum, parts))
        # numpy comes with them
        from msgen.orchestrator.strategies.common.blocks import MOST_BLOCKS
        from msgen.orchestrator.strategies.common.readings import ALL_RECORDS, MOST_RECORDS
        from msgen.orchestrator.strategies.common.replica_stretches import (
            MOST_STRETCHES,
            MOST_VALUES,
        )

        cvs, replicas = list(campaign.cvs.values()), campaign.first_replicas
        strata = campaign.strategy.most_strata(campaign)
        along = campaign.surface_columns or (tuple(range(len(cvs))),)
        labels = sum(math.prod(cvs[c].bins for c in columns) for columns in along) + strata
        blocks = min(replicas, MOST_BLOCKS * strata)
        stretches = 2 * MOST_STRETCHES * blocks * labels
        held = (strata + _COPIES) * blocks * labels
        if stretches <= MOST_VALUES:
            # by stretch, and by unit in each stratum, of which there are as many as blocks make
            held += stretches * 2 + strata * blocks * labels
        series = replicas * 2 * max(50, min(MOST_RECORDS, ALL_RECORDS // replicas))
        samples = series * (len(cvs) + 2)
        if campaign.surface_columns and campaign.strategy.uses_model:
            samples += strata * campaign.strategy.kept_samples * (len(cvs) + 1)
        # positions and velocities, now and in two checkpoints
        walkers = 2 * 3 * replicas * n_dof
        return cls(NUMBER * held, NUMBER * samples, NUMBER * walkers)

    @property
    def total(self) -> int:
        """With the program itself."""
        return PROGRAM + self.surfaces + self.samples + self.walkers

    @property
    def in_words(self) -> str:
        """The total, and what most of it is for."""
        parts = {"surfaces": self.surfaces, "samples": self.samples, "walkers": self.walkers}
        most = max(parts, key=lambda name: parts[name])
        said = f"about {self.total / GIB:.2g} GiB in the process that runs it"
        return f"{said}, {parts[most] / GIB:.2g} of them for {most}"


def memory_problems(campaign: Campaign, n_dof: int, limit: int | None = None) -> Iterator[Problem]:
    """Why it does not fit into `limit` bytes, by default those of this machine or container."""
    needed = Memory.of(campaign, n_dof)
    limit = available() if limit is None else limit
    if limit is None or needed.total <= limit:
        return
    what = f"needs {needed.in_words}, and {limit / GIB:.2g} GiB are there"
    remedy = "Give CVs fewer bins, ask for fewer or smaller surfaces:, or take fewer replicas"
    where = ("cvs",) if campaign.surfaces is None else ("surfaces",)
    yield Problem(where, list(campaign.cvs), what, remedy)


def available() -> int | None:
    """Bytes of this machine, or of the container it is; None where nobody tells."""
    found: list[int] = []
    with contextlib.suppress(ValueError, OSError, AttributeError):  # Windows knows neither
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _LIMITS:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():  # "max" where there is none
            found.append(int(text))
    return min(found, default=None)
