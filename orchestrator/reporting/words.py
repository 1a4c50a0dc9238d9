"""Numbers as a person reads them."""

from __future__ import annotations


def count(n: float) -> str:
    """A large number, short: 950, 12.3k, 3.10M."""
    if n < 1e4:
        return f"{n:.0f}"
    if n < 999_950:
        return f"{n / 1e3:.1f}k"
    return f"{n / 1e6:.2f}M" if n < 999_995_000 else f"{n / 1e9:.2f}G"


def duration(seconds: float) -> str:
    """A time span, short: 8 s, 4 min 05 s, 3 h 20 min, 2 d 4 h."""
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s"
    if s < 86400:
        return f"{s // 3600} h {s % 3600 // 60:02d} min"
    return f"{s // 86400} d {s % 86400 // 3600} h"
