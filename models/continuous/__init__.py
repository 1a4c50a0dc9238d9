"""Continuous flows: a velocity integrated by the very steps that also give the density."""
