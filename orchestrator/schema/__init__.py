"""The campaign file: its sections, its units, and what is said about a wrong one."""

from msgen.orchestrator.schema.campaign import REST, Campaign
from msgen.orchestrator.schema.problems import CampaignError, Problem

__all__ = ["REST", "Campaign", "CampaignError", "Problem"]
