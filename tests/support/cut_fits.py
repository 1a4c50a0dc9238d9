"""Fits that are cut off, as the end of a process would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgen.models.training.kept_fit import KeptFit, Progress


class CutOffError(Exception):
    """Of a fit, by a test."""


class Cut(KeptFit):
    """Keeps a fit, and ends the process, as it were, after so many epochs."""

    def __init__(self, path: Path, after: int) -> None:
        super().__init__(path)
        self.after = after

    def keep(self, progress: Progress, *about: Any) -> None:
        super().keep(progress, *about)
        if progress.epoch == self.after:
            raise CutOffError
