"""How ``msgen init`` says what is wrong with what it was given."""

from __future__ import annotations

from msgen.orchestrator.schema.problems import CampaignError, Problem


def wrong(field: str, value: object, what: str, remedy: str) -> CampaignError:
    """An error with one problem.

    Parameters
    ----------
    field : str
        FILE, or the option.
    value : object
    what, remedy : str
    """
    return CampaignError("msgen init", [Problem((field,), value, what, remedy)])
