"""How long rounds and adaptations are at the least, as sections and strategies both have it."""

from __future__ import annotations

BLOCKS = 10
"""Stretches of local moves in one order of production; more as the rounds go on."""
MASS_ROUNDS = 3
"""Rounds of the adaptation after which the masses of a potential's coordinates are fixed."""
