"""The reported intervals hold the truth as often as they say, over 100 campaigns."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_intervals_cover_and_halved_errors_do_not() -> None:
    """68 and 95 % within 4 binomial σ; the wrong twin, errors halved, must miss."""
    from intervals import repeats, within

    z = repeats(100)
    assert all(row.holds for row in within(z))
    assert not all(row.holds for row in within(z, scale=0.5))
