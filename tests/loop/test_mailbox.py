"""Rounds reach the driver once each, though an answer may be lost on the way."""

from __future__ import annotations

import time

from reporting import info

from msgen.orchestrator.base import Activity
from msgen.orchestrator.executors.ray.mailbox import Mailbox


def test_a_round_is_kept_until_it_has_arrived() -> None:
    box = Mailbox()
    for rnd in range(3):
        box.round(info(rnd))
    assert [i.round for i in box.fetch(0, 0.0)[0]] == [0, 1, 2]
    assert [i.round for i in box.fetch(0, 0.0)[0]] == [0, 1, 2]  # the first answer was lost
    assert [i.round for i in box.fetch(2, 0.0)[0]] == [2]
    box.round(info(3))
    assert [i.round for i in box.fetch(3, 0.0)[0]] == [3]
    begun = time.monotonic()
    assert box.fetch(4, 0.05) == ([], None)
    assert time.monotonic() - begun >= 0.05


def test_what_goes_on_is_the_last_that_was_told() -> None:
    box = Mailbox()
    for orders in range(3):
        box.tell(Activity("sampling", orders=orders))
    assert box.fetch(0, 0.0) == ([], Activity("sampling", orders=2))
