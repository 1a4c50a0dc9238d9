"""A model's section without a campaign around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from msgen.orchestrator.schema.model_kinds import ModelSpec
from msgen.orchestrator.schema.problems import CampaignError
from msgen.orchestrator.schema.quantities import Section

if TYPE_CHECKING:
    from msgen.models.base import Json


class _Alone(Section):
    model: ModelSpec


def model_spec(given: Mapping[str, object]) -> dict[str, Json]:
    """What `msgen.models.build` takes, of a section as a campaign file has it.

    Parameters
    ----------
    given : Mapping
        ``kind`` and the settings that differ from its defaults.

    Raises
    ------
    CampaignError
        For an unknown kind or key, or a value that is not allowed.

    Examples
    --------
    >>> from msgen.models import Space, build
    >>> model = build(model_spec({"kind": "kde", "kernels": 100}), Space((False, True)))
    """
    try:
        return _Alone.model_validate({"model": dict(given)}).model.spec()
    except ValidationError as error:
        from msgen.orchestrator.schema.translate import problems_of  # it knows whole campaigns

        raise CampaignError("model", problems_of(error)) from None
