"""Generative models and their fitting."""
