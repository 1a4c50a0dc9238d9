"""Steered paths: λ is driven, the work is tested."""
