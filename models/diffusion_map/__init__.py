"""Slow coordinates from data alone."""
