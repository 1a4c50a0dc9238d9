"""Coordinates in which a model sees configurations, and their Jacobians."""
