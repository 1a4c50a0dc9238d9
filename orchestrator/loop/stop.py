"""Asking a campaign to stop: once, what is in hand ends with its slice; twice, it is dropped."""

from __future__ import annotations

import time

GRACE_S = 12.0
"""How long what is in hand may take after the first request: the run is to be over in 20 s."""


class StopFlag:
    """Set from a signal handler or another thread, looked at by the controller."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._requests = 0
        self._deadline = float("inf")

    def request(self) -> None:
        """Begin no more orders; a second request drops those in hand."""
        self._requests += 1
        if self._requests == 1:
            self._deadline = time.monotonic() + self._grace_s

    @property
    def requests(self) -> int:
        return self._requests

    @property
    def requested(self) -> bool:
        """No further order may begin."""
        return self._requests > 0

    @property
    def urgent(self) -> bool:
        """What is in hand is to be dropped; a resume draws the same samples again."""
        return self._requests > 1 or time.monotonic() > self._deadline
