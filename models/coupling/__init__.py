"""Normalising flows made of couplings, with an exact density in one pass."""
