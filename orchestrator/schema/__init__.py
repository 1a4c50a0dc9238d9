"""The campaign file: its sections, its units, and what is said about a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgen.orchestrator.schema.problems import CampaignError, Problem

if TYPE_CHECKING:
    from msgen.orchestrator.schema.campaign import REST, Campaign

__all__ = ["REST", "Campaign", "CampaignError", "Problem"]


def __getattr__(name: str) -> object:
    # when first asked for: the sections of the strategies are made of what lies in here
    if name in ("REST", "Campaign"):
        from msgen.orchestrator.schema import campaign

        return getattr(campaign, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
