"""Conditional score (diffusion) models and their probability flow."""
