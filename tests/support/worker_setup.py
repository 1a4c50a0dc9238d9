"""What a worker of a campaign of learned dynamics is told, where a test has no loop."""

from __future__ import annotations

from typing import Any

from msgen.orchestrator.schema import Campaign
from msgen.orchestrator.strategies.registry import KINDS


def setup_of_dynamics(campaign: Campaign, **more: Any) -> dict[str, Any]:
    """One thread, seed 7, and what `more` has."""
    return {
        "system": campaign.spec_system(),
        "cvs": campaign.spec_cvs(),
        "strategy": campaign.spec_strategy(),
        "model": campaign.spec_model(),
        "roles": dict(KINDS["dynamics"].roles),
        "seed": 7,
        "threads": 1,
        **more,
    }
