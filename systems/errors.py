"""The one error wrong input raises, at every floor, and what others say in a line."""

from __future__ import annotations

from collections.abc import Sequence


class SpecError(ValueError):
    """A campaign cannot be run as written.

    Parameters
    ----------
    field : sequence of (str or int)
        Keys from the campaign's top level, e.g. ``("system", "forcefield", 0)``.
    value : object
        What was found there.
    problem : str
        What is wrong with it, without a final full stop.
    remedy : str
        What to write instead.

    Attributes
    ----------
    field : tuple of (str or int)
    value : object
    problem, remedy : str
    """

    def __init__(
        self, field: Sequence[str | int], value: object, problem: str, remedy: str
    ) -> None:
        self.field: tuple[str | int, ...] = tuple(field)
        self.value = value
        self.problem = problem.rstrip(". ")
        self.remedy = remedy.rstrip(". ")
        super().__init__(self.field, value, problem, remedy)

    @property
    def path(self) -> str:
        """The field as one string: ``system.forcefield[0]``."""
        text = ""
        for key in self.field:
            if isinstance(key, int):
                text += f"[{key}]"
            else:
                text += f".{key}" if text else key
        return text

    def __str__(self) -> str:
        return f"{self.path}: {self.value!r} — {self.problem}. {self.remedy}."


def first_line(error: BaseException) -> str:
    """An error's first line, or its class where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
