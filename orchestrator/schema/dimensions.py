"""Whether values have the dimension of what they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgen.orchestrator.schema import units
from msgen.orchestrator.schema.cv_section import CVSection
from msgen.orchestrator.schema.problems import MISSING, Path, Problem, choose
from msgen.orchestrator.schema.units import Dimension, Quantity


def wrong_dimension(path: Path, value: Quantity, needed: Dimension) -> Problem | None:
    """The problem with a value whose unit is not one of `needed`, if it is not."""
    if value.dimension == needed:
        return None
    shown = units.to_text(value.value, value.dimension)
    try:
        units.parse(value.value if value.dimension == "number" else shown, needed)
    except units.UnitError as error:
        return Problem(path, plain(value), error.problem, error.remedy)
    return None


def plain(value: Quantity) -> object:
    """A quantity as it stands in the file."""
    return value.value if value.dimension == "number" else value.written or str(value)


def width_problems(
    cvs: Mapping[str, CVSection], width: object, here: Path, wanted: Sequence[str]
) -> Iterator[Problem]:
    """A width for all CVs, or one for each of those `wanted`."""
    if isinstance(width, Quantity):
        for name in wanted:
            wrong = wrong_dimension(here, width, cvs[name].dimension)
            if wrong:
                yield wrong
                return
    if isinstance(width, dict):
        for name, value in width.items():
            if name not in cvs:
                yield Problem((*here, name), MISSING, "no such CV", choose(name, cvs))
            else:
                wrong = wrong_dimension((*here, name), value, cvs[name].dimension)
                if wrong:
                    yield wrong
        for name in wanted:
            if name not in width:
                yield Problem(
                    (*here, name), MISSING, "is missing", "Give every CV a width, or auto"
                )
