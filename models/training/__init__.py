"""Fitting: on data, and on an energy."""
