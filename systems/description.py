"""What is simulated, in words, whatever computes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Description:
    """What is simulated.

    Attributes
    ----------
    facts : Mapping of str to str
        In the order in which they are shown.
    warnings : tuple of str
        What is allowed and seldom meant.
    """

    facts: Mapping[str, str]
    warnings: tuple[str, ...]
