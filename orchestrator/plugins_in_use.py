"""Which plug-ins a campaign needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgen.models import kinds as models
from msgen.orchestrator.strategies import registry as strategies
from msgen.systems.kinds import CV_KINDS, SYSTEM_KINDS
from msgen.systems.plugins import Plugin

if TYPE_CHECKING:
    from msgen.orchestrator.schema import Campaign


def plugins_of(campaign: Campaign) -> tuple[Plugin, ...]:
    """The plug-ins whose code this campaign runs, in the order strategy, model, system, CVs."""
    found = [strategies.KINDS.plugin(campaign.strategy.kind)]
    if campaign.uses_model:
        found.append(models.KINDS.plugin(campaign.model.kind))
    found.append(SYSTEM_KINDS.plugin(campaign.system.kind))
    found += [
        CV_KINDS.plugin(kind) for kind in dict.fromkeys(c.kind for c in campaign.cvs.values())
    ]
    return tuple(plugin for plugin in found if plugin is not None)
