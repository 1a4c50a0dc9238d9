"""Throwing walkers about, relaxing them and looking where they are: no model and no bias."""
