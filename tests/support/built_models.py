"""Models that are built of a section's settings, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgen import models
from msgen.models import GenerativeModel, Space
from msgen.orchestrator.schema.model_alone import model_spec


def build(
    given: Mapping[str, object],
    dim: int,
    periodic: Sequence[bool],
    n_context: int = 0,
    context_periodic: Sequence[bool] | None = None,
) -> GenerativeModel:
    """A model of `dim` variables; no column of its context is an angle unless it is said."""
    about = [False] * n_context if context_periodic is None else context_periodic
    assert (len(periodic), len(about)) == (dim, n_context)
    return models.build(model_spec(given), Space(tuple(periodic), tuple(about)))
