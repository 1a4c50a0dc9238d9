"""Probes beside any strategy: what they find it learns, and what they do not find is bounded."""
