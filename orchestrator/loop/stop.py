"""Asking a campaign to stop: once kindly, twice at once."""

from __future__ import annotations

import time

GRACE_S = 20.0
"""How long a round may still run after the first request; a cluster's SIGTERM leaves about 30 s."""


class StopFlag:
    """Set from a signal handler or another thread, looked at by the controller."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._requests = 0
        self._deadline = float("inf")

    def request(self) -> None:
        """Stop after this round; a second request drops the round."""
        self._requests += 1
        if self._requests == 1:
            self._deadline = time.monotonic() + self._grace_s

    @property
    def requests(self) -> int:
        return self._requests

    @property
    def requested(self) -> bool:
        """No further round may begin."""
        return self._requests > 0

    @property
    def urgent(self) -> bool:
        """The round that runs is to be dropped; a resume draws the same samples again."""
        return self._requests > 1 or time.monotonic() > self._deadline
