"""What the local moves must agree on with the rest of the campaign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import Path, Problem
from msgen.orchestrator.strategies.common.local_schema import HMC

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import Campaign


def local_problems(campaign: Campaign) -> Iterator[Problem]:
    """Their kind and their metric, in the order of the file."""
    here: Path = ("strategy", "local")
    strategy, local = campaign.strategy, campaign.strategy.local
    if not campaign.batched and local.kind not in ("langevin", "ghmc"):
        what, remedy = "is not for what OpenMM steps", "Take langevin or ghmc"
        yield Problem((*here, "kind"), local.kind, what, remedy)
    if isinstance(local, HMC) and local.metric == "dense":
        if not strategy.uses_dense_metric:
            what = f"is for the {' and '.join(_with_dense_metric())} strategy"
            yield Problem((*here, "metric"), local.metric, what, "Write metric: diagonal")
        elif campaign.has_atoms:
            what = "is for potentials: the axes of a cluster or a molecule turn with it"
            yield Problem((*here, "metric"), local.metric, what, "Write metric: diagonal")
        elif local.step_size != "auto":
            what, remedy = "cannot be given with metric: dense, which sets the scale", "Remove it"
            yield Problem((*here, "step_size"), local.step_size, what, remedy)


def _with_dense_metric() -> list[str]:
    from msgen.orchestrator.strategies.registry import KINDS  # it needs the sections

    return [name for name, kind in KINDS.own.items() if kind.section.uses_dense_metric]
