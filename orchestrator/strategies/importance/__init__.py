"""Weighted draws of a trained model."""
